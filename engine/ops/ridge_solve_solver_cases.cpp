// Cases of `ridge_solve` by its other solvers, with refinement, and from rows that Cholesky cannot take.
#include "ops/conjugate_gradients_twin.hpp"
#include "ops/ridge_solve_cases.hpp"
#include "ops/ridge_solve_twin.hpp"

#include <cmath>

namespace gramian {
namespace {

struct SolverRow {
    std::string name;
    uint32_t batch;
    uint32_t tokens;
    uint32_t unknowns;
    uint32_t columns;
    Json attributes;
    double condition = 1;  // of k, whose directions are rotated against the axes; 1: normal rows
    double scale = 1;      // of k
    Tolerance tolerance{}; // of x
    bool is_quick = true;
};

Json solver(const char* name, double alpha_relative, uint32_t iterations = 0)
{
    Json attributes{{"solver", name}, {"alpha_relative", alpha_relative}};
    if (iterations > 0) attributes["iterations"] = iterations;
    return attributes;
}

Json refined(double alpha_relative, uint32_t steps)
{
    return {{"refine", steps}, {"alpha_relative", alpha_relative}};
}

/// Every size at which something changes: blocks of 4 and 16, workgroups of 64, one launch up to 128, panels of 32.
void add_sizes(std::vector<SolverRow>& rows)
{
    for (const uint32_t n : {1U, 15U, 16U, 17U, 64U, 127U, 129U, 512U, 513U}) {
        const uint32_t tokens = n + n / 4 + 8;
        const bool is_quick = n < 100;
        const std::string size = fmt::format("n{}_p{}_k2_b1", tokens, n);
        rows.push_back({"cg_" + size, 1, tokens, n, 2, solver("cg", 1e-2, 200), 1, 1, {5e-5, 3e-4}, is_quick});
        rows.push_back({"qr_" + size, 1, tokens, n, 2, solver("qr", 1e-4), 1, 1, {2e-5, 1e-4}, is_quick});
        if (n > 128) continue; // more than recursive least squares take
        const Json rls{{"solver", "rls"}, {"alpha", 0.5}};
        rows.push_back({"rls_" + size, 1, tokens, n, 2, rls, 1, 1, {5e-5, 3e-4}, is_quick});
    }
}

// Statistics in fp32 are good for 0.1 * 2^-24 * cond(A), some 1e-4 on rotated keys; QR and refinement from the rows
// give 1e-6 there.
const std::vector<SolverRow>& rows()
{
    static const std::vector<SolverRow> table = [] {
        std::vector<SolverRow> made{
            {"cg_n60_p17_k3_b2", 2, 60, 17, 3, solver("cg", 1e-2, 60), 1, 1, {2e-5, 1e-4}},
            {"cg_rotated_n60_p16_k3_b2", 2, 60, 16, 3, solver("cg", 1e-4, 300), 100, 1, {1e-3, 5e-3}},
            {"cg_scale1e-10_n60_p17_k3_b1", 1, 60, 17, 3, solver("cg", 1e-2, 60), 1, 1e-10, {2e-5, 1e-4}},
            {"cg_scale1e-15_n60_p1_k8_b1", 1, 60, 1, 8, solver("cg", 1e-2, 60), 1, 1e-15, {2e-5, 1e-4}, false},
            {"cg_scale1e15_n60_p17_k3_b1", 1, 60, 17, 3, solver("cg", 1e-2, 60), 1, 1e15, {2e-5, 1e-4}},
            {"qr_n60_p16_k3_b2", 2, 60, 16, 3, solver("qr", 1e-4), 1, 1, {1e-5, 5e-5}},
            {"qr_n9_p33_k2_b2", 2, 9, 33, 2, solver("qr", 1e-2), 1, 1, {1e-5, 5e-5}}, // underdetermined
            {"qr_rotated_n60_p16_k3_b2", 2, 60, 16, 3, solver("qr", 1e-4), 100, 1, {1e-5, 5e-5}},
            {"qr_rotated_n60_p16_k3_cond1e3", 2, 60, 16, 3, solver("qr", 1e-6), 1000, 1, {1e-4, 5e-4}},
            {"qr_scale1e-18_n60_p16_k3_b1", 1, 60, 16, 3, solver("qr", 1e-4), 1, 1e-18, {1e-5, 5e-5}},
            {"qr_scale1e15_n60_p16_k3_b1", 1, 60, 16, 3, solver("qr", 1e-4), 1, 1e15, {1e-5, 5e-5}},
            {"refine1_rotated_n60_p16_k3_b2", 2, 60, 16, 3, refined(1e-4, 1), 100, 1, {1e-5, 5e-5}},
            {"refine2_n300_p129_k2_b1", 1, 300, 129, 2, refined(1e-4, 2), 1, 1, {1e-5, 5e-5}},
            {"refine1_n9_p33_k2_b2", 2, 9, 33, 2, refined(1e-2, 1), 1, 1, {1e-5, 5e-5}}, // of the dual system
            {"rls_n60_p17_k3_b2", 2, 60, 17, 3, {{"solver", "rls"}, {"alpha", 0.5}}, 1, 1, {5e-5, 3e-4}},
            {"rls_n9_p33_k2_b2", 2, 9, 33, 2, {{"solver", "rls"}, {"alpha", 0.5}}, 1, 1, {5e-5, 3e-4}},
        };
        add_sizes(made);
        return made;
    }();
    return table;
}

/// Orthogonal, by Gram-Schmidt of normal numbers.
std::vector<double> draw_rotation(Problem& problem, uint32_t n)
{
    std::vector<double> q(size_t{n} * n);
    for (double& value : q) value = problem.random().normal();
    for (size_t i = 0; i < n; ++i) {
        for (size_t j = 0; j <= i; ++j) {
            double product = 0;
            for (size_t c = 0; c < n; ++c) product += q[i * n + c] * q[j * n + c];
            for (size_t c = 0; c < n; ++c) {
                q[i * n + c] = j == i ? q[i * n + c] / std::sqrt(product) : q[i * n + c] - product * q[j * n + c];
            }
        }
    }
    return q;
}

/// Normal rows; with a condition number, stretched along rotated axes by factors from 1 down to 1 / condition.
void draw_keys(Problem& problem, const SolverRow& row)
{
    std::vector<float>& k = problem.normal("k", {row.batch, row.tokens, row.unknowns}, row.scale);
    if (row.condition == 1) return;
    const size_t n = row.unknowns;
    const std::vector<double> rotation = draw_rotation(problem, row.unknowns);
    for (size_t t = 0; t < size_t{row.batch} * row.tokens; ++t) {
        std::vector<double> turned(n);
        for (size_t i = 0; i < n; ++i) {
            const double stretched = k[t * n + i] * std::pow(row.condition, -double(i) / double(n - 1));
            for (size_t c = 0; c < n; ++c) turned[c] += stretched * rotation[i * n + c];
        }
        for (size_t c = 0; c < n; ++c) k[t * n + c] = static_cast<float>(turned[c]);
    }
}

/// v = k w + noise with a w of order 1 in every direction, so that small eigenvalues matter.
void draw_values(Problem& problem, const SolverRow& row)
{
    const std::vector<double> k = problem.doubles("k");
    std::vector<float>& v = problem.normal("v", {row.batch, row.tokens, row.columns}, 0.01 * row.scale);
    std::vector<double> w(size_t{row.unknowns} * row.columns);
    for (double& value : w) value = problem.random().normal();
    for (size_t t = 0; t < size_t{row.batch} * row.tokens; ++t) {
        for (size_t c = 0; c < row.columns; ++c) {
            double sum = v[t * row.columns + c];
            for (size_t i = 0; i < row.unknowns; ++i) sum += k[t * row.unknowns + i] * w[i * row.columns + c];
            v[t * row.columns + c] = static_cast<float>(sum);
        }
    }
}

void prepare(Problem& problem, const SolverRow& row)
{
    draw_keys(problem, row);
    draw_values(problem, row);
    const bool is_relative = row.attributes.contains("alpha_relative");
    expect_solution_only(problem, {row.attributes.at(is_relative ? "alpha_relative" : "alpha"), is_relative},
                         row.tolerance);
}

/// Columns 0 and 1 are equal and nothing is regularised: the retry fires, with alpha 1e-6 of the mean eigenvalue. How
/// the two share their part is left to that alpha: rounding of 2^-24 moves it by 2^-24 / 1e-6 = 6 %.
void prepare_equal_columns(Problem& problem)
{
    std::vector<float>& k = problem.normal("k", {1, 60, 8});
    for (size_t t = 0; t < 60; ++t) k[8 * t + 1] = k[8 * t];
    problem.normal("v", {1, 60, 2});
    double trace = 0;
    for (const float key : k) trace += double{key} * key;
    expect_solution_only(problem, {1e-6 * trace / 8, false}, {0.1, 0.2});
    problem.expect("retries", {1}, kExact) = {1};
    problem.expect("status", {1}, kExact) = {0};
    problem.expect("alpha", {1}, {1e-5, 1e-5}) = {1e-6 * trace / 8};
    problem.expect("residual", {1}, {0, 0, 1e-5});
}

/// Conjugate gradients need no inverse: of all solutions they find the one in the space of the keys.
void prepare_equal_columns_for_gradients(Problem& problem)
{
    std::vector<float>& k = problem.normal("k", {1, 60, 8});
    for (size_t t = 0; t < 60; ++t) k[8 * t + 1] = k[8 * t];
    problem.normal("v", {1, 60, 2});
    expect_solution_only(problem, {1e-4, false}, {1e-4, 5e-4}); // which tends to it
    problem.expect("status", {1}, kExact) = {0};
}

/// Nothing observed, or keys whose squares vanish in fp32: x = 0 and status no data (1).
void prepare_no_data(Problem& problem, double scale)
{
    problem.normal("k", {2, 12, 5}, scale);
    problem.normal("v", {2, 12, 3});
    problem.expect("x", {2, 5, 3}, kExact);
    problem.expect("status", {2}, kExact) = {1, 1};
    problem.expect("residual", {2}, kExact);
}

/// Not positive along the first direction: conjugate gradients have no retry; zeros and status failed (2).
void prepare_indefinite(Problem& problem)
{
    std::vector<float>& a = problem.input("a", {2, 20, 20});
    for (size_t i = 0; i < 20; ++i) a[i * 20 + i] = a[400 + i * 20 + i] = 1;
    a[7 * 20 + 8] = a[8 * 20 + 7] = 2; // eigenvalues 3 and -1
    std::vector<float>& rhs = problem.normal("rhs", {2, 20, 2});
    for (size_t i = 0; i < 20; ++i) rhs[2 * i] = i == 7 ? 1.0F : i == 8 ? -1.0F : 0.0F;
    std::vector<double>& x = problem.expect("x", {2, 20, 2}, {1e-5, 1e-5});
    for (size_t i = 0; i < 40; ++i) x[40 + i] = rhs[40 + i];
    problem.expect("status", {2}, kExact) = {2, 0};
}

void prepare_compat(Problem& problem, uint32_t iterations, bool starts_at_zero)
{
    constexpr uint32_t kUnknowns = 33;
    problem.normal("k", {2, 50, kUnknowns}, 0.2);
    problem.normal("v", {2, 50, 3});
    const std::vector<double> k = problem.doubles("k");
    const std::vector<double> v = problem.doubles("v");
    std::vector<double>& x = problem.expect("x", {2, kUnknowns, 3}, {2e-5, 1e-4});
    for (size_t b = 0; b < 2; ++b) {
        std::vector<double> a(kUnknowns * kUnknowns);
        std::vector<double> rhs(3 * kUnknowns);
        for (size_t t = b * 50; t < (b + 1) * 50; ++t) {
            for (size_t i = 0; i < kUnknowns; ++i) {
                for (size_t j = 0; j < kUnknowns; ++j)
                    a[i * kUnknowns + j] += k[t * kUnknowns + i] * k[t * kUnknowns + j];
                for (size_t c = 0; c < 3; ++c) rhs[c * kUnknowns + i] += k[t * kUnknowns + i] * v[t * 3 + c];
            }
        }
        for (size_t c = 0; c < 3; ++c) {
            std::vector<double> column(kUnknowns);
            twin::conjugate_gradients<double>(a.data(), nullptr, 0.5, &rhs[c * kUnknowns], column.data(), kUnknowns,
                                              {iterations, true, starts_at_zero});
            for (size_t i = 0; i < kUnknowns; ++i) x[(b * kUnknowns + i) * 3 + c] = column[i];
        }
    }
}

void add_hazards(std::vector<Case>& cases)
{
    const Json none{{"solver", "qr"}, {"alpha", 0}};
    cases.push_back({"ridge_solve.qr_equal_columns_n60_p8_k2.f32", "ridge_solve", none, prepare_equal_columns});
    cases.push_back({"ridge_solve.cg_equal_columns_n60_p8_k2.f32", "ridge_solve", Json{{"solver", "cg"}, {"alpha", 0}},
                     prepare_equal_columns_for_gradients});
    for (const char* name : {"cholesky", "cg", "cg_compat", "qr", "rls"}) {
        Json attributes{{"solver", name}};
        if (attributes["solver"] == "rls") attributes["alpha"] = 0.5;
        cases.push_back({fmt::format("ridge_solve.{}_zero_keys_n12_p5_k3_b2.f32", name), "ridge_solve", attributes,
                         [](Problem& problem) { prepare_no_data(problem, 0); }});
        cases.push_back({fmt::format("ridge_solve.{}_vanishing_keys_n12_p5_k3_b2.f32", name), "ridge_solve", attributes,
                         [](Problem& problem) { prepare_no_data(problem, 1e-25); }});
    }
    cases.push_back({"ridge_solve.cg_indefinite_p20_k2_b2.f32", "ridge_solve", Json{{"solver", "cg"}, {"alpha", 0}},
                     prepare_indefinite});
    for (const bool starts_at_zero : {true, false}) {
        for (const uint32_t iterations : {1U, 5U}) {
            const char* start = starts_at_zero ? "zero" : "jacobi";
            cases.push_back(
                {fmt::format("ridge_solve.cg_compat_{}_i{}_n50_p33_k3_b2.f32", start, iterations), "ridge_solve",
                 Json{{"solver", "cg_compat"}, {"cg_start", start}, {"iterations", iterations}, {"alpha", 0.5}},
                 [=](Problem& problem) { prepare_compat(problem, iterations, starts_at_zero); }});
        }
    }
}

} // namespace

void add_ridge_solve_solver_cases(std::vector<Case>& cases)
{
    for (const SolverRow& row : rows()) {
        cases.push_back({fmt::format("ridge_solve.{}.f32", row.name), "ridge_solve", row.attributes,
                         [&row](Problem& problem) { prepare(problem, row); }, row.is_quick});
    }
    add_hazards(cases);
}

} // namespace gramian
