#include "ops/boolean_functions.hpp"

#include "ops/copy.hpp"
#include "ops/kernels.hpp"
#include "ops/outer_sum.hpp"
#include "shaders/gated_functions.h"
#include "shaders/threshold_functions.h"

#include <bit>
#include <cmath>
#include <set>

namespace gramian {
namespace {

using Shapes = std::vector<std::pair<std::string, Shape>>;
using Row = std::vector<int64_t>;

constexpr uint32_t kGroup = 64;
constexpr uint32_t kMaxGates = 20'000;    // one sum of outer_sum
constexpr uint32_t kMaxUnits = 1'000'000; // 65,535 loop trips of 64 lanes

uint32_t input_count(const Attributes& attributes)
{
    if (!attributes.has("inputs")) raise(attributes.status(), "{}: 'inputs' is missing", attributes.where());
    return attributes.count("inputs", 1, 1, kMaxBooleanInputs);
}

uint32_t function_count(uint32_t inputs)
{
    return 1U << (1U << inputs);
}

// Circuits ---------------------------------------------------------------------------------------------------------

/// The vector, unique up to scale, that all rows are orthogonal to; empty where they leave more than one direction.
/// Elimination without fractions (Bareiss 1968): entries stay minors of the matrix, here below 10^5, and exact.
Row null_vector(std::vector<Row> rows, uint32_t width)
{
    std::vector<uint32_t> pivots;
    int64_t last = 1;
    for (uint32_t column = 0; column < width && pivots.size() < rows.size(); ++column) {
        const size_t top = pivots.size();
        size_t found = top;
        while (found < rows.size() && rows[found][column] == 0) ++found;
        if (found == rows.size()) continue;
        std::swap(rows[top], rows[found]);
        const int64_t pivot = rows[top][column];
        for (size_t r = 0; r < rows.size(); ++r) {
            if (r == top) continue;
            const int64_t factor = rows[r][column];
            for (uint32_t c = 0; c < width; ++c) rows[r][c] = (rows[r][c] * pivot - factor * rows[top][c]) / last;
        }
        last = pivot;
        pivots.push_back(column);
    }
    if (pivots.size() + 1 != width) return {};
    uint32_t free = 0;
    while (free < pivots.size() && pivots[free] == free) ++free;
    Row vector(width, 0);
    vector[free] = last;
    for (size_t r = 0; r < pivots.size(); ++r) vector[pivots[r]] = -rows[r][free];
    return vector;
}

/// The values at point x of the products of more than `degree` inputs: they span what is orthogonal to the others.
Row high_products(uint32_t x, uint32_t inputs, uint32_t degree)
{
    Row values;
    for (uint32_t subset = 0; subset < 1U << inputs; ++subset) {
        if (static_cast<uint32_t>(std::popcount(subset)) <= degree) continue;
        values.push_back(std::popcount(subset & ~x) % 2 == 0 ? 1 : -1);
    }
    return values;
}

std::vector<Constant> circuit_constants(const Attributes& attributes, const Tensors&)
{
    Constant circuits{"circuits", {}};
    for (const auto& [above, below] :
         threshold_circuits(input_count(attributes), attributes.count("degree", 1, 1, 2))) {
        circuits.values.push_back(static_cast<float>(above));
        circuits.values.push_back(static_cast<float>(below));
    }
    if (circuits.values.empty()) return {};
    return {circuits};
}

// Sums -------------------------------------------------------------------------------------------------------------

/// total [1] = the sum of values [n], in fp32: exact for whole numbers below 2^24.
void sum_up(Recorder& recorder, const Tensor& values, const Tensor& total)
{
    const auto count = static_cast<uint32_t>(values.element_count());
    const uint32_t columns = count > 256 && count % 256 == 0 ? 256 : 1;
    OuterSum sum;
    sum.x = values.as({1, count / columns, 1, columns});
    sum.z = columns > 1 ? recorder.temporary({1, 1, columns, 1}) : total.as({1, 1, 1, 1});
    outer_sum(recorder, sum);
    if (columns == 1) return;
    sum.x = sum.z.as({1, columns, 1, 1});
    sum.z = total.as({1, 1, 1, 1});
    outer_sum(recorder, sum);
}

// threshold_functions ------------------------------------------------------------------------------------------------

Shapes infer_threshold(const Attributes& attributes, const Tensors&)
{
    (void)attributes.count("degree", 1, 1, 2);
    return {{"realised", {function_count(input_count(attributes))}}, {"count", {1}}};
}

void threshold_on_host(const HostLaunch& launch)
{
    const auto p = launch.parameters<gpu::ThresholdFunctionsParameters>();
    const float* circuits = launch.floats(Arena::weights, p.circuits);
    float* realised = launch.floats(Arena::activations, p.realised);
    for (uint32_t f = 0; f < p.functions; ++f) {
        bool agrees = false;
        for (uint32_t c = 0; c < p.circuit_count && !agrees; ++c) {
            const auto above = static_cast<uint32_t>(circuits[2 * c]);
            const auto below = static_cast<uint32_t>(circuits[2 * c + 1]);
            agrees = (f & above) == above && (f & below) == 0;
        }
        realised[f] = agrees ? 0.0F : 1.0F;
    }
}

void record_threshold(Recorder& recorder, const Attributes&, const Tensors& in, const Tensors& out)
{
    const Tensor* circuits = in.find("circuits");
    const Tensor& realised = out.at("realised");
    const auto functions = static_cast<uint32_t>(realised.element_count());
    Launch launch;
    launch.kernel = {&kernels::threshold_functions, {}};
    launch.set_push(gpu::ThresholdFunctionsParameters{
        circuits ? circuits->offset : 0, realised.offset,
        circuits ? static_cast<uint32_t>(circuits->element_count() / 2) : 0, functions});
    launch.groups = {ceil_div(functions, kGroup), 1, 1};
    if (circuits) launch.reads = {circuits->slice()};
    launch.writes = {realised.slice()};
    launch.host = threshold_on_host;
    recorder.list.append(std::move(launch));
    sum_up(recorder, realised, out.at("count"));
}

// gated_functions ----------------------------------------------------------------------------------------------------

Shapes infer_gated(const Attributes& attributes, const Tensors& in)
{
    const Shape& gates = in.at("gates").shape;
    const Shape& on = in.at("on").shape;
    const Shape& off = in.at("off").shape;
    if (gates.rank() != 1 || on.rank() != 1 || on != off || gates[0] > kMaxGates || on[0] > kMaxUnits) {
        raise(Status::invalid_argument,
              "gated_functions: gates {}, on {} and off {}: expected [G], [K] and [K], G up to {}, K up to {}",
              gates.text(), on.text(), off.text(), kMaxGates, kMaxUnits);
    }
    return {{"reached", {function_count(input_count(attributes))}},
            {"counts", {gates[0]}},
            {"count", {1}},
            {"count_each", {1}}};
}

/// A number that is no function of so many inputs is cut to one, here as in the kernel.
void gated_on_host(const HostLaunch& launch)
{
    const auto p = launch.parameters<gpu::GatedFunctionsParameters>();
    const auto number = [&](uint32_t offset, uint32_t i) {
        return static_cast<uint32_t>(launch.floats(Arena::activations, offset)[i]);
    };
    float* reached = launch.floats(Arena::activations, p.reached);
    std::vector<bool> members(p.functions);
    for (uint32_t i = 0; i < p.gate_count; ++i) {
        members.assign(p.functions, false);
        const uint32_t gate = number(p.gates, i);
        uint32_t count = 0;
        for (uint32_t k = 0; k < p.unit_count; ++k) {
            const uint32_t f = ((gate & number(p.on, k)) | (~gate & number(p.off, k))) & (p.functions - 1);
            count += members[f] ? 0 : 1;
            members[f] = true;
            reached[f] = 1.0F;
        }
        launch.floats(Arena::activations, p.counts)[i] = static_cast<float>(count);
    }
}

void record_gated(Recorder& recorder, const Attributes&, const Tensors& in, const Tensors& out)
{
    const Tensor& reached = out.at("reached");
    const Tensor& counts = out.at("counts");
    const auto gate_count = static_cast<uint32_t>(counts.element_count());
    const gpu::GatedFunctionsParameters parameters{in.at("gates").offset,
                                                   in.at("on").offset,
                                                   in.at("off").offset,
                                                   reached.offset,
                                                   counts.offset,
                                                   gate_count,
                                                   static_cast<uint32_t>(in.at("on").element_count()),
                                                   static_cast<uint32_t>(reached.element_count())};
    fill_columns(recorder, reached.as({1, parameters.functions}), 0);
    Launch launch;
    launch.kernel = {&kernels::gated_functions, {}};
    launch.set_push(parameters);
    launch.groups = {gate_count, 1, 1};
    launch.reads = {in.at("gates").slice(), in.at("on").slice(), in.at("off").slice(), reached.slice()};
    launch.writes = {reached.slice(), counts.slice()};
    launch.host = gated_on_host;
    recorder.list.append(std::move(launch));
    sum_up(recorder, reached, out.at("count"));
    sum_up(recorder, counts, out.at("count_each"));
}

} // namespace

std::vector<std::pair<uint32_t, uint32_t>> threshold_circuits(uint32_t inputs, uint32_t degree)
{
    const uint32_t points = 1U << inputs;
    std::vector<Row> values;
    for (uint32_t x = 0; x < points; ++x) values.push_back(high_products(x, inputs, degree));
    const auto width = static_cast<uint32_t>(values.front().size());
    if (width == 0) return {};
    std::set<std::pair<uint32_t, uint32_t>> circuits;
    for (uint32_t zeros = 0; zeros < 1U << points; ++zeros) { // where h is made 0, which leaves one h or more
        if (static_cast<uint32_t>(std::popcount(zeros)) != width - 1) continue;
        std::vector<Row> rows;
        for (uint32_t x = 0; x < points; ++x) {
            if (zeros >> x & 1U) rows.push_back(values[x]);
        }
        const Row h = null_vector(rows, width);
        if (h.empty()) continue;
        uint32_t above = 0;
        uint32_t below = 0;
        for (uint32_t x = 0; x < points; ++x) {
            int64_t sum = 0;
            for (uint32_t i = 0; i < width; ++i) sum += h[i] * values[x][i];
            above |= static_cast<uint32_t>(sum > 0) << x;
            below |= static_cast<uint32_t>(sum < 0) << x;
        }
        circuits.emplace(above, below);
        circuits.emplace(below, above);
    }
    return {circuits.begin(), circuits.end()};
}

Operator threshold_functions_operator()
{
    return {.name = "threshold_functions",
            .layout = Layout::batch,
            .outputs = {"realised", "count"},
            .attributes = {"inputs", "degree"},
            .infer = infer_threshold,
            .record = record_threshold,
            .constants = circuit_constants};
}

Operator gated_functions_operator()
{
    return {.name = "gated_functions",
            .layout = Layout::batch,
            .inputs = {{"gates"}, {"on"}, {"off"}},
            .outputs = {"reached", "counts", "count", "count_each"},
            .attributes = {"inputs"},
            .infer = infer_gated,
            .record = record_gated};
}

} // namespace gramian
