// Parameters of log_attention.comp. B slots, T tokens, H heads, D key channels, E value columns.
#ifdef __cplusplus
#pragma once
#include <cstdint>
namespace gramian::gpu {
using uint = uint32_t;
#endif

struct LogAttentionParameters {
    uint q;         // [B, T, H, D]
    uint k;         // [B, T, H, D]
    uint v;         // [B, T, H, E]: log v, or v where signed
    uint y;         // [B, T, H, E]
    uint initial;   // the state before the first token, shaped and placed like state
    uint initial_z; // likewise
    uint state;     // [streams, H, D, 2, E] exponents and sums, or [streams, H, D, E] where signed
    uint state_z;   // [streams, H, 2, D] exponents and sums
    uint streams;   // io words [B]: stream of a slot, or none
    uint counts;    // io words [B]: tokens of a slot, or none
    uint tokens;    // T
    uint first;     // first token of this launch
    uint count;     // tokens of this launch
    uint heads;
    uint columns;   // E
};

#ifdef __cplusplus
} // namespace gramian::gpu
#endif
