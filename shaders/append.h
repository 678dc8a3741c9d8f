// Parameters of append.comp.
#ifdef __cplusplus
#pragma once
#include <cstdint>
namespace gramian::gpu {
using uint = uint32_t;
#endif

struct AppendParameters {
    uint x;         // [slots, tokens, width]
    uint z;         // state [streams, capacity, width]
    uint streams;   // io words [slots]
    uint counts;    // io words [slots]: tokens of this slot
    uint positions; // io words [slots]: rows of z that are taken
    uint total;     // state words [streams]: rows of z taken afterwards, or none
    uint tokens;
    uint width;
    uint capacity;
};

#ifdef __cplusplus
} // namespace gramian::gpu
#endif
