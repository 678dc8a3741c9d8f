// Parameters of linear_attention.comp. B slots, T tokens, H heads, F key features, E value columns.
#ifdef __cplusplus
#pragma once
#include <cstdint>
namespace gramian::gpu {
using uint = uint32_t;
#endif

struct LinearAttentionParameters {
    uint q;           // [B, T, H, F]
    uint k;           // [B, T, H, F]
    uint v;           // [B, T, H, E]
    uint o;           // [B, T, H, E]
    uint initial;     // the state before the first token, shaped and placed like state
    uint initial_z;   // likewise
    uint state;       // [streams, H, F, E]
    uint state_z;     // [streams, H, F]
    uint decay;       // activations [B, T, H] or [B, T, H, F]
    uint head_factor; // weights [H]: a further factor of the decay
    uint beta;        // activations [B, T, H] or [B, T, H, F]
    uint erase_read;  // activations [B, T, H, F]
    uint erase_write; // activations [B, T, H, F]
    uint value_gain;  // activations [B, T, H, E]
    uint bonus;       // weights [H, F]
    uint streams;     // io words [B]: stream of a slot, or none
    uint counts;      // io words [B]: tokens of a slot, or none
    uint tokens;      // T
    uint first;       // first token of this launch
    uint count;       // tokens of this launch
    uint heads;
    uint width;       // F
    uint columns;     // E
    float scale;
    float epsilon;
    float denominator_min;
};

#ifdef __cplusplus
} // namespace gramian::gpu
#endif
