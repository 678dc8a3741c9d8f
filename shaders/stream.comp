#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
// x *= factor, in place: what a kernel that must read and write so many bytes is measured against. 16 vectors a lane,
// the lanes of a workgroup side by side, no branch.
#include "common/storage.glsl"
#include "stream.h"

layout(local_size_x = 64) in;
layout(push_constant) uniform Push { StreamParameters p; };

void main()
{
    uint at = p.values / 4 + gl_WorkGroupID.x * 1024 + gl_LocalInvocationID.x;
    [[unroll]] for (uint i = 0; i < 16; ++i) state_vectors[at + 64 * i] *= p.factor;
}
