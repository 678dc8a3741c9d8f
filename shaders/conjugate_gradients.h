// Parameters of conjugate_gradients.comp.
#ifdef __cplusplus
#pragma once
#include <cstdint>
namespace gramian::gpu {
using uint = uint32_t;
#endif

struct ConjugateGradientsParameters {
    uint a;         // [streams, heads, unknowns, unknowns], symmetric
    uint ridge;     // [heads, unknowns], or none
    uint rhs;       // [streams, heads, unknowns, columns]
    uint x;         // [streams, heads, unknowns, columns]
    uint kept;      // activations [slots, heads, columns, 2 unknowns + 4]: residual, direction, and four numbers
    uint report;    // [slots, heads, 8]
    uint streams;   // io words [slots], or none
    uint heads;
    uint unknowns;
    uint columns;
    uint begins;    // the first launch of a solve
    uint rounds;    // of this launch
    uint ends;      // the last one
    uint total_rounds;
};

#ifdef __cplusplus
} // namespace gramian::gpu
#endif
