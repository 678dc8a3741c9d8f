// Parameters of triangular_solve.comp.
#ifdef __cplusplus
#pragma once
#include <cstdint>
namespace gramian::gpu {
using uint = uint32_t;
#endif

struct TriangularSolveParameters {
    uint a;        // activations [slots, heads, unknowns, unknowns], one triangle
    uint rhs;      // [streams, heads, unknowns, columns]
    uint x;        // [streams, heads, unknowns, columns], may be rhs
    uint report;   // [slots, heads, 8]: only problems with a good factor are solved
    uint streams;  // io words [slots], or none
    uint heads;
    uint unknowns;
    uint columns;
};

#ifdef __cplusplus
} // namespace gramian::gpu
#endif
