// Cases of `ridge_solve` whose outcome is defined although the matrix is bad: singular, indefinite, empty, not a
// number.
#include "ops/ridge_solve_cases.hpp"

#include <cmath>
#include <limits>

namespace gramian {
namespace {

/// One problem of a batch: fills a [n, n], which is the identity beforehand.
using Spoil = void (*)(float* a, uint32_t n);

void keep(float*, uint32_t) {}

void clear(float* a, uint32_t n)
{
    std::fill(a, a + size_t{n} * n, 0.0F);
}

void negate(float* a, uint32_t n)
{
    for (uint32_t i = 0; i < n; ++i) a[size_t{i} * n + i] = -1;
}

/// The last two unknowns become a pair [[1, c], [c, 1]] with eigenvalues 1 + c and 1 - c: the matrix is factored to
/// its end before the pivot that matters.
void couple(float* a, uint32_t n, float c)
{
    a[size_t{n - 1} * n + n - 2] = c;
    a[size_t{n - 2} * n + n - 1] = c;
}

/// Columns 2i and 2i + 1 are equal, in numbers that are exact in fp32: every second pivot is 0.
void duplicate(float* a, uint32_t n)
{
    for (uint32_t i = 0; i < n; ++i) {
        a[size_t{i} * n + i] = 4;
        if ((i ^ 1U) < n) a[size_t{i} * n + (i ^ 1U)] = 4;
    }
}

/// The diagonal falls from 1 to 1e-18: small against the others, but a pivot is judged by its own diagonal entry.
void fade(float* a, uint32_t n)
{
    for (uint32_t i = 0; i < n; ++i)
        a[size_t{i} * n + i] = std::pow(10.0F, -18.0F * static_cast<float>(i) / static_cast<float>(n - 1));
}

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

struct Hazard {
    const char* name;
    uint32_t unknowns;
    uint32_t columns;
    Ridge ridge;
    std::vector<Spoil> problems;
    bool is_quick = true;
};

const std::vector<Hazard>& hazards()
{
    const Spoil nan_diagonal = [](float* a, uint32_t n) { a[size_t{n / 2} * n + n / 2] = kNan; };
    const Spoil nan_beside = [](float* a, uint32_t n) { couple(a, n, kNan); };
    const Spoil infinite = [](float* a, uint32_t) { a[0] = std::numeric_limits<float>::infinity(); };
    // The pivot left of 1 - c^2 is 2^-19, above the bound of 2^-22, and 2^-23, below it.
    const Spoil pivot_kept = [](float* a, uint32_t n) { couple(a, n, 1.0F - 0x1p-20F); };
    const Spoil pivot_refused = [](float* a, uint32_t n) { couple(a, n, 1.0F - 0x1p-24F); };
    // The ridge goes 1e-6, 1e-5, 1e-4 …: the third mends an eigenvalue of -3e-5, the sixth one of -0.05.
    const Spoil third_mends = [](float* a, uint32_t n) { couple(a, n, 1.00003F); };
    const Spoil sixth_mends = [](float* a, uint32_t n) { couple(a, n, 1.05F); };
    const Spoil none_mends = [](float* a, uint32_t n) { couple(a, n, 300.0F); };
    const Ridge none{0, false};
    static const std::vector<Hazard> table{
        {"duplicate_columns_p2_k2", 2, 2, none, {duplicate}},
        {"duplicate_columns_p65_k2_b2", 65, 2, none, {duplicate, duplicate}},
        {"duplicate_columns_p129_k2_b2", 129, 2, none, {duplicate, keep}},
        {"no_data_p6_k2_b2", 6, 2, {}, {clear, clear}},
        {"no_data_p128_k1", 128, 1, {}, {clear}},
        {"no_data_alpha_p6_k2", 6, 2, {0.1, false}, {clear}},
        {"pivot_kept_p2_k2", 2, 2, none, {pivot_kept}},
        {"pivot_kept_p65_k2", 65, 2, none, {pivot_kept}},
        {"pivot_refused_p2_k2", 2, 2, none, {pivot_refused}},
        {"pivot_refused_p65_k2", 65, 2, none, {pivot_refused}},
        {"small_diagonal_p6_k2", 6, 2, none, {fade}},
        {"third_retry_p6_k2_b2", 6, 2, none, {third_mends, keep}},
        {"sixth_retry_p65_k2", 65, 2, none, {sixth_mends}},
        {"sixth_retry_p129_k2", 129, 2, none, {sixth_mends}},
        {"sixth_retry_p128_k256", 128, 256, none, {sixth_mends}}, // the most loop trips that a solve can take
        {"indefinite_p6_k2", 6, 2, {}, {none_mends}},
        {"negative_p6_k2", 6, 2, none, {negate}},
        {"nan_diagonal_p1_k1", 1, 1, {}, {nan_diagonal}},
        {"nan_diagonal_p65_k2", 65, 2, {}, {nan_diagonal}},
        {"nan_beside_p6_k2", 6, 2, {}, {nan_beside}},
        {"infinite_p6_k2", 6, 2, {}, {infinite}},
        {"mixed_p6_k2_b6", 6, 2, {}, {keep, clear, nan_beside, keep, none_mends, keep}},
        {"mixed_p129_k2_b6", 129, 2, {}, {keep, clear, nan_beside, keep, none_mends, negate}},
        {"mixed_p100_k3_b4", 100, 3, {}, {nan_diagonal, keep, clear, keep}, false},
    };
    return table;
}

void prepare(Problem& problem, const Hazard& hazard)
{
    const uint32_t n = hazard.unknowns;
    const auto batch = static_cast<uint32_t>(hazard.problems.size());
    std::vector<float>& a = problem.input("a", {batch, n, n});
    for (uint32_t b = 0; b < batch; ++b) {
        float* matrix = &a[size_t{b} * n * n];
        for (uint32_t i = 0; i < n; ++i) matrix[size_t{i} * n + i] = 1;
        hazard.problems[b](matrix, n);
    }
    problem.uniform("rhs", {batch, n, hazard.columns}, 0.5, 2);
    expect_ridge_solution(problem, hazard.ridge);
}

} // namespace

void add_ridge_solve_hazards(std::vector<Case>& cases)
{
    for (const Hazard& hazard : hazards()) {
        cases.push_back({fmt::format("ridge_solve.{}.f32", hazard.name), "ridge_solve", ridge_attributes(hazard.ridge),
                         [&hazard](Problem& problem) { prepare(problem, hazard); }, hazard.is_quick});
    }
}

} // namespace gramian
