#version 450
#extension GL_GOOGLE_include_directive : require
// y_t = f(b + sum_j w_j x_{t-K+1+j}) for every channel by itself: a causal depthwise convolution. A lane owns a
// channel of a slot and goes through its tokens; what lies before the first one comes from the state.
#include "common/storage.glsl"
#include "common/activation.glsl"
#include "short_conv.h"

layout(local_size_x = 64) in;
layout(constant_id = 0) const uint kXArena = kActivations;
layout(constant_id = 1) const uint kYArena = kActivations;
layout(constant_id = 2) const uint kStateArena = kState;
layout(constant_id = 3) const uint kActivation = kIdentity;
layout(constant_id = 4) const uint kHasInitial = 1; // otherwise zeros lie before the first token
layout(constant_id = 5) const uint kHasState = 1;
layout(push_constant) uniform Push { ShortConvParameters p; };

// Token t of this channel; the K - 1 rows of the state are the tokens before token 0.
float token(uint slot, uint stream, uint channel, int t)
{
    if (t >= 0) return load(kXArena, p.x + (slot * p.tokens + uint(t)) * p.channels + channel);
    if (kHasInitial == 0) return 0.0;
    uint row = uint(t + int(p.taps) - 1);
    return load(kStateArena, p.initial + (stream * (p.taps - 1) + row) * p.channels + channel);
}

void main()
{
    uint i = (gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x) * 64 + gl_LocalInvocationID.x;
    uint slot = i / p.channels;
    uint channel = i % p.channels;
    if (slot >= p.slots) return;
    uint stream = stream_of(p.streams, slot);
    if (stream == kNone) return;
    uint all = p.counts == kNone ? p.tokens : io_words[p.counts + slot];
    uint end = min(all, p.first + p.count);
    float bias = p.bias == kNone ? 0.0 : weight_floats[p.bias + channel];
    for (uint t = p.first; t < end; ++t) {
        float sum = bias;
        for (uint j = 0; j < p.taps; ++j) {
            float w = weight_floats[p.weight + channel * p.taps + j];
            sum = fma(w, token(slot, stream, channel, int(t + j) - int(p.taps) + 1), sum);
        }
        store(kYArena, p.y + (slot * p.tokens + t) * p.channels + channel, activate(kActivation, sum));
    }
    if (kHasState == 0 || end < all || end <= p.first) return; // a later launch has the last token, or an earlier had
    for (uint row = 0; row + 1 < p.taps; ++row) { // upwards: a row is read before it is written over
        float value = token(slot, stream, channel, int(end + row) - int(p.taps) + 1);
        store(kStateArena, p.state + (stream * (p.taps - 1) + row) * p.channels + channel, value);
    }
}
