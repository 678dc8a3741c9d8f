// The equations of `gated_cell` in plain loops.
#pragma once

#include "ops/activation.hpp"

#include <vector>

namespace gramian::twin {

/// One token of one stream. x: [gates, width], W x + b of the input; weight(row, input) of the recurrent half; bias:
/// [gates, width] or null; h: [width], and c: [width] of an LSTM (null: GRU), are brought one token further.
template <class Real, class Weight>
void gated_cell_step(const Real* x, Weight weight, const Real* bias, Real* h, Real* c, uint32_t width)
{
    const uint32_t gates = c ? 4 : 3;
    std::vector<Real> u(size_t{gates} * width); // U h + b
    for (uint32_t row = 0; row < gates * width; ++row) {
        u[row] = bias ? bias[row] : Real(0);
        for (uint32_t i = 0; i < width; ++i) u[row] += weight(row, i) * h[i];
    }
    const auto sigmoid = [](Real value) { return activate(Activation::sigmoid, value); };
    for (uint32_t j = 0; j < width; ++j) {
        const auto in = [&](uint32_t gate) { return x[gate * width + j]; };
        const auto rec = [&](uint32_t gate) { return u[gate * width + j]; };
        if (c) {
            const Real i = sigmoid(in(0) + rec(0));
            const Real f = sigmoid(in(1) + rec(1));
            const Real g = std::tanh(in(2) + rec(2));
            const Real o = sigmoid(in(3) + rec(3));
            c[j] = f * c[j] + i * g;
            h[j] = o * std::tanh(c[j]);
        } else {
            const Real r = sigmoid(in(0) + rec(0));
            const Real z = sigmoid(in(1) + rec(1));
            const Real n = std::tanh(in(2) + r * rec(2));
            h[j] = (1 - z) * n + z * h[j];
        }
    }
}

} // namespace gramian::twin
