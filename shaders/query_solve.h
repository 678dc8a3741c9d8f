// Parameters of query_solve.comp. T tokens, H heads, D key width, E value width.
#ifdef __cplusplus
#pragma once
#include <cstdint>
namespace gramian::gpu {
using uint = uint32_t;
#endif

struct QuerySolveParameters {
    uint g;          // [problems, H, D, D], symmetric; a problem is a row of this launch, or a stream
    uint s;          // [problems, H, D, E]
    uint q;          // [slots, T, H, D]
    uint ridge;      // weights or activations [H, D], or none
    uint y;          // [slots, T, H, E], or none
    uint x;          // activations [slots, T, H, D], or none
    uint variance;   // [slots, T, H], or none
    uint report;     // [slots, T, H, 8], or none
    uint workspace;  // activations, vectors: a factor for each row and head, where shared memory does not hold it
    uint streams;    // io words [slots], or none
    uint counts;     // io words [slots]: tokens of a slot, or none
    uint tokens;     // T
    uint first;      // first token of the rows
    uint count;      // tokens of the rows: row r is token first + r % count of slot r / count
    uint first_row;  // of this launch
    uint heads;
    uint width;      // D
    uint columns;    // E
    uint iterations; // of conjugate gradients
    float alpha;     // absolute, or a multiple of trace(G) / D
};

#ifdef __cplusplus
} // namespace gramian::gpu
#endif
