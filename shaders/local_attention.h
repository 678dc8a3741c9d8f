// Parameters of local_attention.comp.
#ifdef __cplusplus
#pragma once
#include <cstdint>
namespace gramian::gpu {
using uint = uint32_t;
#endif

struct LocalAttentionParameters {
    uint q;          // [slots, queries, heads, width]
    uint k;          // [slots, tokens, heads, width]
    uint v;          // likewise
    uint o;          // [slots, queries, heads, width]; of chunks [slots or streams, chunks, heads, width]
    uint sums;       // activations [slots, queries, heads, 2]: largest score and sum of e^(score - largest); or none
    uint held;       // state words [streams, heads]: tokens before this call; or none
    uint ring_k;     // state [streams, ring, heads, width]: token s in row s % ring
    uint ring_v;     // likewise
    uint ring;
    uint streams;    // io words [slots], or none
    uint counts;     // io words [slots], or none
    uint first_row;
    uint queries;    // of a slot
    uint tokens;     // of a slot
    uint heads;
    uint width;
    float scale;
    uint window;     // side of a window
    uint overlap;    // tokens of its neighbours that a window, or a chunk that asks, reaches into
    uint grid;       // tokens in a row of the grid, or 0
    uint chunk;      // side of a chunk
    uint chunks;     // of a slot, or that a stream has room for
    uint chunk_k;    // [slots or streams, chunks, heads, width]
    uint chunk_v;    // likewise
    uint bias;       // weights: table of biases
    uint bias_heads; // 1: all heads share them
    uint buckets;    // weights: row of the table, by key minus query + window - 1
};

#ifdef __cplusplus
} // namespace gramian::gpu
#endif
