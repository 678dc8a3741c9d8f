// Softmax attention without a T x N buffer: over all keys at once, over the pairs that a stream was shown, and token by
// token over a ring of pairs.
#pragma once

#include "ops/ring_append.hpp"

namespace gramian {

struct SoftmaxAttention {
    Tensor q;                       // [slots, T, H, D]
    Tensor k;                       // [streams, N, H, D]; with a ring: the new pairs, [slots, T, H, D]
    Tensor v;                       // [streams, N, H, E]; with a ring: [slots, T, H, E]
    Tensor o;                       // [slots, T, H, E]
    const Tensor* total = nullptr;  // state words [streams]: keys that are there; null: all N
    const PairRing* ring = nullptr; // the pairs before token `first`, which the rows of k and v go on from
    float scale = 1;
    bool is_causal = false; // query t sees keys up to t; always so with a ring
    uint32_t window = 0;    // w > 0: keys with |t - s| < w
    uint32_t first = 0;     // tokens first .. first + count - 1 of q
    uint32_t count = 0;     // 0: all from there on
    SlotMap map;            // the streams of the slots
};

/// o = softmax(scale q K^T) V, numerically shifted by the running maximum; a query that sees no key gets 0. A ring
/// gives the bits of the whole sequence, wherever it is cut; it holds all pairs before `first`, or the last `window`.
/// Vaswani et al. 2017, eq. 1; Milakov & Gimelshein 2018 (arXiv:1805.02867). Throws invalid_argument when the shapes
/// disagree, unsupported when a workgroup would need more loop trips than every driver runs (N (D + 74) over 3.8
/// million, about).
void softmax_attention(Recorder& recorder, const SoftmaxAttention& attention);

} // namespace gramian
