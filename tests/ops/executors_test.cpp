// The same answers wherever and beside whatever an operator runs: in every slot of a batch, on the host and on
// Vulkan, and on a device that offers the least.
#include "arrays.hpp"
#include "test_device.hpp"

#include <algorithm>

using namespace gramian;

namespace {

/// An operator with inputs for a batch of B = 5; weights and constants do not grow with the batch.
struct Example {
    std::string name;
    Json attributes;
    std::vector<NamedArray> inputs;
    double tolerance; // between executors: reductions of n terms n * 2^-24, solves times the condition number
};

constexpr uint32_t kBatch = 5;

std::vector<Example> examples()
{
    const auto random = [](const char* name, Shape shape, uint64_t seed) { return random_array(name, shape, seed); };
    NamedArray variance = random("variance", {37}, 5);
    for (float& value : variance.values) value = 0.5F + value * value;
    NamedArray decay = random("decay", {kBatch, 40, 2}, 13);
    for (float& value : decay.values) value = -0.05F * std::abs(value);
    NamedArray beta = random("beta", {kBatch, 40, 2}, 14);
    for (float& value : beta.values) value = std::abs(value);
    return {
        {"linear", {}, {random("x", {kBatch, 65}, 1), random("weight", {37, 65}, 2), random("bias", {37}, 3)}, 1e-5},
        // Vulkan promises tanh to some 1e-5, exp to 3 + 2 |x| units in the last place.
        {"activation", {{"kind", "tanh"}}, {random("x", {kBatch, 65}, 1)}, 2e-5},
        {"activation", {{"kind", "gelu"}}, {random("x", {kBatch, 65}, 1)}, 2e-5},
        {"activation", {{"kind", "softplus"}}, {random("x", {kBatch, 65}, 1)}, 2e-5},
        {"normalize", {{"clip", 2}}, {random("x", {kBatch, 37}, 1), random("mean", {37}, 4), variance}, 1e-5},
        {"multiply", {}, {random("a", {kBatch, 65}, 1), random("b", {kBatch, 65}, 2)}, 1e-6},
        {"gate_output", {{"kind", "sigmoid"}}, {random("x", {kBatch, 65}, 1), random("gate", {kBatch, 65}, 2)}, 2e-5},
        {"softmax_attention",
         {},
         {random("q", {kBatch, 7, 2, 16}, 6), random("k", {kBatch, 70, 2, 16}, 7), random("v", {kBatch, 70, 2, 5}, 8)},
         2e-5},
        {"eva",
         {{"window", 6}, {"chunk", 3}, {"overlap", true}, {"projection", "no_ln"}},
         {random("q", {kBatch, 40, 2, 8}, 6), random("k", {kBatch, 40, 2, 8}, 7), random("v", {kBatch, 40, 2, 8}, 8),
          random("mu_q.weight", {8, 8}, 21), random("mu_q.bias", {8}, 22), random("mu_k.weight", {8, 8}, 23),
          random("mu_k.bias", {8}, 24)},
         2e-5},
        {"lara",
         {{"landmarks", 8}},
         {random("q", {kBatch, 40, 2, 8}, 6), random("k", {kBatch, 40, 2, 8}, 7), random("v", {kBatch, 40, 2, 8}, 8),
          random("mu_q.weight", {8, 8}, 21), random("mu_q.bias", {8}, 22), random("mu_q.norm.weight", {8}, 25),
          random("mu_q.norm.bias", {8}, 26), random("mu_k.weight", {8, 8}, 23), random("mu_k.bias", {8}, 24),
          random("mu_k.norm.weight", {8}, 27), random("mu_k.norm.bias", {8}, 28)},
         2e-5},
        {"intention",
         {{"alpha_relative", 1e-2}},
         {random("k", {kBatch, 40, 2, 12}, 9), random("v", {kBatch, 40, 2, 5}, 10), random("q", {kBatch, 7, 2, 12}, 11),
          decay, beta},
         1e-4},
        {"intention", // beyond what fits into 16 KiB
         {{"alpha_relative", 1e-2}},
         {random("k", {kBatch, 100, 1, 70}, 9), random("v", {kBatch, 100, 1, 9}, 10),
          random("q", {kBatch, 3, 1, 70}, 11)},
         1e-4},
        {"log_attention",
         {},
         {random("q", {kBatch, 9, 2, 12}, 16), random("k", {kBatch, 9, 2, 12}, 17),
          random("log_v", {kBatch, 9, 2, 5}, 18)},
         1e-5},
        {"log_attention",
         {{"signed", true}, {"causal", false}},
         {random("q", {kBatch, 3, 2, 12}, 16), random("k", {kBatch, 9, 2, 12}, 17),
          random("v", {kBatch, 9, 2, 70}, 18)},
         1e-5},
        {"log_linear_attention",
         {},
         {random("q", {kBatch, 40, 2, 12}, 16), random("k", {kBatch, 40, 2, 12}, 17),
          random("v", {kBatch, 40, 2, 5}, 18), decay, random("level_scale", {kBatch, 40, 2, 7}, 19)},
         1e-5},
        {"log_recurrence", {}, {random("a", {kBatch, 9, 65}, 1), random("b", {kBatch, 9, 65}, 2)}, 1e-5},
        {"ridge_solve", // in panels
         {{"alpha", 0.5}},
         {random("k", {kBatch, 150, 130}, 12), random("v", {kBatch, 150, 2}, 15)},
         1e-4},
        {"ridge_solve",
         {{"alpha", 0.5}, {"solver", "cg"}, {"iterations", 100}},
         {random("k", {kBatch, 50, 33}, 12), random("v", {kBatch, 50, 3}, 15)},
         1e-4},
        {"ridge_solve",
         {{"alpha", 0.5}, {"solver", "qr"}},
         {random("k", {kBatch, 50, 33}, 12), random("v", {kBatch, 50, 3}, 15)},
         1e-4},
        {"ridge_solve", // the dual system, refined
         {{"alpha", 0.5}, {"refine", 1}},
         {random("k", {kBatch, 20, 33}, 12), random("v", {kBatch, 20, 3}, 15)},
         1e-4},
        {"ridge_solve", {{"alpha", 0.5}}, {random("k", {kBatch, 50, 33}, 12), random("v", {kBatch, 50, 7}, 15)}, 1e-4},
    };
}

bool has_batch(const NamedArray& array)
{
    return array.shape.rank() > 0 && array.shape[0] == kBatch;
}

/// Element `from` of the batch, alone.
NamedArray alone(const NamedArray& array, uint32_t from)
{
    if (!has_batch(array)) return array;
    NamedArray one{array.name, {1}, {}};
    for (uint32_t axis = 1; axis < array.shape.rank(); ++axis) one.shape.append(array.shape[axis]);
    const auto size = static_cast<ptrdiff_t>(one.shape.element_count());
    one.values.assign(array.values.begin() + from * size, array.values.begin() + (from + 1) * size);
    return one;
}

NamedArray reversed(const NamedArray& array)
{
    if (!has_batch(array)) return array;
    NamedArray turned{array.name, array.shape, {}};
    for (uint32_t i = kBatch; i-- > 0;) {
        const NamedArray one = alone(array, i);
        turned.values.insert(turned.values.end(), one.values.begin(), one.values.end());
    }
    return turned;
}

std::vector<NamedArray> each(const std::vector<NamedArray>& inputs, auto change)
{
    std::vector<NamedArray> changed;
    for (const NamedArray& input : inputs) changed.push_back(change(input));
    return changed;
}

} // namespace

TEST_CASE("batch: the bits of one element depend neither on its neighbours nor on its place")
{
    for (const Example& example : examples()) {
        CAPTURE(example.name);
        const OperatorRun together = run_operator(test_device(), example.name, example.attributes, example.inputs);
        const OperatorRun turned =
            run_operator(test_device(), example.name, example.attributes, each(example.inputs, reversed));
        for (size_t o = 0; o < together.outputs.size(); ++o) {
            CAPTURE(together.outputs[o].name);
            CHECK(same_bits(reversed(turned.outputs[o]).values, together.outputs[o].values));
        }
        for (uint32_t i = 0; i < kBatch; ++i) {
            const OperatorRun single =
                run_operator(test_device(), example.name, example.attributes,
                             each(example.inputs, [&](const NamedArray& input) { return alone(input, i); }));
            for (size_t o = 0; o < together.outputs.size(); ++o) {
                CAPTURE(together.outputs[o].name);
                const std::vector<float>& all = together.outputs[o].values;
                const auto size = static_cast<ptrdiff_t>(all.size() / kBatch);
                CHECK(same_bits(single.outputs[o].values, {all.begin() + i * size, all.begin() + (i + 1) * size}));
            }
        }
    }
}

TEST_CASE("batch: an element that is NaN leaves the others alone")
{
    for (const Example& example : examples()) {
        CAPTURE(example.name);
        const OperatorRun healthy = run_operator(test_device(), example.name, example.attributes, example.inputs);
        const auto ill = run_operator(
            test_device(), example.name, example.attributes, each(example.inputs, [](NamedArray input) {
                const size_t size = input.values.size() / kBatch;
                if (has_batch(input))
                    std::fill_n(input.values.begin() + static_cast<ptrdiff_t>(2 * size), size, std::nanf(""));
                return input;
            }));
        for (size_t o = 0; o < healthy.outputs.size(); ++o) {
            CAPTURE(healthy.outputs[o].name);
            const std::vector<float>& all = healthy.outputs[o].values;
            const auto size = static_cast<ptrdiff_t>(all.size() / kBatch);
            for (uint32_t i = 0; i < kBatch; ++i) {
                if (i == 2) continue;
                const std::vector<float>& found = ill.outputs[o].values;
                CHECK(same_bits({found.begin() + i * size, found.begin() + (i + 1) * size},
                                {all.begin() + i * size, all.begin() + (i + 1) * size}));
            }
        }
    }
}

TEST_CASE("executors: repeated runs on one device give the same bits, within the guards")
{
    OperatorRunOptions options;
    options.check_guards = true;
    for (const Example& example : examples()) {
        CAPTURE(example.name);
        const OperatorRun first =
            run_operator(test_device(), example.name, example.attributes, example.inputs, options);
        const OperatorRun second =
            run_operator(test_device(), example.name, example.attributes, example.inputs, options);
        for (size_t o = 0; o < first.outputs.size(); ++o) {
            CHECK(same_bits(first.outputs[o].values, second.outputs[o].values));
        }
    }
}

namespace {

void agree(Device& a, Device& b)
{
    for (const Example& example : examples()) {
        CAPTURE(example.name);
        const OperatorRun x = run_operator(a, example.name, example.attributes, example.inputs);
        const OperatorRun y = run_operator(b, example.name, example.attributes, example.inputs);
        REQUIRE(x.outputs.size() == y.outputs.size());
        for (size_t o = 0; o < x.outputs.size(); ++o) {
            const std::string& name = x.outputs[o].name;
            CAPTURE(name);
            CHECK(x.outputs[o].name == y.outputs[o].name);
            CHECK(x.outputs[o].shape == y.outputs[o].shape);
            if (name == "residual") continue; // rounding itself: only its size says something
            CHECK(relative_error(x.outputs[o].values, y.outputs[o].values) < example.tolerance);
        }
    }
}

} // namespace

TEST_CASE("executors: the host and the device agree within rounding")
{
    agree(test_device(), host_device());
}

TEST_CASE("executors: a device reduced to the minimum agrees with the host and with itself unreduced")
{
    DeviceOptions options = test_options();
    options.limits = Limits::minimum;
    const auto least = open_device(options);
    agree(*least, host_device());
    options.limits = Limits::device;
    agree(*least, *open_device(options));
}
