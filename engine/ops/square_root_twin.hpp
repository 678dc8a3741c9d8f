// The rotations of `square_root` in plain loops.
#pragma once

#include "ops/ridge_solve_twin.hpp"

namespace gramian::twin {

/// [R z] of one head, [n, span], span = n + columns: R^T R = G, R^T z = S.
template <class Real>
struct Root {
    Real* rows;
    uint32_t n;
    uint32_t span;

    [[nodiscard]] Real& at(uint32_t i, uint32_t j) const { return rows[size_t{i} * span + j]; }
};

/// Scales the factor and rotates a row [key value] into it, which becomes what is left over.
template <class Real>
void rotate_in(const Root<Real>& root, std::vector<Real>& row, uint32_t from, Real scale)
{
    for (uint32_t i = from; i < root.n; ++i) {
        const Real a = scale * root.at(i, i);
        const Real b = row[i];
        const Real length = std::hypot(a, b);
        const Real c = length > 0 ? a / length : Real(1);
        const Real s = length > 0 ? b / length : Real(0);
        for (uint32_t j = i; j < root.span; ++j) {
            const Real old = scale * root.at(i, j);
            root.at(i, j) = c * old + s * row[j];
            row[j] = c * row[j] - s * old;
        }
        root.at(i, i) = length;
        row[i] = 0;
    }
}

/// R and z of sums g: [n, n] and s: [n, columns], by Cholesky; a direction that g does not have stays 0.
template <class Real>
void root_of_sums(const Root<Real>& root, const Real* g, const Real* s)
{
    const uint32_t columns = root.span - root.n;
    const Real bound = Real(4) / Real(1 << 24);
    for (uint32_t i = 0; i < root.n; ++i) {
        for (uint32_t j = 0; j < root.span; ++j) {
            Real sum = j < root.n ? g[size_t{i} * root.n + j] : s[size_t{i} * columns + j - root.n];
            for (uint32_t k = 0; k < i; ++k) sum -= root.at(k, i) * root.at(k, j);
            root.at(i, j) = j < i ? Real(0) : sum;
        }
        const bool is_there = root.at(i, i) > bound * g[size_t{i} * root.n + i];
        const Real pivot = std::sqrt(is_there ? root.at(i, i) : Real(1));
        for (uint32_t j = i; j < root.span; ++j) root.at(i, j) = is_there ? root.at(i, j) / pivot : Real(0);
    }
}

/// The factor with the ridge, and how that went.
template <class Real>
struct SettledRoot {
    std::vector<Real> rows;
    SolveReport<Real> report;
    bool has_answer = false;
};

template <class Real>
bool has_pivots(const Root<Real>& root, Real& min_pivot)
{
    const Real bound = Real(4) / Real(1 << 24);
    bool good = true;
    min_pivot = std::numeric_limits<Real>::max();
    for (uint32_t j = 0; j < root.n; ++j) {
        Real sum = 0;
        for (uint32_t i = 0; i <= j; ++i) sum += root.at(i, j) * root.at(i, j);
        const Real d = root.at(j, j);
        min_pivot = std::min(min_pivot, d * d);
        good = good && d > bound * std::sqrt(sum) && std::isfinite(d);
    }
    return good;
}

template <class Real>
SettledRoot<Real> settle_root(const Root<Real>& root, const Real* ridge, Real alpha, bool is_relative,
                              uint32_t max_retries)
{
    Real trace = 0;
    for (uint32_t j = 0; j < root.n; ++j) {
        for (uint32_t i = 0; i <= j; ++i) trace += root.at(i, j) * root.at(i, j);
    }
    const bool has_data = !(trace < std::numeric_limits<float>::min());
    SettledRoot<Real> settled;
    SolveReport<Real>& report = settled.report;
    report.alpha = is_relative ? alpha * (trace / Real(root.n)) : alpha;
    for (bool going = true; going;) {
        settled.rows.assign(root.rows, root.rows + size_t{root.n} * root.span);
        const Root<Real> copy{settled.rows.data(), root.n, root.span};
        for (uint32_t m = 0; m < root.n; ++m) {
            std::vector<Real> row(root.span);
            row[m] = std::sqrt(report.alpha + (ridge ? ridge[m] : Real(0)));
            if (row[m] > 0) rotate_in(copy, row, m, Real(1));
        }
        settled.has_answer = has_pivots(copy, report.min_pivot);
        going = !settled.has_answer && has_data && report.retries < Real(max_retries);
        if (!going) break;
        report.alpha = std::max(10 * report.alpha, Real(1e-6) * (trace / Real(root.n)));
        report.retries += 1;
    }
    report.status = !has_data ? SolveStatus::no_data : settled.has_answer ? SolveStatus::solved : SolveStatus::failed;
    return settled;
}

/// R'^T u = q, y = z'^T u; gives u . u, and in `residual` |q - R'^T u| / |q|.
template <class Real>
Real answer_root(SettledRoot<Real>& settled, uint32_t n, uint32_t columns, const Real* q, Real* y, Real& residual)
{
    residual = 0;
    std::fill(y, y + columns, Real(0));
    if (!settled.has_answer) return std::numeric_limits<Real>::infinity();
    const Root<Real> root{settled.rows.data(), n, n + columns};
    std::vector<Real> u(q, q + n);
    Real variance = 0;
    for (uint32_t i = 0; i < n; ++i) {
        u[i] /= root.at(i, i);
        variance += u[i] * u[i];
        for (uint32_t j = i + 1; j < n; ++j) u[j] -= u[i] * root.at(i, j);
        for (uint32_t c = 0; c < columns; ++c) y[c] += u[i] * root.at(i, n + c);
    }
    Real error = 0;
    Real size = 0;
    for (uint32_t j = 0; j < n; ++j) {
        Real left = q[j];
        for (uint32_t i = 0; i <= j; ++i) left -= root.at(i, j) * u[i];
        error += left * left;
        size += q[j] * q[j];
    }
    if (size > 0) residual = std::sqrt(error / size);
    return variance;
}

} // namespace gramian::twin
