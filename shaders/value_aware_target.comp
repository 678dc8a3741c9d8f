#version 450
#extension GL_GOOGLE_include_directive : require
// The weights p, a softmax of the logits where these are given, and the target o = p^T v. A problem a workgroup.
#include "common/value_aware.glsl"

layout(local_size_x = 64) in;

shared float parts[64];

float reduced(float part, bool is_sum)
{
    uint lane = gl_LocalInvocationID.x;
    barrier();
    parts[lane] = part;
    for (uint stride = 32; stride > 0; stride /= 2) {
        barrier();
        if (lane < stride) {
            float other = parts[lane + stride];
            parts[lane] = is_sum ? parts[lane] + other : max(parts[lane], other);
        }
    }
    barrier();
    return parts[0];
}

void main()
{
    uint lane = gl_LocalInvocationID.x;
    uint b = gl_WorkGroupID.x;
    if (p.logits != kNone) {
        uint logits = p.logits + b * p.keys;
        float most = -3.4e38;
        for (uint n = lane; n < p.keys; n += 64) most = max(most, activation_floats[logits + n]);
        most = reduced(most, false);
        float sum = 0.0;
        for (uint n = lane; n < p.keys; n += 64) sum += exp(activation_floats[logits + n] - most);
        sum = reduced(sum, true);
        for (uint n = lane; n < p.keys; n += 64) {
            activation_floats[p.p + b * p.keys + n] = exp(activation_floats[logits + n] - most) / sum;
        }
        memoryBarrierBuffer();
        barrier();
    }
    for (uint e = lane; e < p.columns; e += 64) {
        float o = 0.0;
        for (uint n = 0; n < p.keys; ++n) {
            o = fma(activation_floats[p.p + b * p.keys + n], activation_floats[p.v + (b * p.keys + n) * p.columns + e], o);
        }
        activation_floats[p.target + b * p.columns + e] = o;
    }
}
