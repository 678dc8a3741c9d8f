// Parameters of favor.comp.
#ifdef __cplusplus
#pragma once
#include <cstdint>
namespace gramian::gpu {
using uint = uint32_t;
#endif

struct FavorParameters {
    uint x;          // [rows, heads, width]
    uint projection; // weights [heads, features, width]
    uint y;          // activations [rows, heads, features]
    uint peak;       // activations [rows, heads]: largest w.x' of keys, or what they are stabilised by
    uint first_row;
    uint heads;
    uint width;
    uint features;
    float scale;     // of the features: features^-1/2
    float epsilon;   // added to each feature
};

#ifdef __cplusplus
} // namespace gramian::gpu
#endif
