// Parameters of ridge_solve.comp and ridge_solve_software.comp.
#ifdef __cplusplus
#pragma once
#include <cstdint>
namespace gramian::gpu {
using uint = uint32_t;
#endif

struct RidgeSolveParameters {
    uint a;         // [streams, heads, unknowns, unknowns], symmetric
    uint rhs;       // [streams, heads, unknowns, columns]
    uint ridge;     // weights or activations [heads, unknowns], or none
    uint x;         // [streams, heads, unknowns, columns]
    uint report;    // [slots, heads, 8]: SolveReport
    uint workspace; // activations, vectors: a factor for each slot and head, where nothing nearer holds it
    uint streams;   // io words [slots], or none
    uint heads;
    uint unknowns;
    uint columns;
    uint problems;  // slots * heads
    float alpha;    // absolute, or a multiple of trace(a) / unknowns
};

#ifdef __cplusplus
} // namespace gramian::gpu
#endif
