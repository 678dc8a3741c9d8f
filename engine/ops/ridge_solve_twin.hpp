// `ridge_solve` in plain loops: textbook Cholesky, row by row.
#pragma once

#include "ops/ridge_solve.hpp"

#include <cmath>
#include <limits>
#include <vector>

namespace gramian::twin {

template <class Real>
struct SolveReport {
    Real min_pivot = 0;
    Real alpha = 0;
    Real retries = 0;
    Real residual = 0;
    SolveStatus status = SolveStatus::solved;
};

/// l l^T = a + diag(ridge) + alpha I; false if a pivot fails. `threshold` times its diagonal entry is too small a
/// pivot.
template <class Real>
bool factorize(const Real* a, const Real* ridge, Real alpha, uint32_t n, std::vector<Real>& l, Real& min_pivot)
{
    const Real threshold = Real(4) / Real(1 << 24); // of fp32: the reference follows the rule, not its own precision
    l.assign(size_t{n} * n, Real(0));
    min_pivot = std::numeric_limits<Real>::max();
    for (uint32_t i = 0; i < n; ++i) {
        for (uint32_t j = 0; j <= i; ++j) {
            const Real diagonal = a[i * n + i] + (ridge ? ridge[i] : Real(0)) + alpha;
            Real sum = i == j ? diagonal : a[i * n + j];
            for (uint32_t k = 0; k < j; ++k) sum -= l[i * n + k] * l[j * n + k];
            if (i != j) {
                l[i * n + j] = sum / l[j * n + j];
                continue;
            }
            min_pivot = std::min(min_pivot, sum);
            if (!(sum > threshold * diagonal) || !std::isfinite(sum)) return false;
            l[i * n + i] = std::sqrt(sum);
        }
    }
    return true;
}

/// x = (l l^T)^-1 rhs by forward and back substitution.  rhs, x: [n, columns].
template <class Real>
void substitute(const std::vector<Real>& l, const Real* rhs, Real* x, uint32_t n, uint32_t columns)
{
    for (uint32_t c = 0; c < columns; ++c) {
        for (uint32_t i = 0; i < n; ++i) {
            Real sum = rhs[i * columns + c];
            for (uint32_t k = 0; k < i; ++k) sum -= l[i * n + k] * x[k * columns + c];
            x[i * columns + c] = sum / l[i * n + i];
        }
        for (uint32_t i = n; i-- > 0;) {
            Real sum = x[i * columns + c];
            for (uint32_t k = i + 1; k < n; ++k) sum -= l[k * n + i] * x[k * columns + c];
            x[i * columns + c] = sum / l[i * n + i];
        }
    }
}

template <class Real>
Real relative_residual(const Real* a, const Real* ridge, Real alpha, const Real* rhs, const Real* x, uint32_t n,
                       uint32_t columns)
{
    Real error = 0;
    Real size = 0;
    for (uint32_t i = 0; i < n; ++i) {
        for (uint32_t c = 0; c < columns; ++c) {
            Real left = rhs[i * columns + c] - ((ridge ? ridge[i] : Real(0)) + alpha) * x[i * columns + c];
            for (uint32_t j = 0; j < n; ++j) left -= a[i * n + j] * x[j * columns + c];
            error += left * left;
            size += rhs[i * columns + c] * rhs[i * columns + c];
        }
    }
    return size > 0 ? std::sqrt(error / size) : Real(0);
}

/// One problem.  a: [n, n]; ridge: [n] or null; rhs, x: [n, columns].
template <class Real>
SolveReport<Real> ridge_solve(const Real* a, const Real* ridge, const Real* rhs, Real* x, uint32_t n, uint32_t columns,
                              Real alpha, bool is_relative)
{
    SolveReport<Real> report;
    std::fill(x, x + size_t{n} * columns, Real(0));
    Real trace = 0;
    for (uint32_t i = 0; i < n; ++i) trace += a[i * n + i];
    report.alpha = is_relative ? alpha * (trace / Real(n)) : alpha;
    if (trace == 0) {
        report.status = SolveStatus::no_data;
        return report;
    }
    std::vector<Real> l;
    bool good = factorize(a, ridge, report.alpha, n, l, report.min_pivot);
    for (uint32_t retry = 0; retry < kMaxSolveRetries && !good; ++retry) {
        report.alpha = std::max(10 * report.alpha, Real(1e-6) * (trace / Real(n)));
        report.retries += 1;
        good = factorize(a, ridge, report.alpha, n, l, report.min_pivot);
    }
    if (!good) {
        report.status = SolveStatus::failed;
        return report;
    }
    substitute(l, rhs, x, n, columns);
    report.residual = relative_residual(a, ridge, report.alpha, rhs, x, n, columns);
    return report;
}

} // namespace gramian::twin
