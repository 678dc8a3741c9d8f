// Parameters of local_keep.comp.
#ifdef __cplusplus
#pragma once
#include <cstdint>
namespace gramian::gpu {
using uint = uint32_t;
#endif

struct LocalKeepParameters {
    uint q;       // [slots, tokens, heads, width]
    uint k;       // likewise
    uint v;       // likewise
    uint held;    // state words [streams, heads]: tokens so far
    uint sum_q;   // state [streams, heads, width]: over the tokens of the open chunk
    uint sum_k;   // likewise
    uint ring_k;  // state [streams, ring, heads, width]: token s in row s % ring
    uint ring_v;  // likewise
    uint streams; // io words [slots], or none
    uint counts;  // io words [slots], or none
    uint tokens;  // of a slot
    uint heads;
    uint width;
    uint ring;
    uint chunk;
};

#ifdef __cplusplus
} // namespace gramian::gpu
#endif
