// y = f(W x + b): the op, and the packing that its kernel reads weights in.
#pragma once

#include "ops/activation.hpp"
#include "ops/recorder.hpp"

#include <span>
#include <vector>

namespace gramian {

/// Reorders W [columns, width] for the kernel: [ceil(width / 4), columns] vectors of four consecutive inputs,
/// padded with zeros, so that lanes that own neighbouring columns read neighbouring vectors.
std::vector<float> pack_linear_weight(std::span<const float> weight, uint32_t columns, uint32_t width);

/// What a packed weight of that shape, floats or halves, takes up.
Slice packed_slice(const Tensor& weight);

/// y = f(W x + b).  x: [rows, width]; weight: packed, floats or halves, [columns, width]; bias: [columns] or null; y:
/// [rows, columns]. Throws invalid_argument when the shapes disagree, unsupported beyond a width of
/// 240,000.
void linear(Recorder& recorder, const Tensor& x, const Tensor& weight, const Tensor* bias, const Tensor& y,
            Activation activation);

} // namespace gramian
