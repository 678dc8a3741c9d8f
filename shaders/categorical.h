// Parameters of categorical.comp.
#ifdef __cplusplus
#pragma once
#include <cstdint>
namespace gramian::gpu {
using uint = uint32_t;
#endif

struct CategoricalParameters {
    uint x;         // [rows, C]
    uint y;         // [rows, C], or [rows, 1]: an index
    uint key;       // activations or io [rows, 1]: what else the draw depends on, or none
    uint first_row;
    uint tokens;    // rows of a slot
    uint channels;  // C
    uint positions; // io words [slots]: tokens that the stream had before, or none: 0
    uint seed_low;
    uint seed_high;
};

#ifdef __cplusplus
} // namespace gramian::gpu
#endif
