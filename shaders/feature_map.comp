#version 450
#extension GL_GOOGLE_include_directive : require
// Random features of queries and keys: positive ones (favor, Choromanski et al. 2021) and trigonometric ones (rfa,
// Peng et al. 2021). A workgroup owns one row and head, a lane every 64th feature.
#include "common/sin_cos.glsl"
#include "common/storage.glsl"
#include "feature_map.h"

layout(local_size_x = 64) in;
layout(constant_id = 0) const uint kXArena = kActivations;
layout(constant_id = 1) const uint kIsTrigonometric = 0;
layout(push_constant) uniform Push { FeatureMapParameters p; };

void main()
{
    uint row = p.first_row + gl_WorkGroupID.x;
    uint head = gl_WorkGroupID.y;
    uint x = p.x + (row * p.heads + head) * p.width;
    float squares = 0.0;
    for (uint i = 0; i < p.width; ++i) {
        float value = load(kXArena, x + i);
        squares = fma(value, value, squares);
    }
    float width_root = sqrt(float(p.width));
    float factor = kIsTrigonometric == 1 ? 1.0 / max(sqrt(squares), 1.0e-12) : 1.0 / sqrt(width_root);
    for (uint feature = gl_LocalInvocationID.x; feature < p.features; feature += 64) {
        uint w = p.projection + (head * p.features + feature) * p.width;
        float sum = 0.0;
        for (uint i = 0; i < p.width; ++i) sum = fma(weight_floats[w + i], load(kXArena, x + i) * factor, sum);
        if (kIsTrigonometric == 1) {
            uint y = p.y + (row * p.heads + head) * 2 * p.features + feature;
            vec2 both = sin_cos(sum);
            activation_floats[y] = p.scale * both.x;
            activation_floats[y + p.features] = p.scale * both.y;
        } else {
            uint y = p.y + (row * p.heads + head) * p.features + feature;
            activation_floats[y] = p.scale * exp(sum - 0.5 * squares / width_root);
        }
    }
}
