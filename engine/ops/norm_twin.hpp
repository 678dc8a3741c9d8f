// The equations of `norm` in plain loops.
#pragma once

#include "ops/norm.hpp"

#include <algorithm>
#include <cmath>

namespace gramian::twin {

/// One block of `width` channels; weight and bias: of this block, or null.
template <class Real>
void norm(Norm kind, const Real* x, const Real* weight, const Real* bias, Real* y, uint32_t width, Real epsilon)
{
    Real mean = 0;
    if (kind == Norm::layer) {
        for (uint32_t i = 0; i < width; ++i) mean += x[i];
        mean /= Real(width);
        Real rest = 0; // what rounding left out of the sum: matters in floats, where the mean is far from 0
        for (uint32_t i = 0; i < width; ++i) rest += x[i] - mean;
        mean += rest / Real(width);
    }
    Real squares = 0;
    for (uint32_t i = 0; i < width; ++i) squares += (x[i] - mean) * (x[i] - mean);
    const Real divisor =
        kind == Norm::l2 ? std::max(std::sqrt(squares), epsilon) : std::sqrt(squares / Real(width) + epsilon);
    for (uint32_t i = 0; i < width; ++i) {
        y[i] = (x[i] - mean) / divisor * (weight ? weight[i] : Real(1)) + (bias ? bias[i] : Real(0));
    }
}

} // namespace gramian::twin
