// The equation of `gate_synapse` in plain loops.
#pragma once

#include <cstddef>
#include <cstdint>

namespace gramian::twin {

/// One row.  x: [N]; weight, gate: [M, N]; bias: [M] or null; y: [M].
template <class Real>
void gate_synapse(const Real* x, const Real* weight, const Real* gate, const Real* bias, Real* y, uint32_t width,
                  uint32_t columns)
{
    for (uint32_t i = 0; i < columns; ++i) {
        Real sum = bias ? bias[i] : Real(0);
        for (uint32_t j = 0; j < width; ++j) sum += weight[size_t{i} * width + j] * gate[size_t{i} * width + j] * x[j];
        y[i] = sum;
    }
}

} // namespace gramian::twin
