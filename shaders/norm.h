// Parameters of norm.comp.
#ifdef __cplusplus
#pragma once
#include <cstdint>
namespace gramian::gpu {
using uint = uint32_t;
#endif

struct NormParameters {
    uint x;      // [rows, heads, width]
    uint weight; // weights [heads * width], or none
    uint bias;   // weights [heads * width], or none
    uint y;      // [rows, heads, width]
    uint first_row;
    uint heads;
    uint width;
    float epsilon;
};

#ifdef __cplusplus
} // namespace gramian::gpu
#endif
