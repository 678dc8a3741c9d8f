// Cases of `layer_norm`, `rms_norm`, `l2_norm`, `concat` and `slice`.
#include "ops/cases.hpp"
#include "ops/norm_twin.hpp"

namespace gramian {
namespace {

struct NormRow {
    const char* op;
    Norm kind;
    const char* name;
    uint32_t rows;
    uint32_t channels;
    uint32_t heads = 1;
    double mean = 0;
    bool has_bias = false;
    double epsilon = 0; // 0: the operator's default
};

constexpr NormRow kNorms[] = {
    {"layer_norm", Norm::layer, "r1_c1", 1, 1, 1, 0, true},
    {"layer_norm", Norm::layer, "r3_c63", 3, 63, 1, 0, true},
    {"layer_norm", Norm::layer, "r2_c64", 2, 64},
    {"layer_norm", Norm::layer, "r5_c65", 5, 65, 1, 0, true},
    {"layer_norm", Norm::layer, "r2_c768_mean100", 2, 768, 1, 100, true}, // E[x^2] - E[x]^2 would lose 4 digits
    {"rms_norm", Norm::rms, "r1_c1", 1, 1},
    {"rms_norm", Norm::rms, "r7_c65", 7, 65},
    {"rms_norm", Norm::rms, "r2_c1024", 2, 1024},
    {"l2_norm", Norm::l2, "r3_c12_h3", 3, 12, 3},
    {"l2_norm", Norm::l2, "r2_c130_h2_epsilon", 2, 130, 2, 0, false, 20}, // |x| is below epsilon
};

/// A sum of n squares is off by sqrt(n) * 2^-24; with a mean of 100 standard deviations x itself is off by 100 * 2^-24.
Tolerance tolerance_of(const NormRow& row)
{
    return row.mean > 0 ? Tolerance{1e-5, 5e-5} : Tolerance{2e-6, 1e-5};
}

double default_epsilon(Norm kind)
{
    return kind == Norm::layer ? 1e-5 : kind == Norm::rms ? 1e-6 : 1e-12;
}

void prepare(Problem& problem, const NormRow& row)
{
    problem.normal("x", {row.rows, row.channels}, 1, row.mean);
    if (row.kind != Norm::l2) problem.normal("weight", {row.channels});
    if (row.has_bias) problem.normal("bias", {row.channels});
    const std::vector<double> x = problem.doubles("x");
    const std::vector<double> weight = problem.has("weight") ? problem.doubles("weight") : std::vector<double>();
    const std::vector<double> bias = problem.has("bias") ? problem.doubles("bias") : std::vector<double>();
    std::vector<double>& y = problem.expect("y", {row.rows, row.channels}, tolerance_of(row));
    const uint32_t width = row.channels / row.heads;
    for (uint32_t block = 0; block < row.rows * row.heads; ++block) {
        const size_t channel = size_t{block % row.heads} * width;
        twin::norm<double>(row.kind, &x[size_t{block} * width], weight.empty() ? nullptr : &weight[channel],
                           bias.empty() ? nullptr : &bias[channel], &y[size_t{block} * width], width,
                           row.epsilon > 0 ? row.epsilon : default_epsilon(row.kind));
    }
}

Json attributes_of(const NormRow& row)
{
    Json attributes = Json::object();
    if (row.epsilon > 0) attributes["epsilon"] = row.epsilon;
    if (row.kind == Norm::l2) attributes["heads"] = row.heads;
    return attributes;
}

void prepare_concat(Problem& problem)
{
    constexpr uint32_t kRows = 5;
    constexpr uint32_t kWidths[] = {1, 64, 7};
    for (uint32_t i = 0; i < 3; ++i) problem.normal(fmt::format("x{}", i), {kRows, kWidths[i]});
    const std::vector<double> parts[] = {problem.doubles("x0"), problem.doubles("x1"), problem.doubles("x2")};
    std::vector<double>& y = problem.expect("y", {kRows, 72}, kExact);
    size_t at = 0;
    for (uint32_t row = 0; row < kRows; ++row) {
        for (uint32_t i = 0; i < 3; ++i) {
            for (uint32_t c = 0; c < kWidths[i]; ++c) y[at++] = parts[i][row * kWidths[i] + c];
        }
    }
}

void prepare_slice(Problem& problem)
{
    problem.normal("x", {6, 70});
    const std::vector<double> x = problem.doubles("x");
    std::vector<double>& y = problem.expect("y", {6, 33}, kExact);
    for (uint32_t row = 0; row < 6; ++row) {
        for (uint32_t c = 0; c < 33; ++c) y[row * 33 + c] = x[row * 70 + 31 + c];
    }
}

} // namespace

void add_norm_cases(std::vector<Case>& cases)
{
    for (const NormRow& row : kNorms) {
        cases.push_back({fmt::format("{}.{}.f32", row.op, row.name), row.op, attributes_of(row),
                         [&row](Problem& problem) { prepare(problem, row); }});
    }
    cases.push_back({"concat.r5_c1_c64_c7.f32", "concat", Json::object(), prepare_concat});
    cases.push_back({"slice.r6_c31_33.f32", "slice", Json{{"offset", 31}, {"size", 33}}, prepare_slice});
}

} // namespace gramian
