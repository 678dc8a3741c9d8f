// The equations of `pointwise`.
#pragma once

#include "ops/pointwise.hpp"

namespace gramian::twin {

/// One element. g: the gate's; low, high: those of its channel.
template <class Real>
Real pointwise(Pointwise operation, Activation f, Real x, Real g, Real low, Real high, Real epsilon, Real clip)
{
    switch (operation) {
        case Pointwise::activate:
            return activate(f, x);
        case Pointwise::add_activate:
            return activate(f, x + g);
        case Pointwise::gate:
            return x * activate(f, g);
        case Pointwise::add:
            return x + g;
        case Pointwise::multiply:
            return x * g;
        case Pointwise::squash_clip:
            return std::min(std::max(x, low), high);
        case Pointwise::squash_tanh:
            return low + (std::tanh(x) + 1) / 2 * (high - low);
        case Pointwise::normalize: {
            const Real scaled = (x - low) / std::sqrt(high + epsilon);
            return clip > 0 ? std::clamp(scaled, -clip, clip) : scaled;
        }
    }
    return x;
}

} // namespace gramian::twin
