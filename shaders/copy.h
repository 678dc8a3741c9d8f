// Parameters of copy.comp.
#ifdef __cplusplus
#pragma once
#include <cstdint>
namespace gramian::gpu {
using uint = uint32_t;
#endif

struct CopyParameters {
    uint x;        // [rows, x_stride], of which the columns from x_first on are read
    uint y;        // [rows, y_stride], of which the columns from y_first on are written
    uint count;    // rows * width
    uint width;    // columns that are copied
    uint x_stride;
    uint x_first;
    uint y_stride;
    uint y_first;
    float value;   // what is written where nothing is read
};

#ifdef __cplusplus
} // namespace gramian::gpu
#endif
