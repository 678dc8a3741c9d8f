#version 450
#extension GL_GOOGLE_include_directive : require
// A support becomes the answer: keys of positive weight in ascending order, then free slots (-1, 0); the weights sum to
// 1; the error is that of these weights. A problem a workgroup.
#include "common/value_aware.glsl"

layout(local_size_x = 64) in;

shared float parts[64];

float sum_of(float part)
{
    uint lane = gl_LocalInvocationID.x;
    barrier();
    parts[lane] = part;
    for (uint stride = 32; stride > 0; stride /= 2) {
        barrier();
        if (lane < stride) parts[lane] += parts[lane + stride];
    }
    barrier();
    return parts[0];
}

void main()
{
    uint lane = gl_LocalInvocationID.x;
    uint b = gl_WorkGroupID.x;
    for (uint r = lane; r < p.budget; r += 64) {
        activation_floats[p.indices + b * p.budget + r] = -1.0;
        activation_floats[p.chosen + b * p.budget + r] = 0.0;
    }
    float part = 0.0;
    for (uint slot = lane; slot < p.slots; slot += 64) part += max(weight_at(b, slot), 0.0);
    float sum = sum_of(part);
    memoryBarrierBuffer();
    barrier();
    for (uint slot = lane; slot < p.slots; slot += 64) {
        float w = weight_at(b, slot);
        float key = key_at(b, slot);
        if (!(w > 1.0e-12 * sum) || key < 0.0) continue;
        uint rank = 0;
        for (uint other = 0; other < p.slots; ++other) {
            if (weight_at(b, other) > 1.0e-12 * sum && key_at(b, other) >= 0.0 && key_at(b, other) < key) ++rank;
        }
        activation_floats[p.indices + b * p.budget + rank] = key;
        activation_floats[p.chosen + b * p.budget + rank] = w / sum;
    }
    memoryBarrierBuffer();
    barrier();
    float square = 0.0;
    for (uint e = lane; e < p.columns; e += 64) {
        float off = 0.0;
        for (uint r = 0; r < p.budget; ++r) {
            float key = activation_floats[p.indices + b * p.budget + r];
            float w = activation_floats[p.chosen + b * p.budget + r];
            if (key >= 0.0) off = fma(w, offset_of(b, uint(key), e), off);
        }
        square = fma(off, off, square);
    }
    square = sum_of(square);
    if (lane == 0) activation_floats[p.error + b] = sqrt(square);
}
