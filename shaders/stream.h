// Parameters of stream.comp.
#ifdef __cplusplus
#pragma once
#include <cstdint>
namespace gramian::gpu {
using uint = uint32_t;
#endif

struct StreamParameters {
    uint values; // state [1024 * vec4 a workgroup]
    float factor;
};

#ifdef __cplusplus
} // namespace gramian::gpu
#endif
