// Cases of `simplex_solve` and `value_aware_sparse`. Supports of equally good answers differ, so what is compared is
// the error; for methods whose support is unique, the keys and weights as well.
#include "ops/cases.hpp"
#include "ops/value_aware_twin.hpp"

#include <fmt/format.h>

namespace gramian {
namespace {

/// The error is a length of sums of E products; near 0 only its absolute size means something.
constexpr Tolerance kError{2e-5, 2e-5, 1e-5};
/// Weights of a solved simplex: 2^-24 times the condition of the points, some hundred here.
constexpr Tolerance kWeights{1e-4, 2e-4, 1e-6};

struct SimplexRow {
    const char* name;
    uint32_t batch;
    uint32_t points;
    uint32_t columns;
    double distance; // of the target from the middle of the points
    bool has_unique_weights = true;
};

constexpr SimplexRow kSimplexRows[] = {
    {"r1_e1", 1, 1, 1, 1},         {"r2_e1", 3, 2, 1, 0.5},
    {"r15_e20_b3", 3, 15, 20, 1},  {"r16_e20", 2, 16, 20, 1},
    {"r17_e33", 2, 17, 33, 1},     {"r33_e40", 1, 33, 40, 1},
    {"r64_e80", 1, 64, 80, 1},     {"r12_e3_dependent", 4, 12, 3, 2, false},
    {"r8_e30_far", 2, 8, 30, 100}, {"r8_e256", 1, 8, 256, 1},
};

void prepare_simplex(Problem& problem, const SimplexRow& row)
{
    problem.normal("v", {row.batch, row.points, row.columns});
    problem.normal("target", {row.batch, row.columns}, row.distance);
    const std::vector<double> v = problem.doubles("v"), target = problem.doubles("target");
    std::vector<double> weights, errors;
    for (uint32_t b = 0; b < row.batch; ++b) {
        const twin::SimplexLeastSquares<double> solved(v.data() + size_t{b} * row.points * row.columns,
                                                       target.data() + size_t{b} * row.columns, row.points,
                                                       row.columns);
        weights.insert(weights.end(), solved.weights().begin(), solved.weights().end());
        errors.push_back(solved.error());
    }
    problem.expect("error", {row.batch}, kError) = errors;
    if (row.has_unique_weights) problem.expect("weights", {row.batch, row.points}, kWeights) = weights;
}

struct SparseRow {
    const char* name;
    SparseMethod method;
    uint32_t batch;
    uint32_t keys;
    uint32_t columns;
    uint32_t budget;
    double skew; // standard deviation of the logits
    bool is_quick = true;
};

constexpr const char* kMethodNames[] = {"oblivious", "topk_refit", "frank_wolfe", "forward", "exact"};

constexpr SparseRow kSparseRows[] = {
    {"oblivious_n1", SparseMethod::oblivious, 1, 1, 1, 1, 1},
    {"oblivious_n65_r7", SparseMethod::oblivious, 3, 65, 9, 7, 2},
    {"oblivious_n512_r64", SparseMethod::oblivious, 2, 512, 64, 64, 1},
    {"oblivious_r_gt_n", SparseMethod::oblivious, 2, 5, 4, 9, 1},
    {"refit_n63_r8", SparseMethod::topk_refit, 2, 63, 16, 8, 1},
    {"refit_n512_r32", SparseMethod::topk_refit, 1, 512, 64, 32, 1},
    {"refit_n40_e3_r12", SparseMethod::topk_refit, 2, 40, 3, 12, 1}, // more points than an answer needs
    {"fw_n64_r8", SparseMethod::frank_wolfe, 2, 64, 16, 8, 1},
    {"fw_n512_r16", SparseMethod::frank_wolfe, 1, 512, 64, 16, 2.5, false},
    {"forward_n33_r5", SparseMethod::forward, 2, 33, 8, 5, 1},
    {"forward_n64_r8_peaked", SparseMethod::forward, 1, 64, 16, 8, 2.5, false},
    {"exact_n64_e16", SparseMethod::exact, 2, 64, 16, 17, 1},
    {"exact_n512_e32", SparseMethod::exact, 1, 512, 32, 33, 2.5, false},
    {"exact_n300_e64", SparseMethod::exact, 1, 300, 64, 65, 0, false},
    {"exact_all", SparseMethod::exact, 2, 9, 12, 13, 1},
};

void prepare_sparse(Problem& problem, const SparseRow& row)
{
    problem.normal("logits", {row.batch, row.keys}, row.skew);
    problem.normal("v", {row.batch, row.keys, row.columns});
    const std::vector<double> logits = problem.doubles("logits"), v = problem.doubles("v");
    std::vector<double> errors;
    for (uint32_t b = 0; b < row.batch; ++b) {
        std::vector<double> p(row.keys);
        double sum = 0;
        for (uint32_t n = 0; n < row.keys; ++n) sum += p[n] = std::exp(logits[size_t{b} * row.keys + n]);
        for (double& weight : p) weight /= sum;
        twin::ValueAware<double> sparse(p.data(), v.data() + size_t{b} * row.keys * row.columns, row.keys, row.columns,
                                        row.budget);
        sparse.solve(row.method);
        errors.push_back(sparse.error());
    }
    problem.expect("error", {row.batch}, kError) = errors;
}

} // namespace

void add_value_aware_cases(std::vector<Case>& cases)
{
    for (const SimplexRow& row : kSimplexRows) {
        cases.push_back({fmt::format("simplex_solve.{}.f32", row.name), "simplex_solve", Json::object(),
                         [row](Problem& problem) { prepare_simplex(problem, row); }});
    }
    for (const SparseRow& row : kSparseRows) {
        const Json attributes{{"budget", row.budget}, {"method", kMethodNames[static_cast<size_t>(row.method)]}};
        cases.push_back({fmt::format("value_aware_sparse.{}.f32", row.name), "value_aware_sparse", attributes,
                         [row](Problem& problem) { prepare_sparse(problem, row); }, row.is_quick});
    }
}

} // namespace gramian
