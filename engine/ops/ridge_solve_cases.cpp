// Cases of `ridge_solve` whose matrices are well behaved: sizes, batches, regularisers, scales.
#include "ops/ridge_solve_cases.hpp"

#include "ops/ridge_solve_twin.hpp"

#include <cmath>

namespace gramian {
namespace {

struct RidgeRow {
    const char* name;
    uint32_t batch;
    uint32_t unknowns;
    uint32_t columns;
    uint32_t tokens = 0; // 0: a and rhs are given, otherwise k and v
    Ridge ridge{};
    double scale = 1; // of a and rhs
    bool is_quick = true;
};

// P and K are specialisation constants of the kernel: quick cases keep to few pairs of them.
constexpr RidgeRow kRows[] = {
    {"p1_k1_b1", 1, 1, 1},
    {"p2_k1_b3", 3, 2, 1, 0, {}, 1, false},
    {"p3_k2_b5", 5, 3, 2, 0, {}, 1, false},
    {"p4_k4_b1", 1, 4, 4}, // one block of four
    {"p5_k1_b1", 1, 5, 1, 0, {}, 1, false},
    {"p7_k3_b2", 2, 7, 3},
    {"p63_k1_b2", 2, 63, 1, 0, {}, 1, false},
    {"p64_k1_b4", 4, 64, 1},
    {"p65_k2_b1", 1, 65, 2},
    {"p64_k64_b1", 1, 64, 64, 0, {}, 1, false},
    {"p64_k65_b3", 3, 64, 65, 0, {}, 1, false}, // more columns than a lane solves: workgroups even where lanes solve
    {"p33_k256_b1", 1, 33, 256, 0, {}, 1, false},
    {"p127_k3_b1", 1, 127, 3, 0, {}, 1, false},
    {"p128_k1_b2", 2, 128, 1},
    {"p128_k256_b1", 1, 128, 256, 0, {}, 1, false}, // the largest
    {"p16_k1_b300", 300, 16, 1, 0, {}, 1, false},
    {"alpha0_p6_k2_b2", 2, 6, 2, 0, {0, false}},
    {"alpha1_p6_k2_b2", 2, 6, 2, 0, {1, false}},
    {"tiny_alpha_p6_k2_b2", 2, 6, 2, 0, {1e-30, false}},
    {"relative1_p6_k2_b2", 2, 6, 2, 0, {1, true}},
    {"scale1e-20_p6_k2_b2", 2, 6, 2, 0, {}, 1e-20},
    {"scale1e15_p6_k2_b2", 2, 6, 2, 0, {}, 1e15},
    {"n1_p1_k1_b1", 1, 1, 1, 1},
    {"n23_p6_k2_b2", 2, 6, 2, 23, {0.1, false}},
    {"n300_p64_k1_b1", 1, 64, 1, 300},
    {"n500_p128_k4_b1", 1, 128, 4, 500, {}, 1, false},
    {"underdetermined_n4_p6_k2_b2", 2, 6, 2, 4, {0.1, false}},
    {"underdetermined_n1_p33_k1_b1", 1, 33, 1, 1, {0.1, true}, 1, false},
    {"underdetermined_n40_p300_k3_b2", 2, 300, 3, 40, {1e-3, true}, 1, false},
    {"underdetermined_n140_p200_k3_b1", 1, 200, 3, 140, {1e-3, true}, 1, false},
    {"p129_k2_b2", 2, 129, 2}, // more than one launch holds
    {"p160_k5_b1", 1, 160, 5},
    {"p15_k1_b3", 3, 15, 1},
    {"p16_k4_b3", 3, 16, 4},
    {"p17_k4_b3", 3, 17, 4},
    {"p512_k2_b1", 1, 512, 2, 0, {}, 1, false},
    {"p513_k1_b1", 1, 513, 1, 0, {}, 1, false},
    {"p200_k256_b1", 1, 200, 256, 0, {}, 1, false},
    {"p1024_k1_b1", 1, 1024, 1, 0, {}, 1, false},
    {"p4_k1_b65536", 65536, 4, 1, 0, {}, 1, false}, // more than the groups of a launch
};

/// a = scale K^T K / P of twice as many normal rows as unknowns, so that its condition number is some 30.
void draw_matrix(Problem& problem, const RidgeRow& row)
{
    const uint32_t n = row.unknowns;
    std::vector<double> k(size_t{2 * n + 3} * n);
    std::vector<float>& a = problem.input("a", {row.batch, n, n});
    for (uint32_t b = 0; b < row.batch; ++b) {
        for (double& value : k) value = problem.random().normal();
        for (uint32_t i = 0; i < n; ++i) {
            for (uint32_t j = 0; j <= i; ++j) {
                double sum = 0;
                for (uint32_t t = 0; t < 2 * n + 3; ++t) sum += k[size_t{t} * n + i] * k[size_t{t} * n + j];
                const auto entry = static_cast<float>(row.scale * sum / n);
                a[(size_t{b} * n + i) * n + j] = entry;
                a[(size_t{b} * n + j) * n + i] = entry;
            }
        }
    }
    problem.normal("rhs", {row.batch, n, row.columns}, row.scale);
}

/// sums[i, j] += x[t, i] y[t, j] over the tokens of one problem.
void sum_products(const double* x, const double* y, double* sums, uint32_t tokens, uint32_t width, uint32_t columns)
{
    for (uint32_t t = 0; t < tokens; ++t) {
        for (uint32_t i = 0; i < width; ++i) {
            for (uint32_t j = 0; j < columns; ++j) {
                sums[size_t{i} * columns + j] += x[size_t{t} * width + i] * y[size_t{t} * columns + j];
            }
        }
    }
}

struct System {
    uint32_t batch = 0;
    uint32_t unknowns = 0;
    uint32_t columns = 0;
    uint32_t tokens = 0; // 0: given as a and rhs
    std::vector<double> a;
    std::vector<double> rhs;

    /// Fewer rows than unknowns: k k^T is solved and reported.
    [[nodiscard]] bool is_dual() const { return tokens > 0 && tokens < unknowns; }
};

System system_of(const Problem& problem)
{
    const bool has_tokens = problem.has("k");
    const Shape left = problem.shape(has_tokens ? "k" : "a");
    const uint32_t columns = problem.shape(has_tokens ? "v" : "rhs").last();
    System system{left[0], left[2], columns, has_tokens ? left[1] : 0, {}, {}};
    if (!has_tokens) {
        system.a = problem.doubles("a");
        system.rhs = problem.doubles("rhs");
        return system;
    }
    const std::vector<double> k = problem.doubles("k");
    const std::vector<double> v = problem.doubles("v");
    const uint32_t n = system.unknowns;
    system.a.assign(size_t{left[0]} * n * n, 0.0);
    system.rhs.assign(size_t{left[0]} * n * columns, 0.0);
    for (size_t b = 0; b < left[0]; ++b) {
        const double* keys = &k[b * left[1] * n];
        sum_products(keys, keys, &system.a[b * n * n], left[1], n, n);
        sum_products(keys, &v[b * left[1] * columns], &system.rhs[b * n * columns], left[1], n, columns);
    }
    return system;
}

/// k k^T y = v, of which the solution of k^T k x = k^T v is k^T y.
System dual_of(const Problem& problem)
{
    const Shape k = problem.shape("k");
    const std::vector<double> keys = problem.doubles("k");
    System dual{k[0], k[1], problem.shape("v").last(), 0, {}, problem.doubles("v")};
    dual.a.assign(size_t{k[0]} * k[1] * k[1], 0.0);
    for (size_t b = 0; b < k[0]; ++b) {
        for (size_t i = 0; i < k[1]; ++i) {
            for (size_t j = 0; j < k[1]; ++j) {
                double& sum = dual.a[(b * k[1] + i) * k[1] + j];
                for (size_t c = 0; c < k[2]; ++c)
                    sum += keys[(b * k[1] + i) * k[2] + c] * keys[(b * k[1] + j) * k[2] + c];
            }
        }
    }
    return dual;
}

/// The report of one problem, field by field, in the order of the report's words.
using Fields = std::array<double, 5>;

void expect_report(Problem& problem, const std::vector<Fields>& reports, double condition)
{
    const Shape shape{static_cast<uint32_t>(reports.size())};
    const double unit = std::ldexp(1.0, -24);
    const bool has_failed = std::any_of(reports.begin(), reports.end(), [](const Fields& f) { return f[4] == 2; });
    const auto expect = [&](const char* name, size_t field, Tolerance tolerance) {
        std::vector<double>& values = problem.expect(name, shape, tolerance);
        for (size_t b = 0; b < reports.size(); ++b) values[b] = reports[b][field];
    };
    if (!has_failed) { // where a solve has failed, these say how, which is the implementation's own affair
        // A pivot is what cancellation left of a diagonal entry: off by 2^-24 of that entry, which it is cond smaller
        // than at worst.
        expect("min_pivot", 0, {std::max(1e-5, unit * condition), std::max(1e-5, unit * condition)});
        expect("alpha", 1, {1e-5, 1e-5}); // a sum of P numbers
    }
    expect("retries", 2, kExact);
    // 0 but for rounding: 2^-24 of |a| |x|, and |x| is at most cond |rhs| / |a|.
    expect("residual", 3, {0, 0, std::max(1e-5, 2 * unit * condition)});
    expect("status", 4, kExact);
}

} // namespace

Json ridge_attributes(const Ridge& ridge)
{
    return {{ridge.is_relative ? "alpha_relative" : "alpha", ridge.alpha}};
}

namespace {

struct Solution {
    std::vector<double> x;
    std::vector<Fields> reports;
    double condition = 1;
};

Solution solve(const System& system, double alpha, bool is_relative)
{
    const uint32_t n = system.unknowns;
    Solution solution;
    solution.x.resize(system.rhs.size());
    for (size_t b = 0; b < system.batch; ++b) {
        const double* a = &system.a[b * n * n];
        const size_t at = b * n * system.columns;
        const twin::SolveReport<double> report = twin::ridge_solve<double>(a, nullptr, &system.rhs[at], &solution.x[at],
                                                                           n, system.columns, alpha, is_relative);
        solution.reports.push_back({report.min_pivot, report.alpha, report.retries, report.residual,
                                    static_cast<double>(static_cast<uint32_t>(report.status))});
        if (report.status != SolveStatus::solved) continue;
        solution.condition = std::max(solution.condition, condition_number(a, nullptr, report.alpha, n));
    }
    return solution;
}

} // namespace

void expect_ridge_solution(Problem& problem, const Ridge& ridge)
{
    const System system = system_of(problem);
    const double alpha = static_cast<float>(ridge.alpha);
    Solution solution = solve(system, alpha, ridge.is_relative);
    Tolerance tolerance = solve_tolerance(solution.condition);
    const bool has_retries =
        std::any_of(solution.reports.begin(), solution.reports.end(), [](const Fields& f) { return f[2] > 0; });
    // With no more equations than unknowns, rounding of the matrix meets its smallest eigenvalues undiluted.
    if (has_retries || (system.tokens > 0 && system.tokens <= system.unknowns)) {
        tolerance = solve_tolerance(10 * solution.condition);
    }
    if (system.is_dual()) {
        const double times = ridge.is_relative ? double(system.tokens) / system.unknowns : 1.0;
        const Solution dual = solve(dual_of(problem), alpha * times, ridge.is_relative);
        solution.reports = dual.reports;
        solution.condition = dual.condition;
        tolerance = solve_tolerance(10 * dual.condition);
    }
    problem.expect("x", {system.batch, system.unknowns, system.columns}, tolerance) = std::move(solution.x);
    expect_report(problem, solution.reports, solution.condition);
}

void expect_solution_only(Problem& problem, const Ridge& ridge, Tolerance tolerance)
{
    const System system = system_of(problem);
    Solution solution = solve(system, static_cast<float>(ridge.alpha), ridge.is_relative);
    problem.expect("x", {system.batch, system.unknowns, system.columns}, tolerance) = std::move(solution.x);
}

void add_ridge_solve_cases(std::vector<Case>& cases)
{
    for (const RidgeRow& row : kRows) {
        cases.push_back({fmt::format("ridge_solve.{}.f32", row.name), "ridge_solve", ridge_attributes(row.ridge),
                         [&row](Problem& problem) {
                             if (row.tokens) {
                                 problem.normal("k", {row.batch, row.tokens, row.unknowns});
                                 problem.normal("v", {row.batch, row.tokens, row.columns});
                             } else {
                                 draw_matrix(problem, row);
                             }
                             expect_ridge_solution(problem, row.ridge);
                         },
                         row.is_quick});
    }
}

} // namespace gramian
