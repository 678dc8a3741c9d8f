// Parameters of qr_update.comp.
#ifdef __cplusplus
#pragma once
#include <cstdint>
namespace gramian::gpu {
using uint = uint32_t;
#endif

struct QrUpdateParameters {
    uint a;        // [slots, heads, unknowns, unknowns]: the factor before, or none: sqrt(alpha + ridge) I
    uint rhs;      // [slots, heads, unknowns, columns]: z before, or none: zeros
    uint ridge;    // [heads, unknowns], or none
    uint x;        // [slots, rows, heads, unknowns]
    uint y;        // [slots, rows, heads, columns]
    uint r;        // activations [slots, heads, unknowns, unknowns]
    uint z;        // activations [slots, heads, unknowns, columns]
    uint report;   // [slots, heads, 8], or none: every problem is updated
    uint heads;
    uint unknowns;
    uint columns;
    uint rows;
    uint first_row; // of this launch; the first launch begins with what was before
    uint end_row;
    float forget_root; // square root of the factor on what was before
};

#ifdef __cplusplus
} // namespace gramian::gpu
#endif
