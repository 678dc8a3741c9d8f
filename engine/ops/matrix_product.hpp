// Products of batches of small matrices, and the residuals that are made of them.
#pragma once

#include "ops/recorder.hpp"
#include "shaders/matrix_product.h"

namespace gramian {

/// Matrices [batch, H, rows, columns].
gpu::MatrixView matrix_view(const Tensor& tensor);
/// The rows of tokens [batch, T, H, columns]: for each head a matrix [T, columns].
gpu::MatrixView token_view(const Tensor& tensor);

/// A tensor, how its matrices lie in it, and whether they are meant transposed.
struct Operand {
    const Tensor* tensor = nullptr;
    gpu::MatrixView view{kNone, 0, 0, 0};
    bool is_transposed = false;
};

struct MatrixProduct {
    Operand a;
    Operand x;
    Operand base; // none: zeros
    Operand y;    // activations; by slot, all others by stream
    uint32_t heads = 1;
    uint32_t slots = 1;
    uint32_t rows = 0;
    uint32_t columns = 0;
    uint32_t inner = 0;
    float sign = 1;
    /// Less (alpha + ridge) w, with the alpha of the report [slots, H, 8].  w: [.., H, rows, columns], in x's arena.
    const Tensor* w = nullptr;
    const Tensor* ridge = nullptr; // [H, rows]
    const Tensor* report = nullptr;
    SlotMap map;
};

/// y = base + sign op(a) op(x) - (alpha + ridge) w.
void matrix_product(Recorder& recorder, const MatrixProduct& product);

/// residual = rhs - (a + ridge + alpha) x, with the alpha of the report.  a: [streams, H, P, P], symmetric; rhs, x:
/// [streams, H, P, K]; residual: activations [slots, H, P, K].
void ridge_residual(Recorder& recorder, const Tensor& a, const Tensor& rhs, const Tensor* ridge, const Tensor& x,
                    const Tensor& residual, const Tensor& report, const SlotMap& map);

} // namespace gramian
