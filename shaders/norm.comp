#version 450
#extension GL_GOOGLE_include_directive : require
// Layer, root-mean-square and Euclidean normalisation: one row and head a workgroup. The variance is taken around the
// mean in a second pass: E[x^2] - E[x]^2 would cancel.
#include "common/storage.glsl"
#include "norm.h"

layout(local_size_x = 64) in;
layout(constant_id = 0) const uint kXArena = kActivations;
layout(constant_id = 1) const uint kYArena = kActivations;
layout(constant_id = 2) const uint kKind = 0;
layout(push_constant) uniform Push { NormParameters p; };

// The numbers are those of gramian::Norm.
const uint kLayerNorm = 0;
const uint kRmsNorm = 1;
const uint kL2Norm = 2;

shared float partial[64];

float sum_of_squares(uint from, float mean)
{
    uint lane = gl_LocalInvocationID.x;
    float sum = 0.0;
    for (uint i = lane; i < p.width; i += 64) {
        float x = load(kXArena, from + i) - mean;
        sum = fma(x, x, sum);
    }
    return sum;
}

float reduce(float value)
{
    uint lane = gl_LocalInvocationID.x;
    barrier();
    partial[lane] = value;
    for (uint stride = 32; stride > 0; stride /= 2) {
        barrier();
        if (lane < stride) partial[lane] += partial[lane + stride];
    }
    barrier();
    return partial[0];
}

void main()
{
    uint lane = gl_LocalInvocationID.x;
    uint row = p.first_row + gl_WorkGroupID.x;
    uint at = (row * p.heads + gl_WorkGroupID.y) * p.width;
    float mean = 0.0;
    if (kKind == kLayerNorm) {
        float sum = 0.0;
        for (uint i = lane; i < p.width; i += 64) sum += load(kXArena, p.x + at + i);
        mean = reduce(sum) / float(p.width);
    }
    float squares = reduce(sum_of_squares(p.x + at, mean));
    float factor = 1.0 / sqrt(squares / float(p.width) + p.epsilon);
    if (kKind == kL2Norm) factor = 1.0 / max(sqrt(squares), p.epsilon);
    for (uint i = lane; i < p.width; i += 64) {
        uint channel = gl_WorkGroupID.y * p.width + i;
        float y = (load(kXArena, p.x + at + i) - mean) * factor;
        if (p.weight != kNone) y *= weight_floats[p.weight + channel];
        if (p.bias != kNone) y += weight_floats[p.bias + channel];
        store(kYArena, p.y + at + i, y);
    }
}
