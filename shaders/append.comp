#version 450
#extension GL_GOOGLE_include_directive : require
// Puts the new tokens of some streams behind the ones that they hold: the pairs that a softmax head keeps.
#include "common/storage.glsl"
#include "append.h"

layout(local_size_x = 64) in;
layout(constant_id = 0) const uint kXArena = kActivations;
layout(push_constant) uniform Push { AppendParameters p; };

void main()
{
    uint token = gl_WorkGroupID.x;
    uint slot = gl_WorkGroupID.y;
    uint stream = io_words[p.streams + slot];
    uint count = io_words[p.counts + slot];
    uint position = io_words[p.positions + slot];
    if (token < count && position + token < p.capacity) {
        uint from = p.x + (slot * p.tokens + token) * p.width;
        uint to = p.z + (stream * p.capacity + position + token) * p.width;
        for (uint i = gl_LocalInvocationID.x; i < p.width; i += 64) store(kState, to + i, load(kXArena, from + i));
    }
    if (p.total != kNone && count > 0 && token == 0 && gl_LocalInvocationID.x == 0) {
        state_words[p.total + stream] = position + count;
    }
}
