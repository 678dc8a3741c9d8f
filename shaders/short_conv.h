// Parameters of short_conv.comp. B slots, T tokens, C channels, K taps.
#ifdef __cplusplus
#pragma once
#include <cstdint>
namespace gramian::gpu {
using uint = uint32_t;
#endif

struct ShortConvParameters {
    uint x;       // [B, T, C]
    uint weight;  // weights [C, K]
    uint bias;    // weights [C], or none
    uint y;       // [B, T, C]
    uint initial; // the tokens before the first, shaped and placed like state
    uint state;   // [streams, K - 1, C]: the last tokens, the oldest first
    uint streams; // io words [B]: stream of a slot, or none
    uint counts;  // io words [B]: tokens of a slot, or none
    uint slots;   // B
    uint tokens;  // T
    uint first;   // first token of this launch
    uint count;   // tokens of this launch
    uint channels;
    uint taps;
};

#ifdef __cplusplus
} // namespace gramian::gpu
#endif
