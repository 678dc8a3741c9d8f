#version 450
#extension GL_GOOGLE_include_directive : require
// y = scale S^T f(q), or divided by z . f(q): what a solved head (S = W) and linear attention read. A workgroup owns
// one row and head and kColumns columns of S; the other lanes share the sum over the key channels.
#include "common/storage.glsl"
#include "common/feature.glsl"
#include "state_read.h"

layout(local_size_x = 64) in;
layout(constant_id = 0) const uint kQArena = kActivations;
layout(constant_id = 1) const uint kSArena = kState;
layout(constant_id = 2) const uint kYArena = kActivations;
layout(constant_id = 3) const uint kColumns = 64; // a power of two up to 64
layout(constant_id = 4) const uint kFeature = kFeatureIdentity;
layout(constant_id = 5) const uint kNormalize = 0;
layout(push_constant) uniform Push { StateReadParameters p; };

shared vec2 parts[64];

float bounded_denominator(float value)
{
    float sign_of = value < 0.0 ? -1.0 : 1.0;
    return abs(value) < p.denominator_min ? sign_of * p.denominator_min : value;
}

void main()
{
    uint lane = gl_LocalInvocationID.x;
    uint row = p.first_row + gl_WorkGroupID.x;
    uint head = gl_WorkGroupID.y;
    uint column = gl_WorkGroupID.z * kColumns + lane % kColumns;
    uint state_head = readable_stream_of(p.streams, row / p.tokens) * p.heads + head;
    uint q = p.q + (row * p.heads + head) * p.width;
    uint s = p.s + state_head * p.width * p.columns + column;
    uint z = p.z + state_head * p.width;
    vec2 sum = vec2(0.0); // of S and of z
    for (uint i = lane / kColumns; i < p.width; i += 64 / kColumns) {
        float f = feature(kFeature, load(kQArena, q + i));
        if (column < p.columns) sum.x = fma(f, load(kSArena, s + i * p.columns), sum.x);
        if (kNormalize == 1) sum.y = fma(f, load(kSArena, z + i), sum.y);
    }
    parts[lane] = sum;
    for (uint stride = 32; stride >= kColumns; stride /= 2) {
        barrier();
        if (lane < stride) parts[lane] += parts[lane + stride];
    }
    barrier();
    if (lane < kColumns && column < p.columns) {
        vec2 total = parts[lane];
        float y = p.scale * total.x;
        if (kNormalize == 1) y /= bounded_denominator(p.scale * total.y + p.epsilon);
        store(kYArena, p.y + (row * p.heads + head) * p.columns + column, y);
    }
}
