// Parameters of matrix_product.comp.
#ifdef __cplusplus
#pragma once
#include <cstdint>
namespace gramian::gpu {
using uint = uint32_t;
#endif

// Where the matrix of a problem lies, and how far apart its rows are.
struct MatrixView {
    uint offset; // or none
    uint batch;  // elements from one slot or stream to the next
    uint head;   // from one head to the next
    uint row;
};

struct MatrixProductParameters {
    MatrixView a;    // [rows, inner], or [inner, rows] where it is transposed
    MatrixView x;    // [inner, columns], or [columns, inner]
    MatrixView base; // [rows, columns], or none: zeros
    MatrixView y;    // [rows, columns]
    uint w;          // [batch, heads, rows, columns]
    uint ridge;      // [heads, rows], or none
    uint report;     // [slots, heads, 8]
    uint streams;    // io words [slots], or none
    uint heads;
    uint rows;
    uint columns;
    uint inner;
    float sign;      // of the product
};

#ifdef __cplusplus
} // namespace gramian::gpu
#endif
