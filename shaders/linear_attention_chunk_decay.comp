#version 450
#extension GL_GOOGLE_include_directive : require
// First of the chunk kernels: sums the log decays of a chunk, and decays queries to its first state and keys to its last
// one. One chunk, stream and head a workgroup, a key feature a lane.
//
// Only differences of sums are ever exponentiated, and only those that are not positive: e^-G, which overflows once a
// chunk decays by e^-88, appears nowhere. The sums keep what their rounding loses, so that after a decay of e^-1000 the
// next tokens still know theirs to 2^-24.
#include "common/storage.glsl"
#include "common/recurrence_chunk.glsl"

// No decay is stronger in float than e^-200 = 0; and infinities have no differences.
const float kLeast = -200.0;

float log_decay(uint token_head, uint i)
{
    float g = 0.0;
    if (kDecay > 0) {
        g = activation_floats[p.decay + (kDecay == 2 ? token_head * kWidth + i : token_head)];
        if (kIsNegExp == 1) g = -exp(g);
    }
    if (kHasHeadDecay == 1) g += weight_floats[p.head_decay + head];
    return max(g, kLeast);
}

void take_feature(uint chunk, uint count, uint i)
{
    uint cell = cell_of(chunk);
    float sum = 0.0;
    float rest = 0.0;
    for (uint r = 0; r < count; ++r) {
        uint token_head = token_head_of(chunk, r);
        uint at = cell + r * kWidth + i;
        float before = exp(sum + rest);
        precise float g = log_decay(token_head, i);
        precise float next = sum + g;
        precise float part = next - sum;
        precise float lost = (sum - (next - part)) + (g - part);
        sum = next;
        rest += lost;
        float now = exp(sum + rest);
        activation_floats[at + kSum] = sum;
        activation_floats[at + kSumRest] = rest;
        activation_floats[at + kQueries] = query(token_head, i) * (kReadsBefore == 1 ? before : now);
        if (kRule > 0) activation_floats[at + kErasers] = erase_read(token_head, i) * (kErasesPre == 1 ? before : now);
    }
    for (uint r = 0; r < count; ++r) {
        uint token_head = token_head_of(chunk, r);
        uint at = cell + r * kWidth + i;
        float left = exp((sum - activation_floats[at + kSum]) + (rest - activation_floats[at + kSumRest]));
        activation_floats[at + kWrites] = written(token_head, i) * left;
        if (kRule > 0) activation_floats[at + kEraseWrites] = erase_write(token_head, i) * left;
    }
    activation_floats[cell + kFactors + i] = exp(sum + rest);
}

void main()
{
    head = gl_WorkGroupID.y;
    slot = gl_WorkGroupID.z;
    uint chunk = gl_WorkGroupID.x;
    uint count = tokens_of(chunk);
    for (uint i = gl_LocalInvocationID.x; i < kWidth && count > 0; i += 64) take_feature(chunk, count, i);
}
