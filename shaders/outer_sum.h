// Parameters of outer_sum.comp.
#ifdef __cplusplus
#pragma once
#include <cstdint>
namespace gramian::gpu {
using uint = uint32_t;
#endif

struct OuterSumParameters {
    uint x;       // [slots, tokens, heads, width]
    uint y;       // [slots, tokens, heads, columns]
    uint beta;    // activations [slots, tokens, heads]
    uint decay;   // activations [slots, tokens, heads]: log decay
    uint initial; // the sums so far, shaped like z
    uint z;       // [streams, heads, width, columns]
    uint streams; // io words [slots], or none
    uint counts;  // io words [slots]: tokens of this slot, or none
    uint history; // activations [slots, count, heads, width, columns]: z after each token
    uint tokens;
    uint first;   // first token of this launch
    uint count;   // tokens of this launch
    uint heads;
    uint width;
    uint columns;
    float forget; // factor a token
};

#ifdef __cplusplus
} // namespace gramian::gpu
#endif
