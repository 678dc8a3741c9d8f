#version 450
#extension GL_GOOGLE_include_directive : require
// A first support: the `slots` largest weights (kMode 0), the key nearest to the target (1), or one more key (2, 3). A
// problem a workgroup; of equals the lower number wins.
//
// With kMode 2 it is the key whose direction lowers the error fastest: the least v_n . x, where x is the answer of the
// present support, less the target (Frank & Wolfe 1956). With kMode 3 it is the key of the least score. Slots of weight 0
// are free; a key that lowers nothing is not taken.
#include "common/value_aware.glsl"

layout(local_size_x = 64) in;
layout(constant_id = 0) const uint kMode = 0;
layout(constant_id = 1) const uint kRoom = 1; // for columns, where kMode is 2

shared vec2 parts[64]; // value, key
shared float x[kRoom]; // the present answer, less the target
shared float square;   // its squared length

// The least value and its key, in every lane.
vec2 least(vec2 found)
{
    uint lane = gl_LocalInvocationID.x;
    barrier();
    parts[lane] = found;
    for (uint stride = 32; stride > 0; stride /= 2) {
        barrier();
        if (lane < stride) {
            vec2 other = parts[lane + stride];
            if (other.x < parts[lane].x || (other.x == parts[lane].x && other.y < parts[lane].y)) parts[lane] = other;
        }
    }
    barrier();
    return parts[0];
}

bool is_in_support(uint b, float key)
{
    for (uint slot = 0; slot < p.slots; ++slot) {
        if (key_at(b, slot) == key && weight_at(b, slot) > 0.0) return true;
    }
    return false;
}

float value_of(uint b, uint n)
{
    if (kMode == 0) return -activation_floats[p.p + b * p.keys + n];
    if (kMode == 3) return activation_floats[p.scores + b * p.keys + n];
    float sum = 0.0;
    for (uint e = 0; e < p.columns; ++e) {
        float a = offset_of(b, n, e);
        sum = fma(a, kMode == 1 ? a : x[e], sum);
    }
    return sum;
}

void find_answer(uint b)
{
    uint lane = gl_LocalInvocationID.x;
    for (uint e = lane; e < p.columns; e += 64) {
        float sum = 0.0;
        for (uint slot = 0; slot < p.slots; ++slot) {
            float w = weight_at(b, slot);
            if (w > 0.0) sum = fma(w, offset_of(b, uint(key_at(b, slot)), e), sum);
        }
        x[e] = sum;
    }
    barrier();
    float part = 0.0;
    for (uint e = 0; e < p.columns; ++e) part = fma(x[e], x[e], part);
    if (lane == 0) square = part;
    barrier();
}

void take_largest(uint b)
{
    uint lane = gl_LocalInvocationID.x;
    vec2 last = vec2(-3.4e38, -1.0); // keys at or before this one are taken already
    float sum = 0.0;
    for (uint slot = 0; slot < p.slots; ++slot) {
        vec2 found = vec2(3.4e38, float(p.keys));
        for (uint n = lane; n < p.keys; n += 64) {
            float value = value_of(b, n);
            bool is_later = value > last.x || (value == last.x && float(n) > last.y);
            if (is_later && value < found.x) found = vec2(value, float(n));
        }
        last = least(found);
        sum -= last.x;
        if (lane == 0) {
            activation_floats[p.support + b * p.slots + slot] = last.y;
            set_weight(b, slot, -last.x);
        }
    }
    memoryBarrierBuffer();
    barrier();
    for (uint slot = lane; slot < p.slots; slot += 64) {
        set_weight(b, slot, sum > 0.0 ? weight_at(b, slot) / sum : 1.0 / float(p.slots));
    }
}

void add_key(uint b)
{
    uint lane = gl_LocalInvocationID.x;
    if (kMode == 1) {
        for (uint slot = lane; slot < p.slots; slot += 64) {
            activation_floats[p.support + b * p.slots + slot] = -1.0;
            set_weight(b, slot, 0.0);
        }
        memoryBarrierBuffer();
        barrier();
    }
    if (kMode == 2) find_answer(b);
    vec2 found = vec2(3.4e38, float(p.keys));
    for (uint n = lane; n < p.keys; n += 64) {
        float value = value_of(b, n);
        if (value < found.x && !is_in_support(b, float(n))) found = vec2(value, float(n));
    }
    found = least(found);
    // What rounding alone could have made less does not count; a score says so itself (shaders/simplex.comp).
    bool is_less = kMode == 1 || (kMode == 2 ? found.x < square * 0.99999 : found.x < 3.0e38);
    if (lane != 0 || !is_less || found.y >= float(p.keys)) return;
    for (uint slot = 0; slot < p.slots; ++slot) {
        if (weight_at(b, slot) > 0.0) continue;
        activation_floats[p.support + b * p.slots + slot] = found.y;
        // A weight this small marks the slot as taken; the solve that follows sets it.
        set_weight(b, slot, kMode == 1 ? 1.0 : 1.0e-30);
        break;
    }
}

void main()
{
    uint b = gl_WorkGroupID.x;
    if (kMode == 0)
        take_largest(b);
    else
        add_key(b);
}
