// Parameters of cholesky.comp.
#ifdef __cplusplus
#pragma once
#include <cstdint>
namespace gramian::gpu {
using uint = uint32_t;
#endif

struct CholeskyParameters {
    uint a;        // [streams, heads, unknowns, unknowns], symmetric
    uint ridge;    // [heads, unknowns], or none
    uint l;        // activations [slots, heads, unknowns, unknowns]
    uint report;   // [slots, heads, 8]
    uint streams;  // io words [slots], or none
    uint heads;
    uint unknowns;
    uint panel;    // of 32 columns, the one at hand
    uint is_last;  // with it the factor is complete
};

#ifdef __cplusplus
} // namespace gramian::gpu
#endif
