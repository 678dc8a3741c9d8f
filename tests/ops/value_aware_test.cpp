// Properties of `value_aware_sparse` on a grid of 1,000 seeded problems, from flat to peaked weights, and the check
// that the conformance runner makes of its answers.
#include "arrays.hpp"
#include "conformance/check_sparse.hpp"
#include "ops/value_aware_twin.hpp"
#include "test_device.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <map>
#include <numeric>

using namespace gramian;

namespace {

/// Problems of one size: for each skew (standard deviation of the logits) `batch` of them.
struct Grid {
    uint32_t batch, keys, columns;
    std::vector<uint32_t> budgets; // ascending
};

constexpr double kSkews[] = {0.3, 1, 2.5, 4};

const std::vector<Grid>& grids()
{
    static const std::vector<Grid> all{
        {60, 12, 2, {1, 2, 3, 4}},      {60, 12, 6, {1, 2, 3, 4}},  {50, 33, 3, {1, 2, 3, 4}},
        {40, 64, 16, {1, 2, 4, 8, 16}}, {30, 128, 8, {1, 2, 4, 8}}, {10, 512, 16, {1, 2, 4, 8}},
    };
    return all;
}

std::vector<NamedArray> problems(const Grid& grid, double skew)
{
    const auto seed = static_cast<uint64_t>(grid.keys * 1000 + grid.columns * 10) + static_cast<uint64_t>(10 * skew);
    NamedArray p = random_array("p", {grid.batch, grid.keys}, seed, skew);
    for (uint32_t b = 0; b < grid.batch; ++b) {
        const std::span<float> row(&p.values[size_t{b} * grid.keys], grid.keys);
        for (float& logit : row) logit = std::exp(logit);
        const double sum = std::accumulate(row.begin(), row.end(), 0.0);
        for (float& weight : row) weight = static_cast<float>(static_cast<double>(weight) / sum);
    }
    return {p, random_array("v", {grid.batch, grid.keys, grid.columns}, seed + 1'000'000)};
}

/// Errors of the keys and weights that a method chose, judged in float64 after their rules were checked.
std::vector<double> errors_of(const std::vector<NamedArray>& inputs, const char* method, uint32_t budget)
{
    const Json attributes = {{"budget", budget}, {"method", method}};
    const OperatorRun run = run_operator(test_device(), "value_aware_sparse", attributes, inputs);
    return sparse_errors(inputs, run.outputs, budget);
}

/// The least error that any `budget` keys allow: every support, solved for.
double best_error(const double* p, const double* v, const Grid& grid, uint32_t budget)
{
    std::vector<double> target(grid.columns);
    for (uint32_t n = 0; n < grid.keys; ++n) {
        for (uint32_t e = 0; e < grid.columns; ++e) target[e] += p[n] * v[size_t{n} * grid.columns + e];
    }
    double best = INFINITY;
    std::vector<bool> is_chosen(grid.keys);
    std::fill_n(is_chosen.begin(), budget, true);
    do {
        std::vector<double> points;
        for (uint32_t n = 0; n < grid.keys; ++n) {
            if (is_chosen[n]) points.insert(points.end(), v + n * grid.columns, v + (n + 1) * grid.columns);
        }
        best = std::min(best,
                        twin::SimplexLeastSquares<double>(points.data(), target.data(), budget, grid.columns).error());
    } while (std::prev_permutation(is_chosen.begin(), is_chosen.end()));
    return best;
}

double mean(const std::vector<double>& values)
{
    return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

constexpr const char* kMethods[] = {"oblivious", "topk_refit", "frank_wolfe", "forward"};

/// fp32 weights sum to 1 within some 2^-24, times values of up to 5.
constexpr double kRounding = 1e-6;

} // namespace

TEST_CASE("value-aware sparsity: refitting never loses, greedy methods never rise, and nothing beats the optimum")
{
    std::map<double, std::map<std::string, std::vector<double>>> by_skew; // error over that of oblivious
    uint32_t count = 0;
    for (const Grid& grid : grids()) {
        for (const double skew : kSkews) {
            CAPTURE(grid.keys);
            CAPTURE(skew);
            const std::vector<NamedArray> inputs = problems(grid, skew);
            const std::vector<double> p(inputs[0].values.begin(), inputs[0].values.end());
            const std::vector<double> v(inputs[1].values.begin(), inputs[1].values.end());
            count += grid.batch;
            std::map<std::string, std::vector<double>> before;
            for (const uint32_t budget : grid.budgets) {
                CAPTURE(budget);
                std::map<std::string, std::vector<double>> errors;
                for (const char* method : kMethods) errors[method] = errors_of(inputs, method, budget);
                for (uint32_t b = 0; b < grid.batch; ++b) {
                    CHECK(errors["topk_refit"][b] <= errors["oblivious"][b] + kRounding);
                    for (const char* method : {"frank_wolfe", "forward"}) {
                        CAPTURE(method);
                        if (!before.empty()) CHECK(errors[method][b] <= before[method][b] + kRounding);
                    }
                    if (grid.keys != 12) continue;
                    const double least =
                        best_error(&p[size_t{b} * grid.keys], &v[size_t{b} * grid.keys * grid.columns], grid, budget);
                    for (const char* method : kMethods) {
                        CAPTURE(method);
                        CHECK(errors[method][b] >= least - kRounding);
                    }
                }
                for (const char* method : kMethods) {
                    auto& all = by_skew[skew][method];
                    all.insert(all.end(), errors[method].begin(), errors[method].end());
                }
                before = errors;
            }
        }
    }
    CHECK(count == 1'000);
    fmt::print("gain over the value-oblivious choice, {} problems:\n", count);
    for (auto& [skew, errors] : by_skew) {
        // Over problems of all sizes and budgets: among few peaked weights a refit of the largest may win on average.
        CAPTURE(skew);
        CHECK(mean(errors["forward"]) <= mean(errors["topk_refit"]) + 1e-6);
        const double oblivious = mean(errors["oblivious"]);
        fmt::print("  skew {:<4} oblivious {:.4f}", skew, oblivious);
        for (const char* method : {"topk_refit", "frank_wolfe", "forward"}) {
            fmt::print("  {} {:.1f} %", method, 100 * (1 - mean(errors[method]) / oblivious));
        }
        fmt::print("\n");
    }
}

TEST_CASE("value-aware sparsity: one key more than a value has channels is exact")
{
    for (const Grid& grid : grids()) {
        for (const double skew : kSkews) {
            CAPTURE(grid.keys);
            CAPTURE(skew);
            for (const double error : errors_of(problems(grid, skew), "exact", grid.columns + 1)) CHECK(error <= 1e-5);
        }
    }
}

TEST_CASE("value-aware sparsity: the runner's check takes right answers, and no wrong one")
{
    Case test;
    test.op = "value_aware_sparse";
    test.attributes = {{"budget", 3}, {"method", "topk_refit"}};
    Problem problem(1);
    problem.input("p", {1, 4}) = {0.25F, 0.5F, 0.125F, 0.125F};
    problem.input("v", {1, 4, 1}) = {1, 2, 3, 4}; // o = 2.125
    problem.expect("error", {1}, {1e-5, 1e-5, 1e-5}) = {0};
    const auto check = [&](std::vector<float> indices, std::vector<float> weights, float error) {
        return check_sparse(test, problem,
                            {{"indices", {1, 3}, std::move(indices)},
                             {"weights", {1, 3}, std::move(weights)},
                             {"error", {1}, {error}}});
    };
    const auto refused = [&](const std::string& found, std::string_view words) {
        CAPTURE(found);
        CHECK(found.find(words) != std::string::npos);
    };
    CHECK(check({1, 2, -1}, {0.875F, 0.125F, 0}, 0).empty());
    CHECK(check({0, 1, 3}, {0.125F, 0.75F, 0.125F}, 0).empty());
    refused(check({1, 2, -1}, {0.875F, 0.125F, 0}, 0.1F), "claims 0.1");
    refused(check({1, 2, -1}, {0.5F, 0.5F, 0}, 0), "of the keys and weights, error: rms");
    refused(check({1, 2, -1}, {0.875F, 0.1F, 0}, 0), "sum to 0.975");
    refused(check({0, 1, 2}, {-0.125F, 1, 0.125F}, 0), "a weight from 0 on");
    refused(check({2, 1, -1}, {0.125F, 0.875F, 0}, 0), "ascending");
    refused(check({1, 1, 2}, {0.5F, 0.375F, 0.125F}, 0), "ascending");
    refused(check({-1, 1, 2}, {0, 0.875F, 0.125F}, 0), "unused slots last");
    refused(check({1, 2, -1}, {0.75F, 0.125F, 0.125F}, 0), "weight 0 in an unused slot");
    refused(check({1, 2, 4}, {0.875F, 0.125F, 0}, 0), "no key's number");
    refused(check({1, 2.5F, -1}, {0.875F, 0.125F, 0}, 0), "no key's number");
    refused(check({NAN, 2, -1}, {0.875F, 0.125F, 0}, 0), "no key's number");
}
