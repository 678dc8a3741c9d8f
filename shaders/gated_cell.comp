#version 450
#extension GL_GOOGLE_include_directive : require
// The recurrent half of a GRU or LSTM: a slot a workgroup, token after token, h in shared memory. A lane owns units
// lane, lane + 64, …; a sum over h is one chain of fused steps, so that cutting the tokens anywhere changes no bit.
#include "common/storage.glsl"
#include "common/weights.glsl"
#include "common/activation.glsl"
#include "gated_cell.h"

layout(local_size_x = 64) in;
layout(constant_id = 0) const uint kYArena = kActivations;
layout(constant_id = 1) const uint kStateArena = kState;
layout(constant_id = 2) const uint kIsLstm = 0;
layout(constant_id = 3) const uint kHasInitial = 1; // otherwise h and c are 0 before the first token
layout(push_constant) uniform Push { GatedCellParameters p; };

const uint kMaxWidth = 1024;
shared float h[2 * kMaxWidth]; // before the token and after it, in turn

// W h + b of all gates of one unit.
vec4 recurrent_gates(uint unit, uint from)
{
    uint rows = (kIsLstm == 1 ? 4 : 3) * p.width;
    vec4 sums = vec4(0.0);
    if (p.bias != kNone) {
        uint bias = p.bias + unit;
        sums.xyz = vec3(weight_floats[bias], weight_floats[bias + p.width], weight_floats[bias + 2 * p.width]);
        if (kIsLstm == 1) sums.w = weight_floats[bias + 3 * p.width];
    }
    sums = to_weight_units(sums);
    uint at = unit;
    for (uint i = 0; i < p.width; i += 4) {
        vec4 x = vec4(h[from + i], h[from + i + 1], h[from + i + 2], h[from + i + 3]);
        vec4 w = load_weights(p.weight, at);
        sums.x = fma(w.w, x.w, fma(w.z, x.z, fma(w.y, x.y, fma(w.x, x.x, sums.x))));
        w = load_weights(p.weight, at + p.width);
        sums.y = fma(w.w, x.w, fma(w.z, x.z, fma(w.y, x.y, fma(w.x, x.x, sums.y))));
        w = load_weights(p.weight, at + 2 * p.width);
        sums.z = fma(w.w, x.w, fma(w.z, x.z, fma(w.y, x.y, fma(w.x, x.x, sums.z))));
        if (kIsLstm == 1) {
            w = load_weights(p.weight, at + 3 * p.width);
            sums.w = fma(w.w, x.w, fma(w.z, x.z, fma(w.y, x.y, fma(w.x, x.x, sums.w))));
        }
        at += rows;
    }
    return from_weight_units(sums);
}

float gru(uint gates, uint unit, vec4 sums, float before)
{
    float r = sigmoid(activation_floats[gates + unit] + sums.x);
    float z = sigmoid(activation_floats[gates + p.width + unit] + sums.y);
    float n = tanh_safe(fma(r, sums.z, activation_floats[gates + 2 * p.width + unit]));
    return fma(z, before - n, n); // (1 - z) n + z h
}

float lstm(uint gates, uint unit, vec4 sums, uint stream, bool is_new, bool is_first)
{
    float i = sigmoid(activation_floats[gates + unit] + sums.x);
    float f = sigmoid(activation_floats[gates + p.width + unit] + sums.y);
    float g = tanh_safe(activation_floats[gates + 2 * p.width + unit] + sums.z);
    float o = sigmoid(activation_floats[gates + 3 * p.width + unit] + sums.w);
    uint at = stream * p.width + unit;
    float before = is_new ? 0.0 : load(kStateArena, (is_first ? p.initial_c : p.c) + at);
    float c = fma(f, before, i * g);
    store(kStateArena, p.c + at, c);
    return o * tanh_safe(c);
}

void main()
{
    uint lane = gl_LocalInvocationID.x;
    uint slot = p.first_slot + gl_WorkGroupID.x;
    uint stream = stream_of(p.streams, slot);
    uint end = stream == kNone ? 0 : p.counts == kNone ? p.tokens : io_words[p.counts + slot];
    end = min(end, p.first + p.count);
    for (uint i = lane; i < 2 * kMaxWidth; i += 64) {
        bool is_held = kHasInitial == 1 && i < p.width && end > p.first;
        h[i] = is_held ? load(kStateArena, p.initial_h + stream * p.width + i) : 0.0;
    }
    barrier();
    uint from = 0;
    for (uint t = p.first; t < end; ++t) {
        uint gates = p.gates + (slot * p.tokens + t) * (kIsLstm == 1 ? 4 : 3) * p.width;
        for (uint unit = lane; unit < p.width; unit += 64) {
            vec4 sums = recurrent_gates(unit, from);
            bool is_first = t == p.first;
            float next = kIsLstm == 1 ? lstm(gates, unit, sums, stream, is_first && kHasInitial == 0, is_first)
                                      : gru(gates, unit, sums, h[from + unit]);
            h[kMaxWidth - from + unit] = next;
            store(kYArena, p.y + (slot * p.tokens + t) * p.width + unit, next);
            if (t + 1 == end) store(kStateArena, p.h + stream * p.width + unit, next);
        }
        from = kMaxWidth - from;
        barrier();
    }
}
