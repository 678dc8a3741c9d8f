#version 450
#extension GL_GOOGLE_include_directive : require
// Choices among C: softmax, the largest, or a draw with the probabilities of x. A row a workgroup; every lane owns a
// run of neighbouring channels, so that running sums keep their order.
#include "common/storage.glsl"
#include "categorical.h"

layout(local_size_x = 64) in;
layout(constant_id = 0) const uint kXArena = kActivations;
layout(constant_id = 1) const uint kYArena = kActivations;
layout(constant_id = 2) const uint kKeyArena = kActivations;
layout(constant_id = 3) const uint kChoice = 0; // the numbers are those of gramian::Choice
layout(push_constant) uniform Push { CategoricalParameters p; };

const uint kSoftmax = 0;
const uint kArgmax = 1;
const uint kSample = 2;
const float kNever = -3.4e38;
shared float values[64];
shared uint indices[64];

// The value of the largest element in the lower lane, and its index: of equals the first.
void reduce_largest(uint lane, float value, uint index)
{
    values[lane] = value;
    indices[lane] = index;
    for (uint stride = 32; stride > 0; stride /= 2) {
        barrier();
        if (lane < stride) {
            float other = values[lane + stride];
            bool is_larger = other > values[lane];
            if (is_larger || (other == values[lane] && indices[lane + stride] < indices[lane])) {
                values[lane] = other;
                indices[lane] = indices[lane + stride];
            }
        }
    }
    barrier();
}

// The sum over the lanes below, and the sum over all.
vec2 sums_below(uint lane, float part)
{
    barrier();
    values[lane] = part;
    barrier();
    vec2 sums = vec2(0.0);
    for (uint i = 0; i < 64; ++i) {
        if (i == lane) sums.x = sums.y;
        sums.y += values[i];
    }
    return sums;
}

// A bijection of 32 bits that scatters them: xor, shift and odd factors, as in the finaliser of MurmurHash3.
uint scatter(uint h)
{
    h = (h ^ (h >> 16)) * 0x85ebca6bu;
    h = (h ^ (h >> 13)) * 0xc2b2ae35u;
    return h ^ (h >> 16);
}

// In [0, 1), of 24 bits, from the seed, the key and the place in the sequence alone.
float draw(uint row)
{
    uint position = row % p.tokens;
    if (p.positions != kNone) position += io_words[p.positions + row / p.tokens];
    uint h = scatter(p.seed_low ^ 0x9e3779b9u);
    h = scatter(h ^ p.seed_high);
    h = scatter(h ^ (p.key == kNone ? 0 : floatBitsToUint(load(kKeyArena, p.key + row))));
    h = scatter(h ^ position);
    return float(h >> 8) * (1.0 / 16777216.0);
}

void main()
{
    uint lane = gl_LocalInvocationID.x;
    uint row = p.first_row + gl_WorkGroupID.x;
    uint x = p.x + row * p.channels;
    uint run = (p.channels + 63) / 64;
    uint begin = min(lane * run, p.channels);
    uint end = min(begin + run, p.channels);
    if (kChoice == kSample) {
        float part = 0.0;
        for (uint i = begin; i < end; ++i) part += max(load(kXArena, x + i), 0.0);
        vec2 sums = sums_below(lane, part);
        float target = draw(row) * sums.y;
        // The last channel whose range begins at or below the target and is not empty: the running sums only grow.
        float sum = sums.x;
        uint chosen = 0;
        float reached = kNever;
        for (uint i = begin; i < end; ++i) {
            float weight = max(load(kXArena, x + i), 0.0);
            if (weight > 0.0 && sum <= target) {
                chosen = i;
                reached = float(i);
            }
            sum += weight;
        }
        barrier();
        reduce_largest(lane, reached, chosen);
        if (lane == 0) store(kYArena, p.y + row, float(indices[0]));
        return;
    }
    float largest = kNever;
    uint index = begin;
    for (uint i = begin; i < end; ++i) {
        float value = load(kXArena, x + i);
        if (value > largest) index = i;
        largest = max(largest, value);
    }
    reduce_largest(lane, largest, index);
    largest = values[0];
    if (kChoice == kArgmax) {
        if (lane == 0) store(kYArena, p.y + row, float(indices[0]));
        return;
    }
    float part = 0.0;
    for (uint i = begin; i < end; ++i) part += exp(load(kXArena, x + i) - largest);
    float sum = sums_below(lane, part).y;
    for (uint i = begin; i < end; ++i) store(kYArena, p.y + row * p.channels + i, exp(load(kXArena, x + i) - largest) / sum);
}
