// Synaptic gating: a weight matrix each of whose entries is gated by a number of its own.
#pragma once

#include "ops/recorder.hpp"

namespace gramian {

/// y_i = sum_j weight_ij gate_ij x_j + bias_i.  x: [rows, N]; weight: weights [M, N]; gate: [rows, M, N], or [M, N] for
/// all rows; bias: weights [M] or null; y: [rows, M]. Baldi & Vershynin 2022 (arXiv:2202.08371), synaptic gating.
/// Throws invalid_argument when the shapes disagree, unsupported for N above 3.8 million.
void gate_synapse(Recorder& recorder, const Tensor& x, const Tensor& weight, const Tensor& gate, const Tensor* bias,
                  const Tensor& y);

} // namespace gramian
