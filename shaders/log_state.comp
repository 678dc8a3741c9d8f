#version 450
#extension GL_GOOGLE_include_directive : require
// The states of log-space attention between the two forms they have: logarithms (and means) outside, pairs as in
// scaled_sum.glsl (and sums) inside.
#include "common/storage.glsl"
#include "common/scaled_sum.glsl"
#include "log_state.h"

const uint kLogsToPairs = 0;
const uint kPairsToLogs = 1;
const uint kMeansToSums = 2;
const uint kSumsToMeans = 3;

layout(local_size_x = 64) in;
layout(constant_id = 0) const uint kForm = kLogsToPairs;
layout(push_constant) uniform Push { LogStateParameters p; };

void main()
{
    uint i = (gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x) * 64 + gl_LocalInvocationID.x;
    if (i >= p.count) return;
    uint row = i / p.columns;
    uint pair = row * 2 * p.columns + i % p.columns;
    if (kForm == kLogsToPairs) {
        vec2 sum = scaled_exp(activation_floats[p.x + i]);
        activation_floats[p.y + pair] = sum.y > 0.0 ? sum.x : 0.0;
        activation_floats[p.y + pair + p.columns] = sum.y;
    } else if (kForm == kPairsToLogs) {
        vec2 sum = vec2(activation_floats[p.x + pair], activation_floats[p.x + pair + p.columns]);
        activation_floats[p.y + i] = log_of_ratio(whole(sum), vec2(0.0, 1.0));
    } else {
        float sum = activation_floats[p.z + (row / p.width * 2 + 1) * p.width + row % p.width];
        float x = activation_floats[p.x + i];
        float known = kForm == kMeansToSums ? x * sum : x / sum;
        activation_floats[p.y + i] = sum > 0.0 ? known : 0.0;
    }
}
