// Kernels that are wrong on purpose (CMakeLists.txt) are caught by the self-test and not used again: the next variant
// takes their place, and where there is none the caller is told.
#include <gramian/gramian.hpp>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

using namespace gramian;
using Json = nlohmann::json;

namespace {

DeviceHandle open_device(const char* verdict = nullptr)
{
    const char* selector = std::getenv("GRAMIAN_DEVICE");
    const char* limits = std::getenv("GRAMIAN_LIMITS");
    gramian_device_options options = gramian_device_options_default();
    options.selector = selector ? selector : "0";
    options.limits = limits && std::string(limits) == "minimum" ? GRAMIAN_LIMITS_MINIMUM : GRAMIAN_LIMITS_DEVICE;
    options.verdict = verdict;
    options.timeout_ns = 600'000'000'000; // a busy machine compiles kernels for long
    return DeviceHandle(options);
}

DeviceHandle open_host()
{
    gramian_device_options options = gramian_device_options_default();
    options.selector = "host";
    return DeviceHandle(options);
}

void add(TensorsHandle& tensors, const char* name, std::initializer_list<uint64_t> shape, float step)
{
    uint64_t count = 1;
    for (const uint64_t extent : shape) count *= extent;
    std::vector<float> values(count);
    for (size_t i = 0; i < count; ++i) values[i] = std::sin(step * static_cast<float>(i + 1));
    const std::vector<uint64_t> extents(shape);
    tensors.add(name, extents, values.data());
}

struct Call {
    const char* op;
    const char* attributes;
    TensorsHandle inputs;
    const char* output;
};

Call decaying_attention()
{
    Call call{"linear_attention", R"({"head_decay":[-0.5]})", TensorsHandle(), "o"};
    for (const char* name : {"q", "k", "v"}) add(call.inputs, name, {1, 8, 1, 16}, 0.7F);
    return call;
}

Call least_squares()
{
    Call call{"ridge_solve", R"({"alpha":1})", TensorsHandle(), "x"};
    add(call.inputs, "k", {1, 30, 9}, 0.7F);
    add(call.inputs, "v", {1, 30, 2}, 1.3F);
    return call;
}

Call normalised()
{
    Call call{"rms_norm", "{}", TensorsHandle(), "y"};
    add(call.inputs, "x", {3, 5}, 0.7F);
    add(call.inputs, "weight", {5}, 1.3F);
    return call;
}

std::vector<float> run(const DeviceHandle& device, const Call& call)
{
    gramian_tensors* raw = nullptr;
    api::check(gramian_operator_run(device.get(), call.op, call.attributes, call.inputs.get(), &raw));
    const TensorsHandle outputs(raw);
    const gramian_tensor_view view = outputs.find(call.output);
    return {view.values, view.values + view.element_count};
}

double largest_difference(const std::vector<float>& a, const std::vector<float>& b)
{
    REQUIRE(a.size() == b.size());
    double largest = 0;
    for (size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::abs(double{a[i]} - double{b[i]}));
    return largest;
}

std::vector<std::string> refused(const Json& verdict)
{
    std::vector<std::string> names;
    for (const Json& entry : verdict.at("refused")) names.push_back(entry.at("kernel"));
    std::sort(names.begin(), names.end());
    return names;
}

/// What a device does that was tested, or was opened with the verdict.
void check_avoided(const DeviceHandle& device)
{
    const DeviceHandle host = open_host();
    for (const Call& call : {decaying_attention(), least_squares()}) {
        const std::string op = call.op;
        CAPTURE(op);
        CHECK(largest_difference(run(device, call), run(host, call)) < 1e-4);
    }
    try {
        run(device, normalised());
        FAIL("a kernel that is known to be wrong was used");
    } catch (const ApiError& error) {
        CHECK(error.status() == GRAMIAN_UNSUPPORTED);
        const std::string message = error.what();
        CAPTURE(message);
        CHECK(message.find("kernel norm failed the self-test") != std::string::npos);
    }
    for (const Json& choice : Json::parse(gramian_device_kernels_json(device.get()))) {
        if (choice.at("kernel") == "linear_attention") CHECK(choice.at("picked") == true);
        if (choice.at("kernel") != "ridge_solve_shared") continue;
        CHECK(choice.at("picked") == false);
        CHECK(choice.at("when").get<std::string>().find("failed the self-test") == 0);
    }
}

} // namespace

TEST_CASE("without the self-test, the faults do harm")
{
    const DeviceHandle device = open_device();
    const DeviceHandle host = open_host();
    CHECK(gramian_device_verdict_json(device.get()) == nullptr);
    for (const Call& call : {decaying_attention(), least_squares(), normalised()}) {
        const std::string op = call.op;
        CAPTURE(op);
        CHECK(largest_difference(run(device, call), run(host, call)) > 1e-3);
    }
}

TEST_CASE("the self-test finds each fault, in whatever variant this device picks, and no other")
{
    const DeviceHandle device = open_device();
    const Json verdict = Json::parse(device.self_test());
    const std::vector<std::string> found = refused(verdict);
    std::vector<std::string>
        expected; // of the faulty kernels, those that this device tries: in turn, until one is right
    for (const char* name :
         {"linear_attention_sharded", "linear_attention_software_step_storage", "linear_attention_software_step_texels",
          "linear_attention_software_storage", "linear_attention_software_texels", "linear_chain",
          "log_attention_sharded", "log_attention_software_step_storage", "log_attention_software_step_texels",
          "log_attention_software_storage", "log_attention_software_texels", "norm",
          "ridge_solve_shared", "ridge_solve_software"}) {
        const Json& tested = verdict.at("kernels");
        const bool is_tried =
            std::any_of(tested.begin(), tested.end(), [&](const Json& kernel) { return kernel.at("kernel") == name; });
        if (is_tried) expected.emplace_back(name);
    }
    CHECK(expected.size() >= 3); // a recurrence, a norm and a solve
    CHECK(Json(found).dump() == Json(expected).dump());
    for (const Json& kernel : verdict.at("kernels")) {
        const bool is_faulty = std::count(found.begin(), found.end(), kernel.at("kernel").get<std::string>()) > 0;
        CAPTURE(kernel.dump());
        CHECK(kernel.at("verdict") == (is_faulty ? "wrong" : "right"));
    }
    check_avoided(device);
}

TEST_CASE("a verdict that was kept spares the test and avoids the same kernels")
{
    const std::string verdict = open_device().self_test();
    const DeviceHandle device = open_device(verdict.c_str());
    REQUIRE(gramian_device_verdict_json(device.get()) != nullptr);
    CHECK(Json::parse(gramian_device_verdict_json(device.get())) == Json::parse(verdict));
    check_avoided(device);

    const DeviceHandle untested = open_device("{\"device\":\"another\"}");
    CHECK(gramian_device_verdict_json(untested.get()) == nullptr);
}
