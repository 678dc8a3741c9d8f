// Parameters of square_root.comp. T tokens, H heads, D key width, E value width.
#ifdef __cplusplus
#pragma once
#include <cstdint>
namespace gramian::gpu {
using uint = uint32_t;
#endif

struct SquareRootParameters {
    uint k;         // [slots, T, H, D]
    uint v;         // [slots, T, H, E]
    uint q;         // [slots, T, H, D]
    uint y;         // [slots, T, H, E]
    uint variance;  // [slots, T, H], or none
    uint report;    // [slots, T, H, 8], or none
    uint beta;      // activations [slots, T, H], or none
    uint decay;     // activations [slots, T, H], or none: log decay
    uint ridge;     // weights or activations [H, D], or none
    uint initial_g; // [streams, H, D, D]
    uint initial_s; // [streams, H, D, E]
    uint factor;    // [streams, H, D, D + E]: R and z
    uint settled;   // activations [slots, H, D (D + E) + 8]: the same with the ridge, and its report
    uint streams;   // io words [slots], or none
    uint counts;    // io words [slots]: tokens of a slot, or none
    uint tokens;    // T
    uint first;     // first token of this launch
    uint count;     // tokens of this launch
    uint heads;
    uint width;     // D
    uint columns;   // E
    uint retries;   // at most
    float forget;   // factor a token
    float alpha;    // absolute, or a multiple of trace(G) / D
};

#ifdef __cplusplus
} // namespace gramian::gpu
#endif
