// Random features of queries and keys, which turn softmax kernels into inner products.
#pragma once

#include "ops/recorder.hpp"

namespace gramian {

enum class RandomFeature : uint32_t { favor, rfa };

/// favor: M^-1/2 exp(w.x D^-1/4 - |x|^2 D^-1/2 / 2) (Choromanski et al. 2021, eq. 5), F = M.
/// rfa: x is divided by its norm, then M^-1/2 [sin(w.x), cos(w.x)] (Peng et al. 2021, eq. 4), F = 2M.
/// x: [B, T, H, D]; projection: weights [H, M, D]; y: activations [B, T, H, F].
/// Throws invalid_argument when the shapes disagree, unsupported where a workgroup would need too many loop trips.
void feature_map(Recorder& recorder, RandomFeature kind, const Tensor& x, const Tensor& projection, const Tensor& y);

} // namespace gramian
