#version 450
#extension GL_GOOGLE_include_directive : require
// Puts the new tokens of some streams into their rings: token n into row n % rows. Keys come first (kIsSecond 0), then
// the values, and the two words of a total pass the number of tokens on: neither launch writes the word it reads.
#include "common/storage.glsl"
#include "ring_append.h"

layout(local_size_x = 64) in;
layout(constant_id = 0) const uint kXArena = kActivations;
layout(constant_id = 1) const uint kZArena = kState;
layout(constant_id = 2) const uint kIsSecond = 0;
layout(push_constant) uniform Push { RingAppendParameters p; };

void main()
{
    uint token = gl_WorkGroupID.x;
    uint slot = gl_WorkGroupID.y;
    uint stream = stream_of(p.streams, slot);
    uint count = p.counts == kNone ? p.count : min(p.count, io_words[p.counts + slot]);
    if (stream == kNone || token >= count) return;
    uint before = p.position;
    if (p.total != kNone) {
        before = kIsSecond == 1 ? state_words[p.total + 2 * stream + 1] - count : state_words[p.total + 2 * stream];
    }
    uint after = before + count;
    if (token + p.rows >= count) { // an earlier one would be written over
        uint from = p.x + (slot * p.tokens + p.first + token) * p.width;
        uint to = p.z + (stream * p.rows + (before + token) % p.rows) * p.width;
        for (uint i = gl_LocalInvocationID.x; i < p.width; i += 64) store(kZArena, to + i, load(kXArena, from + i));
    }
    if (p.total == kNone || token > 0 || gl_LocalInvocationID.x > 0) return;
    if (kIsSecond == 0) {
        state_words[p.total + 2 * stream + 1] = after;
    } else {
        bool folds = p.fold > 0 && after >= 2 * p.fold;
        state_words[p.total + 2 * stream] = folds ? p.fold + after % p.fold : after;
    }
}
