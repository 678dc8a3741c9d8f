// Copying ranges of columns, which is what concat and slice are made of, and filling them.
#pragma once

#include "ops/recorder.hpp"

namespace gramian {

/// y[row][y_first + i] = x[row][x_first + i] for i < width and every row.  x, y: [rows, C], C of each its own.
/// Throws invalid_argument when a range passes the end of a row or the rows differ.
void copy_columns(Recorder& recorder, const Tensor& x, uint32_t x_first, const Tensor& y, uint32_t y_first,
                  uint32_t width);

/// The tensor, or a copy of it in the activations, which is where kernels read small optional tensors. `copy` holds it.
const Tensor* in_activations(Recorder& recorder, const Tensor* tensor, Tensor& copy);

/// y[i] = x[i] for all elements.
void copy_whole(Recorder& recorder, const Tensor& x, const Tensor& y);

/// y[row][i] = value.  y: [rows, C].
void fill_columns(Recorder& recorder, const Tensor& y, float value);

} // namespace gramian
