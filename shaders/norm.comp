#version 450
#extension GL_GOOGLE_include_directive : require
// Layer, root-mean-square and Euclidean normalisation: one row and head a workgroup.
#include "common/storage.glsl"
#include "norm.h"

#define Rows float
shared float partial[64];
#include "common/norm.glsl"

layout(local_size_x = 64) in;
layout(constant_id = 0) const uint kXArena = kActivations;
layout(constant_id = 1) const uint kYArena = kActivations;
layout(constant_id = 2) const uint kKind = kLayerNorm;
layout(push_constant) uniform Push { NormParameters p; };

uint at; // of this row and head

float load_rows(uint channel) { return load(kXArena, p.x + at + channel); }

void main()
{
    uint row = p.first_row + gl_WorkGroupID.x;
    at = (row * p.heads + gl_WorkGroupID.y) * p.width;
    float mean;
    float factor;
    measure_rows(kKind, p.width, p.epsilon, mean, factor);
    for (uint i = gl_LocalInvocationID.x; i < p.width; i += 64) {
        uint channel = gl_WorkGroupID.y * p.width + i;
        precise float y = (load_rows(i) - mean) * factor; // as in linear.comp, to the bit
        if (p.weight != kNone) y *= weight_floats[p.weight + channel];
        if (p.bias != kNone) y += weight_floats[p.bias + channel];
        store(kYArena, p.y + at + i, y);
    }
}
