// Cases of `linear`: y = W x + b, with weights in fp32 and in fp16.
#include "ops/cases.hpp"
#include "ops/linear_twin.hpp"

namespace gramian {
namespace {

struct LinearRow {
    const char* name;
    uint32_t rows;
    uint32_t width;
    uint32_t columns;
    bool has_bias = true;
    bool is_quick = true;
};

constexpr LinearRow kRows[] = {
    {"r1_i1_o1", 1, 1, 1},
    {"r3_i5_o7", 3, 5, 7, false},
    {"r4_i4_o64", 4, 4, 64},   // exactly one workgroup
    {"r5_i63_o65", 5, 63, 65}, // one more than a workgroup in both directions
    {"r2_i64_o63", 2, 64, 63}, // one column less
    {"r64_i65_o64", 64, 65, 64, false},
    {"r100_i5_o128", 100, 5, 128}, // the layers of an encoder 5-128-128-64
    {"r100_i128_o128", 100, 128, 128},
    {"r1_i128_o64", 1, 128, 64},
    {"r1_i64_o1", 1, 64, 1},
    {"r7_i1024_o33", 7, 1024, 33},
    {"r2_i3_o4097", 2, 3, 4097},
    {"r262145_i1_o1", 262145, 1, 1, true, false}, // more rows than one launch holds
};

constexpr LinearRow kHalfRows[] = {
    {"r1_i1_o1", 1, 1, 1},     {"r3_i5_o7", 3, 5, 7, false},      {"r5_i63_o65", 5, 63, 65},
    {"r2_i64_o63", 2, 64, 63}, {"r100_i128_o128", 100, 128, 128}, {"r7_i1024_o33", 7, 1024, 33},
};
/// Weights about this large are denormal halves, which a device may take for 0.
constexpr double kDenormal = 1e-5;

/// A sum of n products rounds like sqrt(n) * 2^-24: 2e-6 at n = 1024. The largest element is a few times that. Halves
/// are rounded beforehand, in the reference too, and widened exactly, so they change nothing.
constexpr Tolerance kTolerance{2e-6, 1e-5};

void prepare(Problem& problem, const LinearRow& row, bool has_halves, double weight_scale)
{
    problem.normal("x", {row.rows, row.width});
    problem.normal("weight", {row.columns, row.width}, weight_scale);
    if (has_halves) problem.round_to_half("weight");
    if (row.has_bias) problem.normal("bias", {row.columns});
    const std::vector<double> x = problem.doubles("x");
    const std::vector<double> weight = problem.doubles("weight");
    const std::vector<double> bias = row.has_bias ? problem.doubles("bias") : std::vector<double>();
    std::vector<double>& y = problem.expect("y", {row.rows, row.columns}, kTolerance);
    twin::linear(
        x.data(), [&](uint32_t column, uint32_t i) { return weight[size_t{column} * row.width + i]; },
        row.has_bias ? bias.data() : nullptr, y.data(), row.rows, row.width, row.columns, Activation::identity);
}

} // namespace

void add_linear_cases(std::vector<Case>& cases)
{
    for (const LinearRow& row : kRows) {
        cases.push_back({fmt::format("linear.{}.f32", row.name), "linear", Json::object(),
                         [&row](Problem& problem) { prepare(problem, row, false, 1); }, row.is_quick});
    }
    for (const LinearRow& row : kHalfRows) {
        cases.push_back({fmt::format("linear.{}.f16", row.name), "linear", Json::object(),
                         [&row](Problem& problem) { prepare(problem, row, true, 1); }, row.is_quick});
        if (row.has_bias) continue; // it would hide what becomes of weights so small
        cases.push_back({fmt::format("linear.{}_denormal.f16", row.name), "linear", Json::object(),
                         [&row](Problem& problem) { prepare(problem, row, true, kDenormal); }, row.is_quick});
    }
}

} // namespace gramian
