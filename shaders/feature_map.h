// Parameters of feature_map.comp.
#ifdef __cplusplus
#pragma once
#include <cstdint>
namespace gramian::gpu {
using uint = uint32_t;
#endif

struct FeatureMapParameters {
    uint x;          // [rows, heads, width]
    uint projection; // weights [heads, features, width]
    uint y;          // activations [rows, heads, features], or 2 * features for rfa
    uint first_row;
    uint heads;
    uint width;
    uint features;
    float scale;     // of the features: features^-1/2
};

#ifdef __cplusplus
} // namespace gramian::gpu
#endif
