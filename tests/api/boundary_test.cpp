// The C API on the device at hand: what works from end to end, and what is refused in which words, after which
// everything works as before.
#include "checks.hpp"
#include "opened_with.hpp"

#include <cmath>
#include <cstring>
#include <gramian/gramian.hpp>
#include <limits>

using namespace gramian;

namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

void rejects(gramian_status expected, std::string_view words, gramian_status found)
{
    CAPTURE(words);
    CHECK(static_cast<int>(found) == static_cast<int>(expected));
    CHECK(std::string_view(gramian_last_error()).find(words) != std::string_view::npos);
}

void rejects(std::string_view words, gramian_status found)
{
    rejects(GRAMIAN_INVALID_ARGUMENT, words, found);
}

/// observation [2] and target [1]: keys are the observation, the answer is the sum over what was shown.
std::vector<std::byte> model_bytes()
{
    TensorsHandle tensors;
    const float weight[] = {1, 0, 0, 1};
    const uint64_t shape[] = {2, 2};
    tensors.add("w", shape, weight);
    tensors.set_text("gramian.model", R"({"version":1,"name":"from-memory",
        "inputs":[{"name":"observation","size":2},{"name":"target","size":1,"context":true}],
        "outputs":[{"name":"action","size":1}],"nodes":[
        {"op":"linear","in":["observation"],"out":["key"],"weights":{"weight":"w"}},
        {"op":"linear_attention","in":{"q":"key","k":"key","v":"target"},"out":["action"],"attributes":{"scale":1}}]})");
    return tensors.serialize();
}

/// A session of two streams; stream 1 was shown the pairs (1 0) -> 10 and (0 1) -> 100.
struct Taught {
    DeviceHandle device{opened_with()};
    ModelHandle model{device, model_bytes(), "from-memory"};
    SessionHandle session{model, two_streams()};
    std::vector<float> queries{2, 3, 2, 3};

    Taught()
    {
        const float x[] = {1, 0, 0, 1};
        const float y[] = {10, 100};
        const float* const inputs[] = {x, y};
        const uint32_t stream = 1, count = 2;
        api::check(gramian_session_observe(session.get(), &stream, &count, 1, inputs));
        answers_as_taught();
    }
    void answers_as_taught()
    {
        std::vector<float> answers(2);
        session.step(queries, answers);
        CHECK(answers[0] == 0.0F);
        CHECK(answers[1] == Approx(320));
        note_bits(answers);
    }

private:
    static gramian_session_options two_streams()
    {
        gramian_session_options options = gramian_session_options_default();
        options.streams = 2;
        return options;
    }
};

} // namespace

TEST_CASE("C API: a model is taught, answers and forgets")
{
    Taught taught;
    const uint32_t stream = 1;
    CHECK(gramian_session_reset(taught.session.get(), &stream, 1) == GRAMIAN_OK);
    std::vector<float> answers(2, 1.0F);
    taught.session.step(taught.queries, answers);
    CHECK(answers[1] == 0.0F);
}

TEST_CASE("C API: a handle keeps what it depends on")
{
    auto taught = std::make_unique<Taught>();
    SessionHandle session = std::move(taught->session);
    const std::vector<float> queries = taught->queries;
    taught.reset(); // device and model
    std::vector<float> answers(2);
    session.step(queries, answers);
    CHECK(answers[1] == Approx(320));
}

TEST_CASE("C API: numbers that are not finite are refused by stream, token and channel, and nothing changes")
{
    Taught taught;
    gramian_session* session = taught.session.get();
    for (const float bad : {kNaN, std::numeric_limits<float>::infinity()}) {
        const float x[] = {0, 0, 1, bad};
        const float y[] = {1, 1};
        float answer[2];
        const float* in = x;
        float* out = answer;
        rejects("stream 1, channel 1", gramian_session_step(session, &in, &out));
        const float* const shown[] = {x, y};
        const uint32_t stream = 0, count = 2;
        rejects("stream 0, token 1, channel 1", gramian_session_observe(session, &stream, &count, 1, shown));
        rejects("stream 0, token 1, channel 1", gramian_session_prefill(session, &stream, &count, 1, &in, &out));
        taught.answers_as_taught();
    }
}

TEST_CASE("C API: streams out of range or named twice are refused, and nothing changes")
{
    Taught taught;
    gramian_session* session = taught.session.get();
    const uint32_t beyond = 2;
    const uint32_t twice[] = {1, 1};
    rejects("stream 2", gramian_session_reset(session, &beyond, 1));
    rejects("named twice", gramian_session_reset(session, twice, 2));
    rejects("stream 2", gramian_session_solve(session, &beyond, 1, nullptr));
    rejects("stream 2", gramian_session_copy(session, 2, twice, 1));
    taught.answers_as_taught();
}

TEST_CASE("C API: NULL is refused by the name of the argument")
{
    Taught taught;
    gramian_session* session = taught.session.get();
    float answer[2];
    const float* in = taught.queries.data();
    float* out = answer;
    const float* null_in = nullptr;
    rejects("device is NULL", gramian_device_open(nullptr, nullptr));
    rejects("model is NULL", gramian_session_create(nullptr, nullptr, &session));
    rejects("session is NULL", gramian_session_step(nullptr, &in, &out));
    rejects("inputs is NULL", gramian_session_step(session, nullptr, &out));
    rejects("an input is NULL", gramian_session_step(session, &null_in, &out));
    rejects("outputs is NULL", gramian_session_step(session, &in, nullptr));
    rejects("bytes is NULL", gramian_model_parse(taught.device.get(), nullptr, 0, "x", nullptr));
    rejects("inputs is NULL", gramian_operator_run(taught.device.get(), "add", nullptr, nullptr, nullptr));
    gramian_session_destroy(nullptr);
    gramian_model_destroy(nullptr);
    gramian_device_destroy(nullptr);
    taught.answers_as_taught();
}

TEST_CASE("C API: a struct without its size is refused, a shorter or longer one is understood")
{
    gramian_device_options options = opened_with();
    gramian_device* device = nullptr;
    options.size = 0;
    rejects("size is not filled in", gramian_device_open(&options, &device));
    options = opened_with();
    options.limits = 2;
    rejects("limits 2 is unknown", gramian_device_open(&options, &device));
    CHECK(device == nullptr);
    options = opened_with();
    options.size = offsetof(gramian_device_options, verdict); // an older caller
    const DeviceHandle opened(options);
    struct {
        gramian_device_info known;
        uint32_t later;
    } info{};
    info.known.size = sizeof info;
    info.later = 77;
    CHECK(gramian_device_get_info(opened.get(), &info.known) == GRAMIAN_OK);
    CHECK(info.later == 77U);
    CHECK(info.known.max_push_bytes >= 128U);
}

TEST_CASE("C API: a device that is not there is refused with what there is")
{
    gramian_device_options options = opened_with();
    gramian_device* device = nullptr;
    for (const char* selector : {"no such device", "4000000000", ""}) {
        options.selector = selector;
        rejects(GRAMIAN_NO_DEVICE, "host", gramian_device_open(&options, &device));
    }
    CHECK(device == nullptr);
}

TEST_CASE("C API: files that are none, and models that do not hold up")
{
    const DeviceHandle device(opened_with());
    gramian_model* model = nullptr;
    rejects(GRAMIAN_IO_ERROR, "nowhere.safetensors", gramian_model_load(device.get(), "nowhere.safetensors", &model));
    rejects(GRAMIAN_INVALID_MODEL, "scrap: ", gramian_model_parse(device.get(), "scrap", 5, "scrap", &model));
    std::vector<std::byte> bytes = model_bytes();
    bytes.resize(bytes.size() - 1);
    rejects(GRAMIAN_INVALID_MODEL,
            "cut: ", gramian_model_parse(device.get(), bytes.data(), bytes.size(), "cut", &model));
    CHECK(model == nullptr);
}

TEST_CASE("C API: operators, attributes and shapes that do not fit are refused by name")
{
    const DeviceHandle device(opened_with());
    TensorsHandle inputs;
    const float values[6] = {1, 2, 3, 4, 5, 6};
    const uint64_t wide[] = {2, 3};
    const uint64_t high[] = {3, 2};
    inputs.add("a", wide, values);
    inputs.add("b", high, values);
    gramian_tensors* outputs = nullptr;
    const auto run = [&](const char* name, const char* attributes) {
        return gramian_operator_run(device.get(), name, attributes, inputs.get(), &outputs);
    };
    rejects(GRAMIAN_UNSUPPORTED, "no operator \"none\"", run("none", nullptr));
    rejects(GRAMIAN_UNSUPPORTED, "no attribute \"kind\"", run("add", R"({"kind":"tanh"})"));
    rejects("b: expected [2, 3], found [3, 2]", run("add", nullptr));
    rejects("", run("add", "{"));
    CHECK(outputs == nullptr);
}

TEST_CASE("C API: a saved stream is restored to the bit, and refused where a byte was changed")
{
    Taught taught;
    gramian_session* session = taught.session.get();
    const uint32_t stream = 1;
    size_t count = 0;
    CHECK(gramian_session_save(session, &stream, 1, nullptr, &count) == GRAMIAN_OK);
    std::vector<std::byte> saved(count);
    CHECK(gramian_session_save(session, &stream, 1, saved.data(), &count) == GRAMIAN_OK);
    CHECK(gramian_session_reset(session, &stream, 1) == GRAMIAN_OK);
    CHECK(gramian_session_restore(session, &stream, 1, saved.data(), count, 0) == GRAMIAN_OK);
    taught.answers_as_taught();
    saved[count / 2] ^= std::byte{1};
    const gramian_status damaged = gramian_session_restore(session, &stream, 1, saved.data(), count, 0);
    CHECK(damaged == GRAMIAN_INVALID_STATE);
    taught.answers_as_taught();
}

TEST_CASE("C API: more streams than memory holds are refused with the numbers before anything is taken")
{
    const DeviceHandle device(opened_with());
    const ModelHandle model(device, model_bytes(), "from-memory");
    gramian_session_options options = gramian_session_options_default();
    options.streams = 4'000'000'000U;
    gramian_session* session = nullptr;
    rejects(GRAMIAN_OUT_OF_MEMORY, "4000000000 streams", gramian_session_create(model.get(), &options, &session));
    options.streams = 0;
    rejects("at least one stream", gramian_session_create(model.get(), &options, &session));
    CHECK(session == nullptr);
}
