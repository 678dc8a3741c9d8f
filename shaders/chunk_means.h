// Parameters of chunk_means.comp.
#ifdef __cplusplus
#pragma once
#include <cstdint>
namespace gramian::gpu {
using uint = uint32_t;
#endif

struct ChunkMeansParameters {
    uint q;             // [slots, tokens, heads, width]
    uint k;             // likewise
    uint chunk_k;       // [slots or streams, chunks, heads, width]: mapped mean of the keys
    uint mu;            // activations [slots, places, heads, width]
    uint mean_q;        // like mu: mapped mean of the queries, or none
    uint held;          // state words [streams, heads]: tokens before this call, or none
    uint sum_q;         // state [streams, heads, width]: over the tokens of the chunk that they leave open
    uint sum_k;         // likewise
    uint streams;       // io words [slots], or none
    uint counts;        // io words [slots], or none
    uint first_row;     // of [slots, places]
    uint tokens;        // of a slot
    uint heads;
    uint width;
    uint places;        // chunks that this call touches, of a slot
    uint chunks;        // of a slot, or that a stream has room for
    uint chunk;         // side of a chunk
    uint overlap;       // tokens of its neighbours on both sides that count in a chunk
    uint grid;          // tokens in a row of the grid, or 0
    uint q_weight;      // weights [width, width], transposed
    uint q_bias;        // weights [width]
    uint q_norm_weight; // weights [width]
    uint q_norm_bias;   // weights [width]
    uint k_weight;      // the same four for keys
    uint k_bias;
    uint k_norm_weight;
    uint k_norm_bias;
    float factor;       // mu = factor (mapped mean of q + mapped mean of k)
};

#ifdef __cplusplus
} // namespace gramian::gpu
#endif
