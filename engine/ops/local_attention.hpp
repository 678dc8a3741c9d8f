// One softmax over some tokens near a query and over the summaries of chunks of tokens.
#pragma once

#include "ops/chunk_means.hpp"

namespace gramian {

/// Which tokens a query sees. The numbers are those of shaders/local_attention.comp.
enum class LocalForm : uint32_t {
    all,
    windows,      // those of its window
    squares,      // the same, of a square window on a grid
    chunks,       // a query is a chunk and sees its members
    square_chunks // the same, on a grid
};
enum class LocalBias : uint32_t {
    none,
    buckets, // scaled, by distance
    table,   // by place in the window
    key_norm // -|k|^2 / 2, scaled
};

struct LocalAttention {
    Tensor q;                     // [slots, M, H, D]; with the forms of chunks M is their number
    Tensor k;                     // [slots, T, H, D]
    Tensor v;                     // [slots, T, H, D]
    Tensor o;                     // [slots, M, H, D]; of chunks [slots or streams, count, H, D]
    const Tensor* sums = nullptr; // activations [slots, M, H, 2]: largest score, sum of e^(score - largest)
    LocalForm form = LocalForm::all;
    bool is_causal = false;
    uint32_t window = 1;
    uint32_t overlap = 0; // tokens of its neighbours that a window or a chunk reaches into
    Chunking chunking;
    const Tensor* chunk_k = nullptr; // [slots or streams, count, H, D]; null: no summaries
    const Tensor* chunk_v = nullptr; // likewise, in the same arena
    bool excludes_local = false;     // summaries of chunks that share a token with the local keys are left out
    LocalBias bias = LocalBias::none;
    const Tensor* bias_table = nullptr;
    const Tensor* buckets = nullptr; // weights: row of the table, by key minus query + window - 1
    float scale = 1;
    const LocalState* state = nullptr; // null: sequences begin with the call
    SlotMap map;
};

/// o = sum of softmax(scale q.k + bias) v over the local keys, and of softmax(scale q.chunk_k) chunk_v over the
/// chunks, in one softmax; 0 where nothing is seen. In causal order a query sees the chunks that end before its own
/// begins. Zheng et al. 2023 (arXiv:2302.04542).
/// Throws unsupported when a workgroup would need more loop trips than every driver runs.
void local_attention(Recorder& recorder, const LocalAttention& attention);

/// Puts the tokens of a call behind those that a stream holds: the last of them into the ring, the sums of the open
/// chunk, the count.  q, k, v: [slots, T, H, D]. Throws unsupported as above.
void local_keep(Recorder& recorder, const Tensor& q, const Tensor& k, const Tensor& v, const LocalState& state,
                uint32_t chunk, const SlotMap& map);

} // namespace gramian
