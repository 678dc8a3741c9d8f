// Parameters of pointwise.comp.
#ifdef __cplusplus
#pragma once
#include <cstdint>
namespace gramian::gpu {
using uint = uint32_t;
#endif

struct PointwiseParameters {
    uint x;       // [rows, columns]
    uint gate;    // [rows, columns], where the operation has a second operand
    uint low;     // weights [columns]: the lower bound, or the mean
    uint high;    // weights [columns]: the upper bound, or the variance
    uint y;       // [rows, columns]
    uint count;   // rows * columns
    uint columns;
    float epsilon;
    float clip;   // 0: not clipped
};

#ifdef __cplusplus
} // namespace gramian::gpu
#endif
