// The largest that the engine takes, what it says of more, and counts beyond those at which drivers stop.
#include "refused.hpp"
#include "session_run.hpp"

#include <algorithm>

using namespace gramian;

namespace {

NamedArray ones(const char* name, Shape shape)
{
    return {name, shape, std::vector<float>(shape.element_count(), 1.0F)};
}

std::vector<NamedArray> solve_inputs(uint32_t unknowns, uint32_t columns)
{
    NamedArray a{"a", {1, unknowns, unknowns}, std::vector<float>(size_t{unknowns} * unknowns)};
    for (uint32_t i = 0; i < unknowns; ++i) a.values[size_t{i} * unknowns + i] = 4;
    return {a, random_array("rhs", {1, unknowns, columns}, 1)};
}

} // namespace

// A widespread software driver silently stops a shader after 65,535 trips of its loops.

TEST_CASE("loop bound: a recurrence over 70,000 tokens sums up every one of them, exactly")
{
    constexpr uint32_t kTokens = 70'000;
    const Shape shape{1, kTokens, 1, 4};
    const OperatorRun run = run_operator(test_device(), "linear_attention", {{"scale", 1}},
                                         {ones("q", shape), ones("k", shape), ones("v", shape)});
    const std::vector<float>& state = output_of(run, "state");
    CHECK(std::ranges::all_of(state, [](float s) { return s == kTokens; }));
    const std::vector<float>& o = output_of(run, "o");
    uint32_t wrong = 0;
    for (uint32_t t = 0; t < kTokens; ++t) wrong += o[size_t{t} * 4 + 3] != 4.0F * static_cast<float>(t + 1);
    CHECK(wrong == 0);
    note_bits(o);
}

TEST_CASE("loop bound: statistics of 200,000 pairs count every one of them, exactly")
{
    constexpr uint32_t kPairs = 200'000;
    const OperatorRun run =
        run_operator(test_device(), "intention", {{"alpha", 1}},
                     {ones("k", {1, kPairs, 1, 2}), ones("v", {1, kPairs, 1, 1}), ones("q", {1, 1, 1, 2})});
    const std::vector<float>& g = output_of(run, "state_g");
    CHECK(std::ranges::all_of(g, [](float sum) { return sum == kPairs; }));
    CHECK(output_of(run, "state_s")[1] == kPairs);
    CHECK(relative_error(output_of(run, "y"), std::vector<double>{1}) < 1e-2); // of a singular matrix and its ridge
}

TEST_CASE(
    "loop bound: a dot product of 240,000 terms has them all, exactly, and a longer one is refused with the numbers")
{
    constexpr uint32_t kWidth = 240'000;
    const OperatorRun run =
        run_operator(test_device(), "linear", {}, {ones("x", {1, kWidth}), ones("weight", {2, kWidth})});
    CHECK(output_of(run, "y")[0] == kWidth);
    CHECK(output_of(run, "y")[1] == kWidth);
    refused(Status::unsupported, "width 262145, at most 240000", [] {
        (void)run_operator(test_device(), "linear", {}, {ones("x", {1, 262'145}), ones("weight", {1, 262'145})});
    });
}

TEST_CASE("largest: 1,024 unknowns or 256 right-hand sides are solved, one more is refused with the numbers")
{
    for (const auto& [unknowns, columns] : {std::pair(1'024U, 1U), std::pair(64U, 256U)}) {
        const std::vector<NamedArray> inputs = solve_inputs(unknowns, columns);
        const OperatorRun run = run_operator(test_device(), "ridge_solve", {{"alpha", 0}}, inputs);
        std::vector<float> expected = inputs[1].values;
        for (float& value : expected) value /= 4;
        CHECK(relative_error(output_of(run, "x"), expected) < 1e-6); // a root and two quotients
    }
    for (const auto& [unknowns, columns] : {std::pair(1'025U, 1U), std::pair(8U, 257U)}) {
        refused(Status::unsupported, "at most 1024 and 256", [&] {
            (void)run_operator(test_device(), "ridge_solve", {{"alpha", 0}}, solve_inputs(unknowns, columns));
        });
    }
}

TEST_CASE("largest: a model's value of 65,536 channels is stepped through")
{
    ModelFile file = feedforward_model(65'536, 2);
    file.store("w", {2, 65'536}, std::vector<float>(131'072, 1.0F / 65'536));
    file.store("b", {2}, {0, 0.5});
    const Model model = file.parse(test_device());
    Session session = make_session(model, 1);
    const std::vector<float> y = step(session, std::vector<float>(65'536, 0.25F));
    CHECK(relative_error(y, std::vector<double>{std::tanh(0.25), std::tanh(0.75)}) < 2e-5); // as tanh is promised
}

TEST_CASE("largest: 70,000 streams are stepped in one submission, each on its own numbers")
{
    constexpr uint32_t kMany = 70'000; // more than a launch may have groups
    const Model model = feedforward_model(1, 1).parse(test_device());
    Session session = make_session(model, kMany);
    std::vector<float> x(kMany);
    for (uint32_t stream = 0; stream < kMany; ++stream) x[stream] = static_cast<float>(stream) / kMany - 0.5F;
    const std::vector<float> y = step(session, x);
    const std::vector<float> w = random_values(1, 1, 0.5); // what feedforward_model stores
    const std::vector<float> b = random_values(2, 1, 0.5);
    std::vector<double> expected;
    for (const float value : x) expected.push_back(std::tanh(static_cast<double>(w[0]) * value + b[0]));
    CHECK(relative_error(y, expected) < 2e-5);
}

TEST_CASE(
    "minimum limits: the least that Vulkan 1.1 promises gives the same answers, and refuses more with the numbers")
{
    DeviceOptions options = test_options();
    options.limits = Limits::minimum;
    const auto least = open_device(options);
    if (least->caps().is_host) return; // it has no such limits
    const std::vector<NamedArray> inputs{random_array("q", {2, 9, 2, 16}, 1), random_array("k", {2, 9, 2, 16}, 2),
                                         random_array("v", {2, 9, 2, 16}, 3)};
    for (const char* op : {"linear_attention", "softmax_attention", "intention"}) {
        const char* name = std::string_view(op) == "intention" ? "y" : "o";
        const OperatorRun here = run_operator(test_device(), op, Json::object(), inputs);
        const OperatorRun there = run_operator(*least, op, Json::object(), inputs);
        CAPTURE(op);
        CHECK(relative_error(output_of(there, name), output_of(here, name)) < 2e-3); // intention: 9 keys of width 16
    }
    constexpr uint64_t kMost = uint64_t{128} << 20;
    refused(Status::out_of_memory, std::to_string(kMost),
            [&] { (void)least->allocate(MemoryKind::device, kMost + 256, "too much"); });
}
