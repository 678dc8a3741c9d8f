#version 450
#extension GL_GOOGLE_include_directive : require
// Positive random features with a stabiliser, scale exp(w.x' - |x'|^2 / 2 - stabiliser) + epsilon with x' = D^-1/4 x
// (Choromanski et al. 2021). A query has its own stabiliser, the largest w.x'. Keys share theirs: so first come their
// logarithms and largest w.x', then, when the stabilisers are known, the features. A workgroup owns one row and head.
#include "common/storage.glsl"
#include "favor.h"

layout(local_size_x = 64) in;
const uint kQueries = 0;
const uint kKeyLogs = 1;
const uint kKeys = 2;
layout(constant_id = 0) const uint kXArena = kActivations;
layout(constant_id = 1) const uint kStage = kQueries;
layout(push_constant) uniform Push { FavorParameters p; };

const float kNever = -3.4e38;
shared float reduced[64];

float reduce_max(uint lane, float value)
{
    reduced[lane] = value;
    for (uint stride = 32; stride > 0; stride /= 2) {
        barrier();
        if (lane < stride) reduced[lane] = max(reduced[lane], reduced[lane + stride]);
    }
    barrier();
    return reduced[0];
}

// Stores the logarithms of this lane's features without a stabiliser, and returns the largest w.x' of the row.
float logarithms(uint lane, uint head, uint x, uint y)
{
    float root = sqrt(float(p.width));
    float factor = 1.0 / sqrt(root);
    float squares = 0.0;
    for (uint i = 0; i < p.width; ++i) {
        float value = load(kXArena, x + i);
        squares = fma(value, value, squares);
    }
    float largest = kNever;
    for (uint feature = lane; feature < p.features; feature += 64) {
        uint w = p.projection + (head * p.features + feature) * p.width;
        float sum = 0.0;
        for (uint i = 0; i < p.width; ++i) sum = fma(weight_floats[w + i], load(kXArena, x + i) * factor, sum);
        activation_floats[y + feature] = sum - 0.5 * squares / root;
        largest = max(largest, sum);
    }
    return reduce_max(lane, largest);
}

void main()
{
    uint lane = gl_LocalInvocationID.x;
    uint head = gl_WorkGroupID.y;
    uint at = (p.first_row + gl_WorkGroupID.x) * p.heads + head;
    uint y = p.y + at * p.features;
    float stabilizer;
    if (kStage == kKeys)
        stabilizer = activation_floats[p.peak + at];
    else
        stabilizer = logarithms(lane, head, p.x + at * p.width, y);
    if (kStage == kKeyLogs) {
        if (lane == 0) activation_floats[p.peak + at] = stabilizer;
    } else { // a lane goes on with the features that it stored itself
        for (uint feature = lane; feature < p.features; feature += 64) {
            activation_floats[y + feature] = fma(p.scale, exp(activation_floats[y + feature] - stabilizer), p.epsilon);
        }
    }
}
