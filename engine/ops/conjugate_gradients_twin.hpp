// `conjugate_gradients` in plain loops, one right-hand side.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace gramian::twin {

struct GradientOptions {
    uint32_t iterations = 30;
    bool is_compat = false;
    bool starts_at_zero = true;
    double converged = 1e-14; // of the square of the preconditioned residual, which ends the rounds
};

/// (a + diag(ridge) + alpha I) x = b.  a: [n, n]; ridge: [n] or null; false if the matrix is not positive along a
/// direction, or a number is not finite.
template <class Real>
bool conjugate_gradients(const Real* a, const Real* ridge, Real alpha, const Real* b, Real* x, uint32_t n,
                         const GradientOptions& options)
{
    const auto diagonal = [&](uint32_t i) { return a[size_t{i} * n + i] + (ridge ? ridge[i] : Real(0)) + alpha; };
    const auto apply = [&](const std::vector<Real>& direction, uint32_t i) {
        Real sum = ((ridge ? ridge[i] : Real(0)) + alpha) * direction[i];
        for (uint32_t j = 0; j < n; ++j) sum += a[size_t{i} * n + j] * direction[j];
        return sum;
    };
    const Real guard = options.is_compat ? Real(1e-5) : Real(0);
    Real mean = 0; // the preconditioner is relative to it, so that floats stay in range as long as a does
    for (uint32_t i = 0; i < n; ++i) mean += diagonal(i) / Real(n);
    const auto precondition = [&](Real r, uint32_t i) { return options.is_compat ? r : r * (mean / diagonal(i)); };
    std::vector<Real> start(n, Real(0));
    if (options.is_compat && !options.starts_at_zero) {
        for (uint32_t i = 0; i < n; ++i) start[i] = b[i] / diagonal(i);
    }
    std::vector<Real> residual(n);
    for (uint32_t i = 0; i < n; ++i) residual[i] = b[i] - apply(start, i);
    std::copy(start.begin(), start.end(), x);
    std::vector<Real> direction(n);
    std::vector<Real> image(n);
    Real square = 0;
    for (uint32_t i = 0; i < n; ++i) {
        direction[i] = precondition(residual[i], i);
        square += direction[i] * residual[i];
    }
    const Real enough = options.is_compat ? Real(-1) : Real(options.converged) * square;
    for (uint32_t round = 0; round < options.iterations && square > enough; ++round) {
        Real curvature = 0;
        for (uint32_t i = 0; i < n; ++i) {
            image[i] = apply(direction, i);
            curvature += image[i] * direction[i];
        }
        if (!options.is_compat && !(curvature > 0 && std::isfinite(curvature))) return false;
        const Real stride = square / (curvature + guard);
        Real next = 0;
        for (uint32_t i = 0; i < n; ++i) {
            x[i] += stride * direction[i];
            residual[i] -= stride * image[i];
            next += precondition(residual[i], i) * residual[i];
        }
        const Real keep = next / (square + guard);
        for (uint32_t i = 0; i < n; ++i) direction[i] = keep * direction[i] + precondition(residual[i], i);
        square = next;
    }
    return std::isfinite(square);
}

} // namespace gramian::twin
