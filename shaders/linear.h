// Parameters of linear.comp.
#ifdef __cplusplus
#pragma once
#include <cstdint>
namespace gramian::gpu {
using uint = uint32_t;
#endif

struct LinearParameters {
    uint x;       // [rows, width], rows x_stride apart
    uint weight;  // weights, vectors: [ceil(width / 4), columns] of four consecutive inputs, floats or halves
    uint bias;    // weights [columns]
    uint y;       // [rows, columns]
    uint rows;
    uint width;
    uint columns;
};

#ifdef __cplusplus
} // namespace gramian::gpu
#endif
