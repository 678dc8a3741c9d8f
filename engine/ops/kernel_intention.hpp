// The kernel form of sigma-Intention: least squares in the space of pairs, where softmax is the kernel.
#pragma once

#include "ops/recorder.hpp"

namespace gramian {

struct KernelIntention {
    Tensor q;      // [B, M, H, D]
    Tensor k;      // [B, N, H, D]
    Tensor v;      // [B, N, H, E]
    Tensor y;      // [B, M, H, E]
    Tensor report; // [B, M, H, 8]
    float scale = 1;
    double alpha = 1e-4;
    bool is_relative = true; // alpha is a multiple of the mean diagonal of softmax(scale K K^T)
    bool is_causal = false;  // M = N: query t sees the keys up to t
};

inline constexpr uint32_t kMaxKernelKeys = 256;

/// y = softmax(scale Q K^T) (softmax(scale K K^T) + alpha I)^-1 V; causal: for each query over the keys up to its own.
/// After Garnelo & Czarnecki 2023, whose formula could not be checked. The matrix is not symmetric: elimination with
/// pivoting, and no retry; a pivot <= 4 * 2^-24 of the mean diagonal gives y = 0 and status failed. The residual is
/// that of the sum of all equations. Throws invalid_argument when the shapes disagree, unsupported for more than 256
/// keys.
void kernel_intention(Recorder& recorder, const KernelIntention& intention);

} // namespace gramian
