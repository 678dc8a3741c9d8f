#version 450
#extension GL_GOOGLE_include_directive : require
// s_t = log(e^(log sigmoid(a_t) + s_{t-1}) + e^b_t): a lane owns a channel of a stream and walks through its tokens.
#include "common/storage.glsl"
#include "common/logarithm.glsl"
#include "log_recurrence.h"

layout(local_size_x = 64) in;
layout(constant_id = 0) const uint kAArena = kActivations;
layout(constant_id = 1) const uint kBArena = kActivations;
layout(constant_id = 2) const uint kSArena = kActivations;
layout(constant_id = 3) const uint kStateArena = kActivations;
layout(constant_id = 4) const uint kHasInitial = 1; // without: log 1
layout(push_constant) uniform Push { LogRecurrenceParameters p; };

void main()
{
    uint channel = gl_WorkGroupID.x * 64 + gl_LocalInvocationID.x;
    uint slot = gl_WorkGroupID.y;
    uint stream = stream_of(p.streams, slot);
    if (channel >= p.channels || stream == kNone) return;
    uint end = min(p.first + p.count, p.counts == kNone ? p.tokens : io_words[p.counts + slot]);
    if (end <= p.first) return;
    uint at = stream * p.channels + channel;
    float s = kHasInitial == 1 ? load(kStateArena, p.initial + at) : 0.0;
    for (uint t = p.first; t < end; ++t) {
        uint i = (slot * p.tokens + t) * p.channels + channel;
        float a = load(kAArena, p.a + i);
        float b = load(kBArena, p.b + i);
        float kept = min(a, 0.0) - log1p(exp(-abs(a))) + s;
        float sum = max(kept, b) + log1p(exp(-abs(kept - b)));
        s = is_log_of_zero(s) ? b : is_log_of_zero(b) ? kept : sum;
        store(kSArena, p.s + i, s);
    }
    store(kStateArena, p.state + at, s);
}
