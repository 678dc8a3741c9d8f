#version 450
#extension GL_GOOGLE_include_directive : require
// What the features of keys are stabilised by: the largest w.x' of all keys, or in causal order of the keys so far,
// M_t = max(M_{t-1}, peak_t), where sums made before shrink by e^(M_{t-1} - M_t). A workgroup owns a slot and head and
// takes 64 tokens at a time; a maximum does not depend on how they were grouped.
#include "common/storage.glsl"
#include "favor_stabilizer.h"

layout(local_size_x = 64) in;
layout(constant_id = 0) const uint kIsCausal = 1;
layout(push_constant) uniform Push { FavorStabilizerParameters p; };

const float kNever = -3.4e38;
shared float reached[65]; // reached[i + 1]: the largest up to token i of the 64; reached[0]: before them

// The running maximum of 64 values and of what came before; leaves them in `reached`.
void scan(uint lane, float value, float before)
{
    barrier();
    if (lane == 0) reached[0] = before;
    reached[lane + 1] = max(value, before);
    for (uint stride = 1; stride < 64; stride *= 2) {
        barrier();
        float other = lane >= stride ? reached[lane + 1 - stride] : kNever;
        barrier();
        reached[lane + 1] = max(reached[lane + 1], other);
    }
    barrier();
}

void main()
{
    uint lane = gl_LocalInvocationID.x;
    uint head = gl_WorkGroupID.x;
    uint slot = gl_WorkGroupID.y;
    uint stream = stream_of(p.streams, slot);
    uint count = p.counts == kNone ? p.tokens : io_words[p.counts + slot];
    if (stream == kNone) count = 0;
    uint kept = p.state + 2 * (stream * p.heads + head);
    float largest = kNever;
    if (p.state != kNone && count > 0 && state_floats[kept + 1] > 0.0) largest = state_floats[kept];
    for (uint first = 0; first < count; first += 64) {
        uint at = (slot * p.tokens + first + lane) * p.heads + head;
        bool is_there = first + lane < count;
        scan(lane, is_there ? activation_floats[p.peak + at] : kNever, largest);
        if (kIsCausal == 1 && is_there) {
            float before = reached[lane];
            activation_floats[p.peak + at] = reached[lane + 1];
            activation_floats[p.decay + at] = before == kNever ? 0.0 : before - reached[lane + 1];
        }
        largest = reached[64];
    }
    for (uint t = lane; kIsCausal == 0 && t < count; t += 64) {
        activation_floats[p.peak + (slot * p.tokens + t) * p.heads + head] = largest;
    }
    if (p.state != kNone && count > 0 && lane == 0) {
        state_floats[kept] = largest;
        state_floats[kept + 1] = 1.0;
    }
}
