#version 450
#extension GL_GOOGLE_include_directive : require
// The last step of LARA: a token mixes the landmarks' values with weights from importance sampling. What all landmarks
// of a token share, -|q|^2 / 2, cancels and is left out. A workgroup owns a token and head, a lane some landmarks and
// then some columns.
#include "common/storage.glsl"
#include "lara.h"

layout(local_size_x = 64) in;
layout(constant_id = 0) const uint kQArena = kActivations;
layout(constant_id = 1) const uint kOArena = kActivations;
layout(constant_id = 2) const uint kLandmarks = 64;
layout(push_constant) uniform Push { LaraParameters p; };

const float kNever = -3.4e38;
const float kLeastAlpha = 1.0e-8;
shared float share[kLandmarks]; // of the token in a landmark's softmax over tokens
shared float gain[kLandmarks];  // bh, then the weight
shared float power[kLandmarks]; // exponent of the weight
shared float reduced[64];

float reduce(uint lane, float value, bool is_max)
{
    reduced[lane] = value;
    for (uint stride = 32; stride > 0; stride /= 2) {
        barrier();
        float other = lane < stride ? reduced[lane + stride] : 0.0;
        if (lane < stride) reduced[lane] = is_max ? max(reduced[lane], other) : reduced[lane] + other;
    }
    barrier();
    float result = reduced[0];
    barrier();
    return result;
}

void main()
{
    uint lane = gl_LocalInvocationID.x;
    uint row = p.first_row + gl_WorkGroupID.x;
    uint head = gl_WorkGroupID.y;
    uint slot = row / p.tokens;
    uint q = p.q + (row * p.heads + head) * p.width;
    float shares = 0.0;
    float largest = kNever;
    for (uint c = lane; c < p.landmarks; c += 64) {
        uint at = (slot * p.landmarks + c) * p.heads + head;
        vec3 sums = vec3(0.0); // q.mu, q.mean, mu.mu
        for (uint i = 0; i < p.width; ++i) {
            float x = load(kQArena, q + i);
            float mu = activation_floats[p.mu + at * p.width + i];
            sums.x = fma(x, mu, sums.x);
            sums.y = fma(x, activation_floats[p.mean_q + at * p.width + i], sums.y);
            sums.z = fma(mu, mu, sums.z);
        }
        float own = 0.5 * p.scale * sums.z; // prm(mu; mu)
        vec2 keys = vec2(activation_floats[p.key_sums + 2 * at], activation_floats[p.key_sums + 2 * at + 1]);
        vec2 means = vec2(activation_floats[p.mean_sums + 2 * at], activation_floats[p.mean_sums + 2 * at + 1]);
        vec2 mus = vec2(activation_floats[p.mu_sums + 2 * at], activation_floats[p.mu_sums + 2 * at + 1]);
        share[c] = exp(p.scale * sums.y - means.x) / means.y;
        gain[c] = exp(own - mus.x) / mus.y;
        power[c] = p.scale * sums.x + log(keys.y) + keys.x - own;
        shares += share[c];
        largest = max(largest, power[c]);
    }
    float mean = reduce(lane, shares, false) / float(p.landmarks);
    largest = reduce(lane, largest, true);
    float total = 0.0;
    for (uint c = lane; c < p.landmarks; c += 64) {
        gain[c] = max(fma(p.alpha, share[c] - mean, gain[c]), kLeastAlpha) * exp(power[c] - largest);
        total += gain[c];
    }
    total = reduce(lane, total, false);
    for (uint i = lane; i < p.width; i += 64) {
        float sum = 0.0;
        for (uint c = 0; c < p.landmarks; ++c) {
            uint at = (slot * p.landmarks + c) * p.heads + head;
            sum = fma(gain[c], activation_floats[p.values + at * p.width + i], sum);
        }
        store(kOArena, p.o + (row * p.heads + head) * p.width + i, sum / total);
    }
}
