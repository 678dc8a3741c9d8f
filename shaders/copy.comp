#version 450
#extension GL_GOOGLE_include_directive : require
// Copies a range of columns of every row: what concat and slice are made of. Or fills it.
#include "common/storage.glsl"
#include "copy.h"

layout(local_size_x = 64) in;
layout(constant_id = 0) const uint kXArena = kActivations;
layout(constant_id = 1) const uint kYArena = kActivations;
layout(constant_id = 2) const uint kIsFill = 0; // writes p.value instead
layout(push_constant) uniform Push { CopyParameters p; };

void main()
{
    uint i = (gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x) * 64 + gl_LocalInvocationID.x;
    if (i >= p.count) return;
    uint row = i / p.width;
    uint column = i % p.width;
    float value = kIsFill == 1 ? p.value : load(kXArena, p.x + row * p.x_stride + p.x_first + column);
    store(kYArena, p.y + row * p.y_stride + p.y_first + column, value);
}
