#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#ifdef GRAMIAN_TEXELS
#extension GL_EXT_samplerless_texture_functions : require
#endif
// x *= factor, in place: what a kernel that must read and write so many bytes is measured against. 16 vectors a lane,
// the lanes of a workgroup side by side, no branch. In the variant `texels` it reads through the texel buffer.
#include "common/storage.glsl"
#include "stream.h"

#ifdef GRAMIAN_TEXELS
layout(set = 0, binding = 4) uniform textureBuffer state_texels;
vec4 read(uint at) { return texelFetch(state_texels, int(at)); }
#else
vec4 read(uint at) { return state_vectors[at]; }
#endif

layout(local_size_x = 64) in;
layout(push_constant) uniform Push { StreamParameters p; };

void main()
{
    uint at = p.values / 4 + gl_WorkGroupID.x * 1024 + gl_LocalInvocationID.x;
    [[unroll]] for (uint i = 0; i < 16; ++i) state_vectors[at + 64 * i] = read(at + 64 * i) * p.factor;
}
