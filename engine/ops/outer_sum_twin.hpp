// The equation of `outer_sum` in plain loops.
#pragma once

#include "ops/activation.hpp"

namespace gramian::twin {

/// One stream and head: z = factor(t) z + beta(t) f(x_t) y_t^T for t = 0 .. tokens - 1.
/// x(t, i), y(t, j), z(i, j), beta(t), factor(t): accessors; done(t) follows each token. Accumulates in Real.
template <class X, class Y, class Z, class Beta, class Factor, class Done>
void outer_sum(uint32_t tokens, uint32_t width, uint32_t columns, X x, Y y, Z z, Beta beta, Factor factor, Done done)
{
    for (uint32_t t = 0; t < tokens; ++t) {
        const auto kept = factor(t);
        const auto weight = beta(t);
        for (uint32_t i = 0; i < width; ++i) {
            const auto xi = weight * x(t, i);
            for (uint32_t j = 0; j < columns; ++j) z(i, j) = kept * z(i, j) + xi * y(t, j);
        }
        done(t);
    }
}

} // namespace gramian::twin
