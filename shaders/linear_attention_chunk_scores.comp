#version 450
#extension GL_GOOGLE_include_directive : require
// Second of the chunk kernels: what token r of a chunk reads of what token s <= r wrote and erased there, decayed from s
// to r. One chunk, stream and head a workgroup, a pair (r, s) a lane.
#include "common/storage.glsl"
#include "common/recurrence_chunk.glsl"

void take_pair(uint chunk, uint r, uint s)
{
    uint cell = cell_of(chunk);
    uint later = token_head_of(chunk, r);
    uint earlier = token_head_of(chunk, s);
    uint last = cell + r * kWidth;
    uint first = cell + s * kWidth;
    bool is_same = r == s;
    vec4 sums = vec4(0.0); // in the order of the scores
    for (uint i = 0; i < kWidth; ++i) {
        // From s to the state that token r finds (before its own decay), and to the one it leaves.
        float sum = activation_floats[first + kSum + i];
        float rest = activation_floats[first + kSumRest + i];
        float before = 0.0;
        if ((kReadsBefore == 1 || kErasesPre == 1) && !is_same) {
            uint at = last - kWidth + i;
            before = exp((activation_floats[at + kSum] - sum) + (activation_floats[at + kSumRest] - rest));
        }
        float now = exp((activation_floats[last + kSum + i] - sum) + (activation_floats[last + kSumRest + i] - rest));
        float w = written(earlier, i);
        float b = erase_write(earlier, i);
        float q = query(later, i);
        float read = q * (kReadsBefore == 1 ? before : now);
        float bonus = kHasBonus == 1 ? weight_floats[p.bonus + head * kWidth + i] : 0.0;
        sums.x = fma(kReadsBefore == 1 && is_same ? q * bonus : read, w, sums.x);
        if (kRule == 0) continue;
        float a = is_same ? 0.0 : erase_read(later, i) * (kErasesPre == 1 ? before : now);
        sums.yzw = fma(vec3(read, a, a), vec3(b, w, b), sums.yzw);
    }
    activation_floats[score_in(cell, kScoreQueryWrite, r, s)] = sums.x;
    if (kRule == 0) return;
    activation_floats[score_in(cell, kScoreQueryErase, r, s)] = sums.y;
    activation_floats[score_in(cell, kScoreEraseWrite, r, s)] = sums.z;
    activation_floats[score_in(cell, kScoreEraseErase, r, s)] = sums.w;
}

void main()
{
    head = gl_WorkGroupID.y;
    slot = gl_WorkGroupID.z;
    uint chunk = gl_WorkGroupID.x;
    uint count = tokens_of(chunk);
    for (uint pair = gl_LocalInvocationID.x; pair < count * kChunk; pair += 64) {
        if (pair % kChunk <= pair / kChunk) take_pair(chunk, pair / kChunk, pair % kChunk);
    }
}
