// Stabilised positive random features: of queries each by itself, of keys by what they have in common.
#pragma once

#include "ops/recorder.hpp"

namespace gramian {

/// y_j = M^-1/2 exp(w_j.x' - |x'|^2 / 2 - max_j w_j.x') + epsilon, x' = D^-1/4 x.  x: [B, T, H, D]; projection: weights
/// [H, M, D]; y: activations [B, T, H, M]. Choromanski et al. 2021 (arXiv:2009.14794), eq. 5 with their code's
/// stabiliser. Throws invalid_argument when the shapes disagree, unsupported for too many loop trips.
void favor_queries(Recorder& recorder, const Tensor& x, const Tensor& projection, float epsilon, const Tensor& y);

struct FavorKeys {
    Tensor x;          // [slots, T, H, D]
    Tensor projection; // weights [H, M, D]
    Tensor y;          // activations [slots, T, H, M]
    float epsilon = 0;
    const Tensor* decay = nullptr; // activations [slots, T, H]; given: causal
    const Tensor* state = nullptr; // [streams, H, 2]: largest w.x' so far, and 1 where there was one
    SlotMap map;
};

/// As for queries, but stabilised by the largest w.x' of all tokens and features of a sequence. In causal order by
/// M_t, the largest up to token t; decay_t = M_{t-1} - M_t is then what sums over earlier tokens must be scaled by.
void favor_keys(Recorder& recorder, const FavorKeys& keys);

} // namespace gramian
