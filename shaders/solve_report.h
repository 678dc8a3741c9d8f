// Parameters of solve_report.comp.
#ifdef __cplusplus
#pragma once
#include <cstdint>
namespace gramian::gpu {
using uint = uint32_t;
#endif

struct SolveReportParameters {
    uint a;        // what the phase reads: a matrix [streams, heads, unknowns, unknowns], keys
                   // [slots, tokens, heads, unknowns], a factor or the states of columns, by slot
    uint x;        // [streams, heads, size]: cleared where there is no solution
    uint r;        // activations [slots, heads, unknowns, columns]: the residual
    uint rhs;      // [streams, heads, unknowns, columns], or none: no residual
    uint report;   // [slots, heads, 8]
    uint streams;  // io words [slots], or none
    uint heads;
    uint unknowns;
    uint columns;
    uint size;     // elements of x of one problem
    uint tokens;
    uint first;    // of the elements of the keys that this launch sums up
    uint count;
    uint is_last;  // alpha follows from the sum that is now complete
    float alpha;   // absolute, or a multiple of trace / unknowns
};

#ifdef __cplusplus
} // namespace gramian::gpu
#endif
