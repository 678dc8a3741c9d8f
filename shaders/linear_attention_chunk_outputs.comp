#version 450
#extension GL_GOOGLE_include_directive : require
// Last of the chunk kernels: o_r = scale ((q_r e^G)^T S + sum_{s<=r} (q.w)_rs v_s + (q.b)_rs e_s), S the state before the
// chunk and e what its tokens erased. One chunk, stream, head and block of columns a workgroup.
#include "common/storage.glsl"
#include "common/recurrence_chunk.glsl"

void main()
{
    head = gl_WorkGroupID.y;
    slot = gl_WorkGroupID.z;
    uint blocks = (p.columns + kColumns - 1) / kColumns;
    uint chunk = gl_WorkGroupID.x / blocks;
    uint column = gl_WorkGroupID.x % blocks * kColumns + gl_LocalInvocationID.x % kColumns;
    uint count = tokens_of(chunk);
    uint cell = cell_of(chunk);
    for (uint r = gl_LocalInvocationID.x / kColumns; r < count && column < p.columns; r += 64 / kColumns) {
        float sum = 0.0;
        for (uint i = 0; i < kWidth; ++i) {
            float s = activation_floats[cell + kBorder + i * p.columns + column];
            sum = fma(activation_floats[cell + kQueries + r * kWidth + i], s, sum);
        }
        for (uint s = 0; s <= r; ++s) {
            float v = value(token_head_of(chunk, s), column);
            sum = fma(activation_floats[score_in(cell, kScoreQueryWrite, r, s)], v, sum);
            if (kRule > 0) {
                float e = activation_floats[erased_in(cell) + s * p.columns + column];
                sum = fma(activation_floats[score_in(cell, kScoreQueryErase, r, s)], e, sum);
            }
        }
        store(kOArena, p.o + token_head_of(chunk, r) * p.columns + column, p.scale * sum);
    }
}
