// Parameters of log_linear_attention.comp. B slots, T tokens, H heads, L levels, D key channels, E value columns.
#ifdef __cplusplus
#pragma once
#include <cstdint>
namespace gramian::gpu {
using uint = uint32_t;
#endif

struct LogLinearAttentionParameters {
    uint q;       // [B, T, H, D]
    uint k;       // [B, T, H, D]
    uint v;       // [B, T, H, E]
    uint decay;   // [B, T, H]: log decay
    uint scales;  // [B, T, H, L]
    uint o;       // [B, T, H, E]
    uint state;   // [streams, H, L, D, E]
    uint seen;    // [streams, H, 2]: tokens so far modulo 65,536, and how many times 65,536
    uint streams; // io words [B]: stream of a slot, or none
    uint counts;  // io words [B]: tokens of a slot, or none
    uint tokens;  // T
    uint first;   // first token of this launch
    uint count;   // tokens of this launch
    uint heads;
    uint levels;  // L, up to 32
    uint width;   // D
    uint columns; // E
    float scale;
};

#ifdef __cplusplus
} // namespace gramian::gpu
#endif
