// The equation of `state_read` in plain loops.
#pragma once

#include "ops/activation.hpp"

namespace gramian::twin {

template <class Real>
Real bounded_denominator(Real value, Real minimum)
{
    return std::abs(value) < minimum ? (value < 0 ? -minimum : minimum) : value;
}

/// One row and head.  q: [D]; s: [D, E]; z: [D] or null; y: [E].
template <class Real>
void state_read(const Real* q, const Real* s, const Real* z, Real* y, uint32_t width, uint32_t columns, Feature f,
                Real scale, Real epsilon, Real denominator_min)
{
    Real denominator = 1;
    if (z) {
        Real sum = 0;
        for (uint32_t i = 0; i < width; ++i) sum += feature(f, q[i]) * z[i];
        denominator = bounded_denominator(scale * sum + epsilon, denominator_min);
    }
    for (uint32_t j = 0; j < columns; ++j) {
        Real sum = 0;
        for (uint32_t i = 0; i < width; ++i) sum += feature(f, q[i]) * s[i * columns + j];
        y[j] = scale * sum / denominator;
    }
}

} // namespace gramian::twin
