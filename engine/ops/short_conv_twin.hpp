// The equation of `short_conv` in plain loops.
#pragma once

#include "ops/activation.hpp"

#include <vector>

namespace gramian::twin {

/// One sequence. x, y: [tokens, channels]; weight: [channels, taps]; bias: [channels] or null; initial, state:
/// [taps - 1, channels] or null, and may be the same.
template <class Real>
void short_conv(const Real* x, const Real* weight, const Real* bias, const Real* initial, Real* state, Real* y,
                uint32_t tokens, uint32_t channels, uint32_t taps, Activation activation)
{
    const uint32_t before = taps - 1;
    std::vector<Real> line(size_t{before} + tokens); // one channel, what came before in front
    for (uint32_t c = 0; c < channels; ++c) {
        for (uint32_t i = 0; i < before; ++i) line[i] = initial ? initial[size_t{i} * channels + c] : Real(0);
        for (uint32_t t = 0; t < tokens; ++t) line[before + t] = x[size_t{t} * channels + c];
        for (uint32_t t = 0; t < tokens; ++t) {
            Real sum = bias ? bias[c] : Real(0);
            for (uint32_t j = 0; j < taps; ++j) sum += weight[size_t{c} * taps + j] * line[t + j];
            y[size_t{t} * channels + c] = activate(activation, sum);
        }
        for (uint32_t i = 0; state && i < before; ++i) state[size_t{i} * channels + c] = line[tokens + i];
    }
}

} // namespace gramian::twin
