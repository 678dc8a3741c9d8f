// The C++ owners over the C API: move-only, one exception type, spans in and out.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <gramian/gramian.hpp>

#include <cmath>
#include <cstdlib>
#include <doctest/doctest.h>
#include <filesystem>
#include <fstream>
#include <type_traits>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
// Drivers leave a few allocations behind; once unloaded their frames have no names to suppress.
extern "C" int dlclose(void*)
{
    return 0;
}
#endif

using namespace gramian;

namespace {

static_assert(!std::is_copy_constructible_v<DeviceHandle> && std::is_nothrow_move_constructible_v<DeviceHandle>);
static_assert(!std::is_copy_constructible_v<ModelHandle> && std::is_nothrow_move_constructible_v<ModelHandle>);
static_assert(!std::is_copy_constructible_v<SessionHandle> && std::is_nothrow_move_constructible_v<SessionHandle>);
static_assert(!std::is_copy_constructible_v<TensorsHandle> && std::is_nothrow_move_assignable_v<TensorsHandle>);

std::string environment(const char* name, const char* otherwise)
{
    const char* value = std::getenv(name);
    return value && *value ? value : otherwise;
}

DeviceHandle open_device()
{
    const std::string selector = environment("GRAMIAN_DEVICE", "0");
    gramian_device_options options = gramian_device_options_default();
    options.selector = selector.c_str();
    options.limits =
        environment("GRAMIAN_LIMITS", "device") == "minimum" ? GRAMIAN_LIMITS_MINIMUM : GRAMIAN_LIMITS_DEVICE;
    options.validation = environment("GRAMIAN_VALIDATION", "0") == "1";
    DeviceHandle device(options);
    MESSAGE("device: ", device.info().name);
    return device;
}

/// A model file on disk, removed at the end.
struct File {
    std::string path;
    File()
    {
        std::string name = (std::filesystem::temp_directory_path() / "gramian-hpp-XXXXXX").string();
        const int descriptor = ::mkstemp(name.data());
        REQUIRE(descriptor >= 0);
        ::close(descriptor);
        path = name;
        TensorsHandle tensors;
        const float weight[] = {1, 0, 0, 1};
        const uint64_t shape[] = {2, 2};
        tensors.add("w", shape, weight);
        api::check(gramian_tensors_set_text(tensors.get(), "gramian.model", R"({"version":1,"name":"from-cpp",
            "inputs":[{"name":"observation","size":2},{"name":"target","size":1,"context":true}],
            "outputs":[{"name":"action","size":1}],"nodes":[
            {"op":"linear","in":["observation"],"out":["key"],"weights":{"weight":"w"}},
            {"op":"linear_attention","in":{"q":"key","k":"key","v":"target"},"out":["action"],
             "attributes":{"scale":1}}]})"));
        tensors.save(path);
    }
    File(const File&) = delete;
    File& operator=(const File&) = delete;
    ~File() { std::filesystem::remove(path); }
};

gramian_session_options streams(uint32_t count)
{
    gramian_session_options options = gramian_session_options_default();
    options.streams = count;
    return options;
}

void observe(SessionHandle& session, std::vector<uint32_t> chosen, const std::vector<uint32_t>& counts,
             const std::vector<float>& x, const std::vector<float>& y)
{
    const float* const inputs[] = {x.data(), y.data()};
    session.observe(chosen, counts, inputs);
}

template <class Action>
void throws(gramian_status status, std::string_view words, Action action)
{
    CAPTURE(words);
    try {
        action();
        FAIL_CHECK("accepted");
    } catch (const ApiError& error) {
        const std::string message = error.what();
        CAPTURE(message);
        CHECK(error.status() == status);
        CHECK(message.find(words) != std::string::npos);
    }
}

} // namespace

TEST_CASE("gramian.hpp: a session learns, answers and forgets")
{
    const File file;
    const DeviceHandle device = open_device();
    const ModelHandle model(device, file.path);
    CHECK(std::string(model.json()).find("from-cpp") != std::string::npos);
    SessionHandle session(model, streams(2));
    CHECK(session.info().streams == 2);
    observe(session, {0, 1}, {1, 2}, {1, 2, 3, 0, 0, 1}, {10, 1, 100});
    const std::vector<uint32_t> both{0, 1};
    CHECK(session.solve(both).size() == 2);
    const std::vector<float> queries{1, 1, 1, 1};
    std::vector<float> answers(2);
    session.step(queries, answers);
    CHECK(answers[0] == doctest::Approx(30));  // 10 (1 + 2)
    CHECK(answers[1] == doctest::Approx(103)); // 1 (3 + 0) + 100 (0 + 1)
    const std::vector<uint32_t> first{0};
    session.reset(first);
    session.step(queries, answers);
    CHECK(answers[0] == 0.0F);
    CHECK(answers[1] == doctest::Approx(103));
    session.reset();
    session.step(queries, answers);
    CHECK(answers[1] == 0.0F);
}

TEST_CASE("gramian.hpp: resetting no stream forgets nothing")
{
    const File file;
    const DeviceHandle device = open_device();
    const ModelHandle model(device, file.path);
    SessionHandle session(model, streams(1));
    observe(session, {0}, {1}, {1, 2}, {10});
    session.reset(std::span<const uint32_t>{});
    const std::vector<float> query{1, 1};
    std::vector<float> answer(1);
    session.step(query, answer);
    CHECK(answer[0] == doctest::Approx(30));
}

TEST_CASE("gramian.hpp: a model loads from memory as from disk")
{
    const File file;
    std::ifstream stream(file.path, std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(stream), {}};
    const DeviceHandle device = open_device();
    const ModelHandle from_disk(device, file.path);
    const ModelHandle from_memory(device, std::as_bytes(std::span(bytes)), "memory");
    CHECK(std::string(from_memory.json()) == from_disk.json());
    const std::vector<std::byte> serialized = TensorsHandle::load(file.path).serialize();
    const ModelHandle from_tensors(device, serialized, "tensors");
    CHECK(std::string(from_tensors.json()) == from_disk.json());
}

TEST_CASE("gramian.hpp: owners move and may be destroyed in any order")
{
    const File file;
    auto device = std::make_unique<DeviceHandle>(open_device());
    auto model = std::make_unique<ModelHandle>(*device, file.path);
    SessionHandle made(*model, streams(1));
    SessionHandle session = std::move(made);
    device.reset();
    model.reset();
    observe(session, {0}, {1}, {1, 2}, {10});
    const std::vector<float> query{1, 1};
    std::vector<float> answer(1);
    session.step(query, answer);
    CHECK(answer[0] == doctest::Approx(30));
}

TEST_CASE("gramian.hpp: what fails throws ApiError with status and message")
{
    const File file;
    const DeviceHandle device = open_device();
    gramian_device_options options = gramian_device_options_default();
    options.selector = "no such device";
    throws(GRAMIAN_NO_DEVICE, "no such device", [&] { const DeviceHandle none(options); });
    throws(GRAMIAN_IO_ERROR, "nowhere", [&] { const ModelHandle none(device, "nowhere"); });
    throws(GRAMIAN_INVALID_MODEL, "empty", [&] {
        const std::byte byte{};
        const ModelHandle none(device, {&byte, 1}, "empty");
    });
    const ModelHandle model(device, file.path);
    throws(GRAMIAN_INVALID_ARGUMENT, "at least one stream", [&] { const SessionHandle none(model, streams(0)); });
    SessionHandle session(model, streams(1));
    const std::vector<float> bad{1, NAN};
    std::vector<float> answer(1);
    throws(GRAMIAN_INVALID_ARGUMENT, "stream 0, channel 1", [&] { session.step(bad, answer); });
    throws(GRAMIAN_UNSUPPORTED, "no operator \"none\"",
           [&] { (void)run_operator(device, "none", "", TensorsHandle()); });
    throws(GRAMIAN_INVALID_ARGUMENT, "no tensor", [] { (void)TensorsHandle().find("x"); });
}

TEST_CASE("gramian.hpp: a step with spans that are too short is refused, not read past their end")
{
    const File file;
    const DeviceHandle device = open_device();
    const ModelHandle model(device, file.path);
    SessionHandle session(model, streams(1));
    const std::vector<float> query{1, 1};
    std::vector<float> answer(1);
    session.step(query, answer);
    throws(GRAMIAN_INVALID_ARGUMENT, "", [&] { session.step({}, answer); });
}

TEST_CASE("gramian.hpp: an operator runs on named tensors")
{
    const DeviceHandle device = open_device();
    TensorsHandle inputs;
    const float a[] = {1, 2, 3};
    const uint64_t shape[] = {1, 3};
    inputs.add("a", shape, a);
    inputs.add("b", shape, a);
    const TensorsHandle outputs = run_operator(device, "multiply", "", inputs);
    const gramian_tensor_view y = outputs.find("y");
    REQUIRE(y.element_count == 3);
    CHECK(y.values[2] == doctest::Approx(9));
}

TEST_CASE("gramian.hpp: weights rounded to halves are kept so, and a step moves half the bytes")
{
    constexpr uint64_t kSize = 255;
    const uint64_t shape[] = {kSize, kSize};
    std::vector<float> weight(kSize * kSize);
    for (size_t i = 0; i < weight.size(); ++i) weight[i] = std::sin(static_cast<float>(i));
    TensorsHandle tensors;
    tensors.add("w", shape, weight.data());
    tensors.set_text("gramian.model", R"({"version":1,"name":"wide","inputs":[{"name":"x","size":255}],
        "outputs":[{"name":"y","size":255}],
        "nodes":[{"op":"linear","in":["x"],"out":["y"],"weights":{"weight":"w"}}]})");
    const DeviceHandle device = open_device();
    const ModelHandle full(device, tensors.serialize(), "full");
    tensors.round_to_half("w");
    const ModelHandle half(device, tensors.serialize(), "half");
    CHECK(std::string_view(full.json()).find("\"half_parameter_count\":0,") != std::string_view::npos);
    CHECK(std::string_view(half.json()).find("\"half_parameter_count\":65025,") != std::string_view::npos);
    SessionHandle full_session(full, streams(1));
    SessionHandle half_session(half, streams(1));
    const auto moved = [](const SessionHandle& session) {
        return static_cast<double>(session.info().step_bytes_moved);
    };
    CHECK(moved(half_session) < 0.52 * moved(full_session)); // the vectors are fp32
    const std::vector<float> x(kSize, 0.5F);
    std::vector<float> y(kSize);
    std::vector<float> y_half(kSize);
    full_session.step(x, y);
    half_session.step(x, y_half);
    for (size_t i = 0; i < kSize; ++i) CHECK(y_half[i] == doctest::Approx(y[i]).epsilon(1e-3).scale(16));
}

TEST_CASE("gramian.hpp: the list of devices ends with the host")
{
    const std::vector<gramian_device_info> devices = device_list();
    REQUIRE_FALSE(devices.empty());
    CHECK(devices.back().is_host == 1);
}
