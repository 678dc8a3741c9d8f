// `gramian capacity`: how many Boolean functions a gate computes, alone and gated by another (Baldi & Vershynin 2022).
// Counted on the device, exactly: over all functions, and over all pairs of gate and unit.
#include "command.hpp"

#include <cmath>
#include <fmt/format.h>
#include <set>
#include <utility>
#include <vector>

namespace gramian::app {
namespace {

using Units = std::set<std::pair<uint32_t, uint32_t>>; // what a unit computes where its gate is 1, and where it is 0

struct CapacityOptions {
    CommonOptions common;
    uint32_t inputs = 3;
};

struct Gated {
    uint64_t functions; // of the union over all gates
    uint64_t each;      // the sum, over the gates, of distinct ones
};

class Counter {
public:
    Counter(const DeviceHandle& device, uint32_t inputs) : device_(device), inputs_(inputs)
    {
        mask_ = static_cast<uint32_t>((uint64_t{1} << (uint64_t{1} << inputs)) - 1);
        const TensorsHandle linear = threshold(1);
        const gramian_tensor_view realised = linear.find("realised");
        for (uint32_t f = 0; f < realised.element_count; ++f) {
            if (realised.values[f] == 1.0F) gates_.push_back(f);
        }
    }

    [[nodiscard]] uint64_t count_threshold(uint32_t degree) const { return number(threshold(degree), "count"); }

    [[nodiscard]] const std::vector<uint32_t>& gates() const { return gates_; }
    [[nodiscard]] uint32_t mask() const { return mask_; }

    [[nodiscard]] Gated count_gated(const Units& units) const
    {
        std::vector<float> gates(gates_.begin(), gates_.end());
        std::vector<float> on;
        std::vector<float> off;
        for (const auto& [where_on, where_off] : units) {
            on.push_back(static_cast<float>(where_on));
            off.push_back(static_cast<float>(where_off));
        }
        TensorsHandle inputs;
        inputs.add("gates", std::vector<uint64_t>{gates.size()}, gates.data());
        inputs.add("on", std::vector<uint64_t>{on.size()}, on.data());
        inputs.add("off", std::vector<uint64_t>{off.size()}, off.data());
        const TensorsHandle found = run_operator(device_, "gated_functions", Json{{"inputs", inputs_}}.dump(), inputs);
        return {number(found, "count"), number(found, "count_each")};
    }

private:
    [[nodiscard]] TensorsHandle threshold(uint32_t degree) const
    {
        const Json attributes{{"inputs", inputs_}, {"degree", degree}};
        return run_operator(device_, "threshold_functions", attributes.dump(), TensorsHandle());
    }

    static uint64_t number(const TensorsHandle& tensors, const char* name)
    {
        return static_cast<uint64_t>(tensors.find(name).values[0]);
    }

    const DeviceHandle& device_;
    uint32_t inputs_;
    uint32_t mask_;
    std::vector<uint32_t> gates_; // every linear threshold gate of the inputs
};

/// A unit sign(sum of w_i g_i x_i + b), x = +-1: the gate multiplies input i by g_i = 1 where it is 1 and by `off`
/// where it is 0, if i is among the `gated` ones (bits). Odd sums, so that none is 0.
std::pair<uint32_t, uint32_t> unit(const std::vector<int>& weights, int bias, uint32_t gated, int off)
{
    std::pair<uint32_t, uint32_t> both;
    for (uint32_t x = 0; x < 1U << weights.size(); ++x) {
        int where_on = bias;
        int where_off = bias;
        for (uint32_t i = 0; i < weights.size(); ++i) {
            const int term = 2 * weights[i] * ((x >> i & 1U) ? 1 : -1);
            where_on += term;
            where_off += (gated >> i & 1U) ? off * term : term;
        }
        both.first |= static_cast<uint32_t>(where_on > 0) << x;
        both.second |= static_cast<uint32_t>(where_off > 0) << x;
    }
    return both;
}

/// All units with integer weights of at most `most` in size.
Units units_up_to(int most, uint32_t inputs, uint32_t gated, int off)
{
    Units units;
    std::vector<int> weights(inputs, -most);
    while (true) {
        int sum = 0;
        for (const int weight : weights) sum += std::abs(weight);
        for (int bias = -2 * sum - 1; bias <= 2 * sum + 1; bias += 2) units.insert(unit(weights, bias, gated, off));
        uint32_t place = 0;
        while (place < inputs && weights[place] == most) weights[place++] = -most;
        if (place == inputs) return units;
        ++weights[place];
    }
}

/// All units: weights grow until three sizes in a row bring nothing new.
Units all_units(uint32_t inputs, uint32_t gated, int off)
{
    Units units;
    int unchanged = 0;
    for (int most = 1; unchanged < 3; ++most) {
        Units grown = units_up_to(most, inputs, gated, off);
        unchanged = grown.size() == units.size() ? unchanged + 1 : 0;
        units = std::move(grown);
    }
    return units;
}

Json count_all(const DeviceHandle& device, uint32_t inputs)
{
    const Counter counter(device, inputs);
    Units by_and;
    Units by_xnor;
    for (const uint32_t f : counter.gates()) {
        by_and.emplace(f, 0);
        by_xnor.emplace(f, ~f & counter.mask());
    }
    const Gated gated_and = counter.count_gated(by_and);
    const uint32_t all = (1U << inputs) - 1;
    Json counts{{"ltg", counter.count_threshold(1)},
                {"and", gated_and.functions},
                {"xnor", counter.count_gated(by_xnor).functions},
                {"ternary", gated_and.each},
                {"poly2", counter.count_threshold(2)}};
    counts["synaptic"] = {{"one_weight_01_gate", counter.count_gated(all_units(inputs, 1, 0)).functions},
                          {"one_weight_pm_gate", counter.count_gated(all_units(inputs, 1, -1)).functions},
                          {"all_weights_bias_free_01", counter.count_gated(all_units(inputs, all, 0)).functions},
                          {"all_weights_bias_free_pm", counter.count_gated(all_units(inputs, all, -1)).functions}};
    return counts;
}

Json bits_of(const Json& counts)
{
    Json bits;
    for (const auto& [name, count] : counts.items()) {
        bits[name] = count.is_object() ? bits_of(count) : Json(std::log2(count.get<double>()));
    }
    return bits;
}

void print_row(const std::string& what, const Json& counts, const Json& bits, const std::string& name)
{
    fmt::print("  {:<58} {:>7} {:>8.3f}\n", what, counts.at(name).get<uint64_t>(), bits.at(name).get<double>());
}

void print_text(uint32_t inputs, const Json& counts, const Json& bits)
{
    fmt::print("Boolean functions of {} inputs, of {} in all, that are\n\n  {:<58} {:>7} {:>8}\n", inputs,
               uint64_t{1} << (1U << inputs), "", "count", "bits");
    print_row("one linear threshold gate", counts, bits, "ltg");
    print_row("a gate of 0, 1 times a gate of 0, 1 (and)", counts, bits, "and");
    print_row("a gate of -1, 1 times a gate of -1, 1 (xnor)", counts, bits, "xnor");
    print_row("a gate of 0, 1 times a gate of -1, 1 (three values)", counts, bits, "ternary");
    print_row("one threshold gate of degree 2", counts, bits, "poly2");
    const Json& synaptic = counts.at("synaptic");
    const Json& synaptic_bits = bits.at("synaptic");
    print_row("a unit, one of whose weights a gate of 0, 1 multiplies", synaptic, synaptic_bits, "one_weight_01_gate");
    print_row("the same, a gate of -1, 1", synaptic, synaptic_bits, "one_weight_pm_gate");
    print_row("a unit, all of whose weights but the bias, 0, 1", synaptic, synaptic_bits, "all_weights_bias_free_01");
    print_row("the same, -1, 1", synaptic, synaptic_bits, "all_weights_bias_free_pm");
    fmt::print("\nFor many inputs the bits of one gate tend to n^2, of a gated pair to 2 n^2: here {} and {}.\n",
               inputs * inputs, 2 * inputs * inputs);
}

Exit capacity(const CapacityOptions& options)
{
    const DeviceHandle device = open_device(options.common, options.common.device);
    const Json counts = count_all(device, options.inputs);
    const Json bits = bits_of(counts);
    if (options.common.json) {
        fmt::print("{}\n",
                   Json{{"inputs", options.inputs},
                        {"device", device.info().name},
                        {"counts", counts},
                        {"bits", bits},
                        {"asymptote",
                         {{"ltg", options.inputs * options.inputs}, {"gated", 2 * options.inputs * options.inputs}}}}
                       .dump());
    } else {
        print_text(options.inputs, counts, bits);
    }
    return Exit::done;
}

} // namespace

Command make_capacity(CLI::App& parent)
{
    CLI::App* app = parent.add_subcommand("capacity", "Count the Boolean functions of gates and of gated gates");
    app->footer(
        R"(Exact counts over all functions of the inputs and all pairs of a threshold gate and what it gates, on the device.
Units with gated weights are enumerated by integer weights until larger ones bring nothing new.

Example:
  gramian capacity --inputs 4)");
    auto options = std::make_shared<CapacityOptions>();
    app->add_option("--inputs", options->inputs, "1 to 4")->required()->check(CLI::Range(1U, 4U));
    add_common_options(*app, options->common);
    return {app, [options] { return capacity(*options); }};
}

} // namespace gramian::app
