// Parameters of state_read.comp.
#ifdef __cplusplus
#pragma once
#include <cstdint>
namespace gramian::gpu {
using uint = uint32_t;
#endif

struct StateReadParameters {
    uint q;       // [slots, tokens, heads, width]
    uint s;       // state or activations [streams, heads, width, columns]
    uint z;       // the same arena [streams, heads, width]
    uint y;       // [slots, tokens, heads, columns]
    uint streams; // io words [slots], or none
    uint first_row;
    uint tokens;
    uint heads;
    uint width;
    uint columns;
    float scale;
    float epsilon;
    float denominator_min;
};

#ifdef __cplusplus
} // namespace gramian::gpu
#endif
