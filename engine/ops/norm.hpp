// Layer norm, root-mean-square norm and Euclidean norm of each token, or of each head's block of it.
#pragma once

#include "ops/recorder.hpp"

namespace gramian {

/// The numbers are those of shaders/common/norm.glsl.
enum class Norm : uint32_t { layer, rms, l2 };

/// A norm of all channels of a token together.
struct NormForm {
    Norm kind;
    float epsilon;
};

/// layer: (x - mean) / sqrt(variance + epsilon) * weight + bias, biased variance (Ba et al. 2016, eq. 4).
/// rms: x / sqrt(mean of x^2 + epsilon) * weight (Zhang & Sennrich 2019, eq. 4).   l2: x / max(|x|, epsilon).
/// x, y: [rows, C], normalised in `heads` blocks of C / heads; weight, bias: [C] or null.
/// Throws invalid_argument when the shapes disagree.
void norm(Recorder& recorder, Norm kind, const Tensor& x, const Tensor* weight, const Tensor* bias, const Tensor& y,
          uint32_t heads, float epsilon);

} // namespace gramian
