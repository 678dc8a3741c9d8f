// Parameters of log_state.comp. R rows, C columns.
#ifdef __cplusplus
#pragma once
#include <cstdint>
namespace gramian::gpu {
using uint = uint32_t;
#endif

struct LogStateParameters {
    uint x;       // activations: [R, C], or pairs [R, 2, C]
    uint y;       // activations: the same in the other form
    uint z;       // activations: pairs [R / D, 2, D] that belong to rows of means
    uint count;   // R C
    uint columns; // C
    uint width;   // D
};

#ifdef __cplusplus
} // namespace gramian::gpu
#endif
