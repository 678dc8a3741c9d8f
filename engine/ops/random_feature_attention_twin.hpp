// The equations of `random_feature_attention` in plain loops.
#pragma once

#include "ops/feature_map_twin.hpp"
#include "ops/state_read_twin.hpp"

#include <limits>
#include <vector>

namespace gramian::twin {

/// One row and head: y_j = w_j.x' - |x'|^2 / 2 with x' = D^-1/4 x; returns the largest w_j.x'.  x: [D]; w: [M, D].
template <class Real, class Weight>
Real favor_logarithms(const Real* x, const Weight* w, Real* y, uint32_t width, uint32_t features)
{
    const Real root = std::sqrt(static_cast<Real>(width));
    const Real factor = 1 / std::sqrt(root);
    Real squares = 0;
    for (uint32_t i = 0; i < width; ++i) squares += x[i] * x[i];
    Real largest = -std::numeric_limits<Real>::infinity();
    for (uint32_t j = 0; j < features; ++j) {
        Real dot = 0;
        for (uint32_t i = 0; i < width; ++i) dot += w[j * width + i] * (x[i] * factor);
        largest = std::max(largest, dot);
        y[j] = dot - squares / root / 2;
    }
    return largest;
}

/// o = sum_s (phi_q.phi_k,s) v_s / (phi_q.sum_s phi_k,s) for one query.  phi_q: [F]; phi_k: [N, F]; v(s): [E]; o: [E].
template <class Real, class Value>
void kernel_average(const Real* phi_q, const std::vector<Real>& phi_k, Value v, Real* o, uint32_t keys,
                    uint32_t features, uint32_t columns, Real denominator_min)
{
    Real total = 0;
    std::fill(o, o + columns, Real(0));
    for (uint32_t s = 0; s < keys; ++s) {
        Real weight = 0;
        for (uint32_t j = 0; j < features; ++j) weight += phi_q[j] * phi_k[size_t{s} * features + j];
        total += weight;
        for (uint32_t j = 0; j < columns; ++j) o[j] += weight * v(s)[j];
    }
    const Real denominator = bounded_denominator(total, denominator_min);
    for (uint32_t j = 0; j < columns; ++j) o[j] /= denominator;
}

/// M^-1/2 exp(logarithm - stabilizer) + epsilon for rows of M logarithms.
template <class Real>
std::vector<Real> stabilized(const std::vector<Real>& logarithms, size_t count, uint32_t features, Real stabilizer,
                             Real epsilon)
{
    std::vector<Real> phi(count);
    for (size_t i = 0; i < count; ++i) {
        phi[i] = std::exp(logarithms[i] - stabilizer) / std::sqrt(static_cast<Real>(features)) + epsilon;
    }
    return phi;
}

} // namespace gramian::twin
