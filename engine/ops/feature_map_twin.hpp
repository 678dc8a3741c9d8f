// The equations of `feature_map` in plain loops.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace gramian::twin {

/// One row and head.  x: [D]; w: [M, D]; y: [M].
template <class Real, class Weight>
void favor_features(const Real* x, const Weight* w, Real* y, uint32_t width, uint32_t features)
{
    const Real root = std::sqrt(static_cast<Real>(width));
    Real squares = 0;
    for (uint32_t i = 0; i < width; ++i) squares += x[i] * x[i];
    for (uint32_t m = 0; m < features; ++m) {
        Real dot = 0;
        for (uint32_t i = 0; i < width; ++i) dot += w[m * width + i] * x[i];
        y[m] = std::exp(dot / std::sqrt(root) - squares / root / 2) / std::sqrt(static_cast<Real>(features));
    }
}

/// One row and head.  x: [D]; w: [M, D]; y: [2M].
template <class Real, class Weight>
void rfa_features(const Real* x, const Weight* w, Real* y, uint32_t width, uint32_t features)
{
    Real squares = 0;
    for (uint32_t i = 0; i < width; ++i) squares += x[i] * x[i];
    const Real size = std::max(std::sqrt(squares), Real(1e-12));
    for (uint32_t m = 0; m < features; ++m) {
        Real dot = 0;
        for (uint32_t i = 0; i < width; ++i) dot += w[m * width + i] * (x[i] / size);
        y[m] = std::sin(dot) / std::sqrt(static_cast<Real>(features));
        y[features + m] = std::cos(dot) / std::sqrt(static_cast<Real>(features));
    }
}

} // namespace gramian::twin
