// The equations of `sigma_intention` in plain loops.
#pragma once

#include "ops/ridge_solve_twin.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

namespace gramian::twin {

/// p_i = softmax_i(scale x . k_i) over the first n keys.  key(i): [width].
template <class Real, class Key>
std::vector<Real> softmax_scores(const Real* x, Key key, uint32_t n, uint32_t width, Real scale)
{
    std::vector<Real> p(n);
    Real largest = -std::numeric_limits<Real>::infinity();
    for (uint32_t i = 0; i < n; ++i) {
        for (uint32_t d = 0; d < width; ++d) p[i] += x[d] * key(i)[d];
        p[i] *= scale;
        largest = std::max(largest, p[i]);
    }
    Real sum = 0;
    for (Real& value : p) {
        value = std::exp(value - largest);
        sum += value;
    }
    for (Real& value : p) value /= sum;
    return p;
}

/// a z = b by elimination with partial pivoting; gives the smallest pivot.  a: [n, n]; b becomes z.
template <class Real>
Real eliminate(std::vector<Real> a, std::vector<Real>& b)
{
    const size_t n = b.size();
    Real least = std::numeric_limits<Real>::max();
    for (size_t k = 0; k < n; ++k) {
        size_t pivot = k;
        for (size_t i = k + 1; i < n; ++i) {
            if (std::abs(a[i * n + k]) > std::abs(a[pivot * n + k])) pivot = i;
        }
        for (size_t j = 0; j < n; ++j) std::swap(a[k * n + j], a[pivot * n + j]);
        std::swap(b[k], b[pivot]);
        least = std::min(least, std::abs(a[k * n + k]));
        for (size_t i = k + 1; i < n; ++i) {
            const Real factor = a[i * n + k] / a[k * n + k];
            for (size_t j = k; j < n; ++j) a[i * n + j] -= factor * a[k * n + j];
            b[i] -= factor * b[k];
        }
    }
    for (size_t k = n; k-- > 0;) {
        for (size_t j = k + 1; j < n; ++j) b[k] -= a[k * n + j] * b[j];
        b[k] /= a[k * n + k];
    }
    return least;
}

/// y = p^T (M + alpha I)^-1 V over the first n keys.  key(i): [width]; value(i): [columns]; q: [width]; y: [columns].
template <class Real, class Key, class Value>
SolveReport<Real> kernel_intention(const Real* q, Key key, Value value, uint32_t n, uint32_t width, uint32_t columns,
                                   Real scale, Real alpha, bool is_relative, Real* y)
{
    std::vector<Real> transposed(size_t{n} * n);
    Real mean = 0;
    for (uint32_t j = 0; j < n; ++j) {
        const std::vector<Real> row = softmax_scores(key(j), key, n, width, scale);
        for (uint32_t i = 0; i < n; ++i) transposed[size_t{i} * n + j] = row[i];
        mean += row[j] / Real(n);
    }
    SolveReport<Real> report;
    report.alpha = is_relative ? alpha * mean : alpha;
    for (uint32_t i = 0; i < n; ++i) transposed[size_t{i} * n + i] += report.alpha;
    std::vector<Real> z = softmax_scores(q, key, n, width, scale);
    report.min_pivot = eliminate(std::move(transposed), z);
    const bool good = report.min_pivot > Real(4) / Real(1 << 24) * (mean + report.alpha) &&
                      std::all_of(z.begin(), z.end(), [](Real value_of) { return std::isfinite(value_of); });
    report.status = good ? SolveStatus::solved : SolveStatus::failed;
    std::fill(y, y + columns, Real(0));
    if (!good) return report;
    Real sum = 0;
    for (uint32_t i = 0; i < n; ++i) {
        sum += z[i];
        for (uint32_t c = 0; c < columns; ++c) y[c] += z[i] * value(i)[c];
    }
    report.residual = std::abs(1 - (1 + report.alpha) * sum);
    return report;
}

} // namespace gramian::twin
