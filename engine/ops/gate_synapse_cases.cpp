// Cases of `gate_synapse`: every synapse has a gate of its own.
#include "ops/cases.hpp"
#include "ops/gate_synapse_twin.hpp"

namespace gramian {
namespace {

struct GateRow {
    const char* name;
    uint32_t rows;
    uint32_t width;
    uint32_t columns;
    bool has_bias = true;
    bool is_shared = false; // one set of gates for all rows
    bool is_quick = true;
};

constexpr GateRow kRows[] = {
    {"r1_i1_o1", 1, 1, 1},
    {"r3_i7_o5_no_bias", 3, 7, 5, false},
    {"r2_i63_o4", 2, 63, 4},
    {"r2_i64_o4_shared", 2, 64, 4, true, true},
    {"r2_i65_o4", 2, 65, 4},
    {"r16_i128_o128", 16, 128, 128},
    {"r65537_i1_o1", 65537, 1, 1, true, false, false}, // more rows than one launch holds
};

/// A sum of n products rounds like sqrt(n) * 2^-24, and each product twice.
constexpr Tolerance kTolerance{2e-6, 1e-5};

void prepare(Problem& problem, const GateRow& row)
{
    problem.normal("x", {row.rows, row.width});
    problem.normal("weight", {row.columns, row.width});
    const Shape each{row.rows, row.columns, row.width};
    problem.uniform("gate", row.is_shared ? Shape{row.columns, row.width} : each, -1, 1);
    if (row.has_bias) problem.normal("bias", {row.columns});
    const std::vector<double> x = problem.doubles("x");
    const std::vector<double> weight = problem.doubles("weight");
    const std::vector<double> gate = problem.doubles("gate");
    const std::vector<double> bias = row.has_bias ? problem.doubles("bias") : std::vector<double>();
    std::vector<double>& y = problem.expect("y", {row.rows, row.columns}, kTolerance);
    for (uint32_t r = 0; r < row.rows; ++r) {
        twin::gate_synapse(&x[size_t{r} * row.width], weight.data(),
                           &gate[row.is_shared ? 0 : size_t{r} * row.columns * row.width],
                           row.has_bias ? bias.data() : nullptr, &y[size_t{r} * row.columns], row.width, row.columns);
    }
}

} // namespace

void add_gate_synapse_cases(std::vector<Case>& cases)
{
    for (const GateRow& row : kRows) {
        cases.push_back({fmt::format("gate_synapse.{}.f32", row.name), "gate_synapse", Json::object(),
                         [&row](Problem& problem) { prepare(problem, row); }, row.is_quick});
    }
}

} // namespace gramian
