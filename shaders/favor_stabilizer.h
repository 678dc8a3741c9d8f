// Parameters of favor_stabilizer.comp.
#ifdef __cplusplus
#pragma once
#include <cstdint>
namespace gramian::gpu {
using uint = uint32_t;
#endif

struct FavorStabilizerParameters {
    uint peak;    // activations [slots, tokens, heads]: largest w.x' of a key; becomes its stabiliser
    uint decay;   // activations [slots, tokens, heads]: log decay of what was summed before
    uint state;   // state [streams, heads, 2]: the largest so far, and 1 where there was one; or none
    uint streams; // io words [slots], or none
    uint counts;  // io words [slots], or none
    uint tokens;
    uint heads;
};

#ifdef __cplusplus
} // namespace gramian::gpu
#endif
