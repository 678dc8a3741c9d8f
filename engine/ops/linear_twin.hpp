// The equation of `linear` in plain loops.
#pragma once

#include "ops/activation.hpp"

namespace gramian::twin {

/// y = f(W x + b).  x: [rows, width]; weight(column, input); bias: [columns] or null; y: [rows, columns].
template <class Real, class Weight>
void linear(const Real* x, Weight weight, const Real* bias, Real* y, uint32_t rows, uint32_t width, uint32_t columns,
            Activation activation)
{
    for (uint32_t row = 0; row < rows; ++row) {
        for (uint32_t column = 0; column < columns; ++column) {
            Real sum = bias ? bias[column] : Real(0);
            for (uint32_t i = 0; i < width; ++i) sum += weight(column, i) * x[row * width + i];
            y[row * columns + column] = activate(activation, sum);
        }
    }
}

} // namespace gramian::twin
