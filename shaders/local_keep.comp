#version 450
#extension GL_GOOGLE_include_directive : require
// What the tokens of a call leave to the next one: the last of them in a ring, and the sums of queries and keys over
// the chunk that they leave open. A workgroup owns a slot and head, and so the word that counts its tokens.
#include "common/storage.glsl"
#include "local_keep.h"

layout(local_size_x = 64) in;
layout(constant_id = 0) const uint kQArena = kActivations;
layout(constant_id = 1) const uint kKArena = kActivations;
layout(constant_id = 2) const uint kVArena = kActivations;
layout(push_constant) uniform Push { LocalKeepParameters p; };

void main()
{
    uint lane = gl_LocalInvocationID.x;
    uint head = gl_WorkGroupID.x;
    uint slot = gl_WorkGroupID.y;
    uint stream = readable_stream_of(p.streams, slot);
    uint count = p.counts == kNone ? p.tokens : io_words[p.counts + slot];
    if (stream_of(p.streams, slot) == kNone) count = 0;
    uint held = state_words[p.held + stream * p.heads + head];
    uint first = count > p.ring ? count - p.ring : 0; // earlier ones would be written over
    for (uint i = lane; i < (count - first) * p.width; i += 64) {
        uint t = first + i / p.width;
        uint from = ((slot * p.tokens + t) * p.heads + head) * p.width + i % p.width;
        uint to = ((stream * p.ring + (held + t) % p.ring) * p.heads + head) * p.width + i % p.width;
        state_floats[p.ring_k + to] = load(kKArena, p.k + from);
        state_floats[p.ring_v + to] = load(kVArena, p.v + from);
    }
    uint open = (held + count) / p.chunk * p.chunk; // first token of the chunk that stays open
    uint begin = open > held ? open - held : 0;
    for (uint i = lane; i < p.width && count > 0; i += 64) {
        uint at = (stream * p.heads + head) * p.width + i;
        float sum_q = open > held ? 0.0 : state_floats[p.sum_q + at];
        float sum_k = open > held ? 0.0 : state_floats[p.sum_k + at];
        for (uint t = begin; t < count; ++t) {
            uint from = ((slot * p.tokens + t) * p.heads + head) * p.width + i;
            sum_q += load(kQArena, p.q + from);
            sum_k += load(kKArena, p.k + from);
        }
        state_floats[p.sum_q + at] = sum_q;
        state_floats[p.sum_k + at] = sum_k;
    }
    barrier(); // everyone has read the count
    if (lane == 0 && count > 0) state_words[p.held + stream * p.heads + head] = held + count;
}
