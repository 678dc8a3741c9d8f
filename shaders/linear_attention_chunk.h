// Parameters of the linear_attention_chunk kernels. B slots, T tokens, H heads, F key features, E value columns, C tokens
// of a chunk.
#ifdef __cplusplus
#pragma once
#include <cstdint>
namespace gramian::gpu {
using uint = uint32_t;
#endif

struct LinearAttentionChunkParameters {
    uint q;           // [B, T, H, F]
    uint k;           // [B, T, H, F]
    uint v;           // [B, T, H, E]
    uint o;           // [B, T, H, E]
    uint initial;     // the state before the first chunk, shaped and placed like state
    uint state;       // [streams, H, F, E]
    uint decay;       // activations [B, T, H] or [B, T, H, F]
    uint head_decay;  // weights [H]: added to the log decay
    uint beta;        // activations [B, T, H] or [B, T, H, F]
    uint erase_read;  // activations [B, T, H, F]
    uint erase_write; // activations [B, T, H, F]
    uint value_gain;  // activations [B, T, H, E]
    uint bonus;       // weights [H, F]
    uint cells;       // activations [B, H, chunks, cell]: what the chunks keep for each other
    uint streams;     // io words [B]: stream of a slot, or none
    uint counts;      // io words [B]: tokens of a slot, or none
    uint tokens;      // T
    uint first;       // first token of the first chunk
    uint count;       // tokens of all chunks
    uint chunks;      // chunks that have a cell
    uint first_chunk; // of this launch
    uint chunk_count; // of this launch
    uint heads;
    uint columns; // E
    float scale;
};

#ifdef __cplusplus
} // namespace gramian::gpu
#endif
