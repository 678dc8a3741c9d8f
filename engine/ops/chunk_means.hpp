// What stands for chunks of tokens in EVA and LARA: means of their queries and keys, mapped, and the sum of both.
#pragma once

#include "ops/recorder.hpp"

namespace gramian {

/// How tokens are cut into chunks: `side` tokens each, or squares of a grid with rows of `grid` tokens.
struct Chunking {
    uint32_t side = 1;
    uint32_t overlap = 0; // tokens of its neighbours on both sides that count in a chunk; not on a grid
    uint32_t grid = 0;
    uint32_t count = 1; // of a slot, or that a stream has room for
};

/// What a causal sequence carries from call to call, for every head.
struct LocalState {
    Tensor held;   // words [streams, H]: tokens so far
    Tensor sum_q;  // [streams, H, D]: over the tokens of the open chunk
    Tensor sum_k;  // [streams, H, D]
    Tensor ring_k; // [streams, R, H, D]: token s in row s % R
    Tensor ring_v; // [streams, R, H, D]
};

/// y = layer_norm(W x + b), biased variance, epsilon 1e-5.
struct ChunkMap {
    const Tensor* weight = nullptr; // weights [D, D], transposed
    const Tensor* bias = nullptr;
    const Tensor* norm_weight = nullptr;
    const Tensor* norm_bias = nullptr;
};

/// The numbers are those of shaders/chunk_means.comp.
enum class ChunkForm : uint32_t {
    means,      // without maps
    linear,     // without norms
    normalized, // with both
    keys_only   // mu = 0, keys with both
};

struct ChunkMeans {
    Tensor q;                       // [slots, T, H, D]
    Tensor k;                       // [slots, T, H, D]
    Tensor chunk_k;                 // [slots or streams, count, H, D]
    Tensor mu;                      // activations [slots, places, H, D]: places are the chunks that the call may end
    const Tensor* mean_q = nullptr; // like mu
    Chunking chunking;
    ChunkForm form = ChunkForm::normalized;
    bool is_causal = false; // chunks that are not over are left out
    ChunkMap of_q;
    ChunkMap of_k;
    float factor = 1;
    const LocalState* state = nullptr; // null: sequences begin with the call
    SlotMap map;
};

/// chunk_k = f_k(mean k), mean_q = f_q(mean q) and mu = factor (mean_q + chunk_k), by chunk; tokens outside of the
/// sequence count as zeros. Zheng et al. 2023 (arXiv:2302.04542), as their code has it.
/// Throws unsupported for D above 1,024 or more loop trips than every driver runs.
void chunk_means(Recorder& recorder, const ChunkMeans& means);

/// Chunks that `tokens` further tokens of a causal sequence may touch, wherever they begin.
uint32_t touched_chunks(uint32_t tokens, uint32_t chunk);

} // namespace gramian
