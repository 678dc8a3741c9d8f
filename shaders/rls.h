// Parameters of rls.comp. T tokens, H heads, D key width, E value width.
#ifdef __cplusplus
#pragma once
#include <cstdint>
namespace gramian::gpu {
using uint = uint32_t;
#endif

struct RlsParameters {
    uint k;         // [slots, T, H, D]
    uint v;         // [slots, T, H, E]
    uint q;         // [slots, T, H, D], where there is a y
    uint y;         // [slots, T, H, E], or none
    uint variance;  // [slots, T, H], or none
    uint report;    // [slots, T, H, 8], or none
    uint beta;      // activations [slots, T, H], or none
    uint ridge;     // weights or activations [H, D], or none
    uint initial_g; // [streams, H, D, D], or none: zeros
    uint inverse;   // [streams, H, D, D]: P
    uint weights;   // [streams, H, D, E]: W
    uint record;    // [streams, H, 4]: alpha, retries, status, whether P and W hold anything
    uint streams;   // io words [slots], or none
    uint counts;    // io words [slots]: tokens of a slot, or none
    uint tokens;    // T
    uint first;     // first token of this launch
    uint count;     // tokens of this launch; 0: it only starts
    uint heads;
    uint width;     // D
    uint columns;   // E
    uint attempts;  // of the first inversion, each with a larger alpha
    float alpha;
};

#ifdef __cplusplus
} // namespace gramian::gpu
#endif
