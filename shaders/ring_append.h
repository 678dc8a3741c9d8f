// Parameters of ring_append.comp.
#ifdef __cplusplus
#pragma once
#include <cstdint>
namespace gramian::gpu {
using uint = uint32_t;
#endif

struct RingAppendParameters {
    uint x;        // [slots, tokens, width]
    uint z;        // [streams, rows, width]
    uint streams;  // io words [slots], or none: slot i is stream i
    uint counts;   // io words [slots]: tokens of this slot, or none: all
    uint total;    // state words [streams, 2], or none: `position` says it
    uint position; // of token `first`
    uint fold;     // totals stay below twice this; 0: they grow
    uint tokens;
    uint first;    // token of a slot
    uint count;    // tokens from there on
    uint width;
    uint rows;     // of the ring
};

#ifdef __cplusplus
} // namespace gramian::gpu
#endif
