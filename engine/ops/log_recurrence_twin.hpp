// The equation of `log_recurrence` in plain loops.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

namespace gramian::twin {

/// log(e^x + e^y); -infinity stands for log 0.
template <class Real>
Real log_add(Real x, Real y)
{
    const Real largest = std::max(x, y);
    if (largest == -std::numeric_limits<Real>::infinity()) return largest;
    return largest + std::log1p(std::exp(std::min(x, y) - largest));
}

/// s_t = log(e^(log sigmoid(a) + s_{t-1}) + e^b), one channel.
template <class Real>
Real log_recurrence_step(Real a, Real b, Real s)
{
    const Real log_sigmoid = std::min(a, Real(0)) - std::log1p(std::exp(-std::abs(a)));
    return log_add(log_sigmoid + s, b);
}

} // namespace gramian::twin
