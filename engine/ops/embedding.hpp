// A table of vectors, read by row number.
#pragma once

#include "ops/recorder.hpp"

namespace gramian {

/// y = weight[x].  x: [rows, 1], whole numbers below n; weight: weights [n, size]; y: [rows, size]. Other numbers read
/// the nearest row: whoever takes them from outside refuses them first.
void embedding(Recorder& recorder, const Tensor& x, const Tensor& weight, const Tensor& y);

} // namespace gramian
