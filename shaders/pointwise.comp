#version 450
#extension GL_GOOGLE_include_directive : require
// Operations that take each element by itself: activations, gates, squashing and normalising by channel.
#include "common/storage.glsl"
#include "common/activation.glsl"
#include "pointwise.h"

layout(local_size_x = 64) in;
layout(constant_id = 0) const uint kXArena = kActivations;
layout(constant_id = 1) const uint kGateArena = kActivations;
layout(constant_id = 2) const uint kYArena = kActivations;
layout(constant_id = 3) const uint kOperation = 0;
layout(constant_id = 4) const uint kActivation = kIdentity;
layout(push_constant) uniform Push { PointwiseParameters p; };

// The numbers are those of gramian::Pointwise.
const uint kActivate = 0;
const uint kAddActivate = 1;
const uint kGate = 2;
const uint kAdd = 3;
const uint kMultiply = 4;
const uint kSquashClip = 5;
const uint kSquashTanh = 6;
const uint kNormalize = 7;

float second(uint i) { return load(kGateArena, p.gate + i); }

float apply(uint i, float x)
{
    if (kOperation == kAddActivate) return activate(kActivation, x + second(i));
    if (kOperation == kGate) return x * activate(kActivation, second(i));
    if (kOperation == kAdd) return x + second(i);
    if (kOperation == kMultiply) return x * second(i);
    if (kOperation >= kSquashClip) {
        float low = weight_floats[p.low + i % p.columns];
        float high = weight_floats[p.high + i % p.columns];
        if (kOperation == kSquashClip) return min(max(x, low), high);
        if (kOperation == kSquashTanh) return low + (tanh_safe(x) + 1.0) * 0.5 * (high - low);
        float scaled = (x - low) / sqrt(high + p.epsilon);
        return p.clip > 0.0 ? clamp(scaled, -p.clip, p.clip) : scaled;
    }
    return activate(kActivation, x);
}

void main()
{
    // Rows of workgroups, since one dimension may have no more than 65,535 of them.
    uint i = (gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x) * 64 + gl_LocalInvocationID.x;
    if (i < p.count) store(kYArena, p.y + i, apply(i, load(kXArena, p.x + i)));
}
