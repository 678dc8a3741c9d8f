// Softmax attention over all keys at once, without a T x N buffer, and over the pairs that a stream keeps.
#pragma once

#include "ops/recorder.hpp"

namespace gramian {

struct SoftmaxAttention {
    Tensor q;                      // [slots, M, H, D]
    Tensor k;                      // [streams, N, H, D]
    Tensor v;                      // [streams, N, H, E]
    Tensor o;                      // [slots, M, H, E]
    const Tensor* total = nullptr; // state words [streams]: keys that are there; null: all N
    float scale = 1;
    bool is_causal = false; // query t sees keys up to t
    uint32_t window = 0;    // w > 0: keys with |t - s| < w
    SlotMap map;            // the streams of the slots
};

/// o = softmax(scale q K^T) V, numerically shifted by the running maximum; a query that sees no key gets 0.
/// Vaswani et al. 2017, eq. 1. Throws invalid_argument when the shapes disagree, unsupported when a workgroup would
/// need more loop trips than every driver runs (N (D + 74) over 3.8 million, about).
void softmax_attention(Recorder& recorder, const SoftmaxAttention& attention);

} // namespace gramian
