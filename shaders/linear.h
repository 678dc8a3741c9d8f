// Parameters of linear.comp.
#ifdef __cplusplus
#pragma once
#include <cstdint>
namespace gramian::gpu {
using uint = uint32_t;
#endif

struct LinearLayerParameters {
    uint weight;  // weights, vectors: [ceil(width / 4), columns] of four consecutive inputs, floats or halves
    uint bias;    // weights [columns], or none
    uint y;       // [rows, columns]
    uint columns;
};

struct LinearParameters {
    uint x;       // [rows, width]
    uint rows;
    uint width;
    uint gain;    // of the norm: weights [width], or none
    uint shift;   // weights [width], or none
    float epsilon;
    uint other;   // [rows, columns]: second operand of what is done to the only layer
    LinearLayerParameters layers[6];
};

#ifdef __cplusplus
} // namespace gramian::gpu
#endif
