// Cases of `cholesky`, `triangular_solve`, `cholesky_update` and `qr_update`. The references of the updates form the
// sums of products and factor those, in float64: nothing of the kernels' reflections.
#include "ops/cases.hpp"
#include "ops/ridge_solve_twin.hpp"
#include "ops/triangular_solve_twin.hpp"

#include <cmath>

namespace gramian {
namespace {

constexpr uint32_t kSizes[] = {1, 15, 16, 17, 31, 32, 33, 64, 127, 129, 512, 513};

uint32_t batch_of(uint32_t unknowns)
{
    return unknowns < 64 ? 3 : 1;
}

/// Rounding of a sum of n terms grows with sqrt(n); the triangles below have condition numbers of some tens.
Tolerance tolerance_of(uint32_t unknowns)
{
    const double rms = std::max(2e-6, 5e-7 * std::sqrt(unknowns));
    return {rms, 5 * rms};
}

/// A triangle with diagonal entries between 1 and 2 and rows of length near 1 beside them.
std::vector<float>& draw_triangle(Problem& problem, const char* name, uint32_t batch, uint32_t n, bool is_lower)
{
    std::vector<float>& a = problem.input(name, {batch, n, n});
    for (uint32_t b = 0; b < batch; ++b) {
        for (uint32_t i = 0; i < n; ++i) {
            for (uint32_t j = 0; j <= i; ++j) {
                const double entry =
                    i == j ? problem.random().uniform(1, 2) : 0.5 * problem.random().normal() / std::sqrt(n);
                a[(size_t{b} * n + (is_lower ? i : j)) * n + (is_lower ? j : i)] = static_cast<float>(entry);
            }
        }
    }
    return a;
}

/// L L^T of such a triangle, rounded.
void prepare_cholesky(Problem& problem, uint32_t n, bool is_lower)
{
    const uint32_t batch = batch_of(n);
    std::vector<float>& a = problem.input("a", {batch, n, n});
    std::vector<double>& l = problem.expect("l", {batch, n, n}, tolerance_of(n));
    std::vector<double>& pivots = problem.expect("min_pivot", {batch}, tolerance_of(n));
    for (uint32_t b = 0; b < batch; ++b) {
        std::vector<double> root(size_t{n} * n);
        for (uint32_t i = 0; i < n; ++i) {
            for (uint32_t j = 0; j <= i; ++j) {
                root[size_t{i} * n + j] =
                    i == j ? problem.random().uniform(1, 2) : 0.5 * problem.random().normal() / std::sqrt(n);
            }
        }
        std::vector<double> rounded(size_t{n} * n);
        for (uint32_t i = 0; i < n; ++i) {
            for (uint32_t j = 0; j <= i; ++j) {
                double sum = 0;
                for (uint32_t k = 0; k <= j; ++k) sum += root[size_t{i} * n + k] * root[size_t{j} * n + k];
                rounded[size_t{i} * n + j] = rounded[size_t{j} * n + i] = static_cast<float>(sum);
            }
        }
        std::vector<double> factor;
        twin::factorize<double>(rounded.data(), nullptr, 0, n, factor, pivots[b]);
        for (size_t i = 0; i < n; ++i) {
            for (size_t j = 0; j < n; ++j) {
                a[(b * n + i) * n + j] = static_cast<float>(rounded[i * n + j]);
                l[(b * n + i) * n + j] = is_lower ? factor[i * n + j] : factor[j * n + i];
            }
        }
    }
    problem.expect("status", {batch}, kExact);
}

void prepare_triangular(Problem& problem, uint32_t n, uint32_t columns, bool is_lower, bool is_transposed)
{
    const uint32_t batch = batch_of(n);
    draw_triangle(problem, "a", batch, n, is_lower);
    problem.normal("rhs", {batch, n, columns});
    const std::vector<double> a = problem.doubles("a");
    const std::vector<double> rhs = problem.doubles("rhs");
    std::vector<double>& x = problem.expect("x", {batch, n, columns}, tolerance_of(n));
    for (size_t b = 0; b < batch; ++b) {
        twin::triangular_solve<double>(&a[b * n * n], is_lower, is_transposed, &rhs[b * n * columns],
                                       &x[b * n * columns], n, columns);
    }
    problem.expect("status", {batch}, kExact);
}

/// A problem whose triangle has no inverse gives zeros and status failed (2); its neighbour is solved.
void prepare_singular_triangle(Problem& problem)
{
    constexpr uint32_t kUnknowns = 33;
    std::vector<float>& a = draw_triangle(problem, "a", 2, kUnknowns, true);
    a[size_t{20} * kUnknowns + 20] = 0;
    problem.normal("rhs", {2, kUnknowns, 2});
    const std::vector<double> matrix = problem.doubles("a");
    const std::vector<double> rhs = problem.doubles("rhs");
    std::vector<double>& x = problem.expect("x", {2, kUnknowns, 2}, tolerance_of(kUnknowns));
    twin::triangular_solve<double>(&matrix[kUnknowns * kUnknowns], true, false, &rhs[kUnknowns * 2], &x[kUnknowns * 2],
                                   kUnknowns, 2);
    problem.expect("status", {2}, kExact) = {2, 0};
}

/// Not positive definite: zeros and status failed (2), no data (1) where all is 0.
void prepare_indefinite(Problem& problem)
{
    constexpr uint32_t kUnknowns = 40;
    std::vector<float>& a = problem.input("a", {3, kUnknowns, kUnknowns});
    std::vector<double>& l = problem.expect("l", {3, kUnknowns, kUnknowns}, tolerance_of(kUnknowns));
    for (uint32_t i = 0; i < kUnknowns; ++i) {
        a[size_t{i} * kUnknowns + i] = i == 35 ? -1.0F : 4.0F;
        a[(size_t{2} * kUnknowns + i) * kUnknowns + i] = 4;
        l[(size_t{2} * kUnknowns + i) * kUnknowns + i] = 2;
    }
    problem.expect("status", {3}, kExact) = {2, 1, 0};
}

struct UpdateRow {
    const char* name;
    uint32_t batch;
    uint32_t unknowns;
    uint32_t rows;
    uint32_t columns; // 0: no right-hand side
    double forget = 1;
    double scale = 1; // of everything
    bool is_quick = true;
};

constexpr UpdateRow kUpdates[] = {
    {"p1_r1_k1", 2, 1, 1, 1},
    {"p15_r1_k2", 2, 15, 1, 2},
    {"p16_r7_k2", 2, 16, 7, 2, 0.9},
    {"p17_r8_k0", 2, 17, 8, 0, 0.99},
    {"p33_r9_k3", 2, 33, 9, 3}, // one row more than is staged
    {"p64_r100_k64", 1, 64, 100, 64, 0.5},
    {"p65_r70_k2_forget0", 1, 65, 70, 2, 0},           // nothing is kept: more rows than unknowns make the factor
    {"p33_r9_k3_scale1e-20", 1, 33, 9, 3, 0.9, 1e-20}, // squares would vanish
    {"p33_r9_k3_scale1e15", 1, 33, 9, 3, 0.9, 1e15},
    {"p127_r300_k1", 1, 127, 300, 1, 1, 1, false},
    {"p129_r5_k256", 1, 129, 5, 256, 1, 1, false},
    {"p512_r9_k1", 1, 512, 9, 1, 1, 1, false},
    {"p513_r3_k2", 1, 513, 3, 2, 1, 1, false},
    {"p1024_r5_k256", 1, 1024, 5, 256, 1, 1, false}, // the largest
};

/// The sums that the updated factor belongs to, [n, n + columns]: forget a^T [a, rhs] + x^T [x, y].
std::vector<double> sums_of(const UpdateRow& row, const double* a, const double* rhs, const double* x, const double* y)
{
    const size_t n = row.unknowns;
    const size_t width = n + row.columns;
    std::vector<double> sums(n * width);
    const auto add = [&](const double* left, const double* right, size_t count, double factor) {
        for (size_t t = 0; t < count; ++t) {
            for (size_t i = 0; i < n; ++i) {
                const double scaled = factor * left[t * n + i];
                if (scaled == 0) continue;
                for (size_t j = 0; j < n; ++j) sums[i * width + j] += scaled * left[t * n + j];
                for (size_t c = 0; c < row.columns; ++c) sums[i * width + n + c] += scaled * right[t * row.columns + c];
            }
        }
    };
    add(a, rhs, n, double{static_cast<float>(row.forget)});
    add(x, y, row.rows, 1);
    return sums;
}

void prepare_update(Problem& problem, const UpdateRow& row, bool is_lower)
{
    const uint32_t n = row.unknowns;
    const uint32_t columns = row.columns;
    std::vector<float>& a = draw_triangle(problem, "a", row.batch, n, false);
    for (float& entry : a) entry *= static_cast<float>(row.scale);
    problem.normal("x", {row.batch, row.rows, n}, row.scale);
    if (columns > 0) {
        problem.normal("rhs", {row.batch, n, columns});
        problem.normal("y", {row.batch, row.rows, columns});
    }
    const std::vector<double> factors = problem.doubles("a");
    const std::vector<double> x = problem.doubles("x");
    const std::vector<double> rhs = columns > 0 ? problem.doubles("rhs") : std::vector<double>();
    const std::vector<double> y = columns > 0 ? problem.doubles("y") : std::vector<double>();
    std::vector<double>& r = problem.expect(is_lower ? "l" : "r", {row.batch, n, n}, {2e-5, 1e-4});
    std::vector<double> z(size_t{row.batch} * n * columns);
    for (size_t b = 0; b < row.batch; ++b) {
        const std::vector<double> sums = sums_of(row, &factors[b * n * n], rhs.data() + b * n * columns,
                                                 &x[b * row.rows * n], y.data() + b * row.rows * columns);
        std::vector<double> gram(size_t{n} * n);
        for (size_t i = 0; i < n; ++i) std::copy_n(&sums[i * (n + columns)], n, &gram[i * n]);
        std::vector<double> l;
        double pivot = 0;
        twin::factorize<double>(gram.data(), nullptr, 0, n, l, pivot);
        for (size_t i = 0; i < n; ++i) {
            for (size_t j = 0; j < n; ++j) r[(b * n + i) * n + j] = is_lower ? l[i * n + j] : l[j * n + i];
            for (size_t c = 0; c < columns; ++c) z[(b * n + i) * columns + c] = sums[i * (n + columns) + n + c];
        }
        twin::triangular_solve<double>(l.data(), true, false, z.data() + b * n * columns, z.data() + b * n * columns, n,
                                       columns);
    }
    if (is_lower) {
        for (size_t b = 0; b < row.batch; ++b) { // the operator takes the lower factor
            for (size_t i = 0; i < n; ++i) {
                for (size_t j = 0; j < i; ++j) std::swap(a[(b * n + i) * n + j], a[(b * n + j) * n + i]);
            }
        }
    } else if (columns > 0) {
        problem.expect("z", {row.batch, n, columns}, {2e-5, 1e-4}) = std::move(z);
    }
}

} // namespace

void add_factor_cases(std::vector<Case>& cases)
{
    for (const uint32_t n : kSizes) {
        const bool is_quick = n < 500;
        for (const bool is_lower : {true, false}) {
            const char* triangle = is_lower ? "lower" : "upper";
            cases.push_back({fmt::format("cholesky.{}_p{}.f32", triangle, n), "cholesky", Json{{"lower", is_lower}},
                             [=](Problem& problem) { prepare_cholesky(problem, n, is_lower); }, is_quick});
            for (const bool is_transposed : {true, false}) {
                cases.push_back(
                    {fmt::format("triangular_solve.{}{}_p{}_k3.f32", triangle, is_transposed ? "_transposed" : "", n),
                     "triangular_solve", Json{{"lower", is_lower}, {"transpose", is_transposed}},
                     [=](Problem& problem) { prepare_triangular(problem, n, 3, is_lower, is_transposed); }, is_quick});
            }
        }
    }
    cases.push_back({"cholesky.indefinite_p40_b3.f32", "cholesky", Json::object(), prepare_indefinite});
    cases.push_back(
        {"triangular_solve.singular_p33_k2_b2.f32", "triangular_solve", Json::object(), prepare_singular_triangle});
    cases.push_back({"triangular_solve.p1024_k256.f32", "triangular_solve", Json::object(),
                     [](Problem& problem) { prepare_triangular(problem, 1024, 256, true, false); }, false});
    for (const UpdateRow& row : kUpdates) {
        const Json attributes{{"forget", row.forget}};
        cases.push_back({fmt::format("qr_update.{}.f32", row.name), "qr_update", attributes,
                         [&row](Problem& problem) { prepare_update(problem, row, false); }, row.is_quick});
        if (row.columns > 3) continue; // as wide as others without a right-hand side
        static constexpr auto without = [](UpdateRow whole) {
            whole.columns = 0;
            return whole;
        };
        cases.push_back({fmt::format("cholesky_update.{}.f32", row.name), "cholesky_update", attributes,
                         [&row](Problem& problem) { prepare_update(problem, without(row), true); }, row.is_quick});
    }
}

} // namespace gramian
