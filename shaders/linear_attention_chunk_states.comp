#version 450
#extension GL_GOOGLE_include_directive : require
// Third of the chunk kernels: chunk after chunk, what each token erases, and the state at the chunk's end.
//
//     e_r = (a_r e^G)^T S + sum_{s<r} (a.w)_rs v_s + (a.b)_rs e_s;  S' = e^G_last S + sum_s w_s v_s^T + b_s e_s^T
//
// The second is a triangular system in e: its rows are settled one after the other. One stream, head and block of
// columns a workgroup; the state stays in shared memory from chunk to chunk.
#include "common/storage.glsl"
#include "common/recurrence_chunk.glsl"

const uint kGroups = 64 / kColumns; // lanes that share a column
shared float states[kWidth * kColumns];
shared float erased[kRule > 0 ? kChunk * kColumns : 1];

uint lane_column; // of the block
uint group;

void erase(uint chunk, uint cell, uint count, uint column, bool has_column)
{
    for (uint r = group; r < count; r += kGroups) {
        float sum = 0.0;
        for (uint i = 0; i < kWidth; ++i) {
            sum = fma(activation_floats[cell + kErasers + r * kWidth + i], states[i * kColumns + lane_column], sum);
        }
        for (uint s = 0; s < r && has_column; ++s) {
            float v = value(token_head_of(chunk, s), column);
            sum = fma(activation_floats[score_in(cell, kScoreEraseWrite, r, s)], v, sum);
        }
        erased[r * kColumns + lane_column] = sum;
    }
    for (uint s = 0; s < count; ++s) {
        barrier();
        float settled = erased[s * kColumns + lane_column];
        for (uint r = s + 1 + group; r < count; r += kGroups) {
            uint at = r * kColumns + lane_column;
            erased[at] = fma(activation_floats[score_in(cell, kScoreEraseErase, r, s)], settled, erased[at]);
        }
    }
    barrier();
    for (uint r = group; r < count && has_column; r += kGroups) {
        activation_floats[erased_in(cell) + r * p.columns + column] = erased[r * kColumns + lane_column];
    }
}

void write(uint chunk, uint cell, uint count, uint column)
{
    for (uint i = group; i < kWidth; i += kGroups) {
        uint at = i * kColumns + lane_column;
        activation_floats[cell + kBorder + i * p.columns + column] = states[at];
        float sum = activation_floats[cell + kFactors + i] * states[at];
        for (uint s = 0; s < count; ++s) {
            uint row = cell + s * kWidth + i;
            sum = fma(activation_floats[row + kWrites], value(token_head_of(chunk, s), column), sum);
            if (kRule > 0) {
                sum = fma(activation_floats[row + kEraseWrites], erased[s * kColumns + lane_column], sum);
            }
        }
        states[at] = sum;
    }
}

void main()
{
    head = gl_WorkGroupID.y;
    slot = gl_WorkGroupID.z;
    lane_column = gl_LocalInvocationID.x % kColumns;
    group = gl_LocalInvocationID.x / kColumns;
    uint column = gl_WorkGroupID.x * kColumns + lane_column;
    bool has_column = column < p.columns;
    uint stream = stream_of(p.streams, slot);
    uint at = (stream * p.heads + head) * kWidth * p.columns + column;
    bool has_tokens = tokens_of(p.first_chunk) > 0;
    for (uint i = group; i < kWidth; i += kGroups) {
        bool is_given = kHasInitial == 1 && has_column && has_tokens;
        states[i * kColumns + lane_column] = is_given ? load(kStateArena, p.initial + at + i * p.columns) : 0.0;
    }
    for (uint chunk = p.first_chunk; chunk < p.first_chunk + p.chunk_count; ++chunk) {
        uint count = tokens_of(chunk);
        uint cell = cell_of(chunk);
        barrier();
        if (kRule > 0) erase(chunk, cell, count, column, has_column);
        barrier();
        if (has_column && count > 0) write(chunk, cell, count, column);
    }
    for (uint i = group; i < kWidth && has_column && has_tokens; i += kGroups) {
        store(kStateArena, p.state + at + i * p.columns, states[i * kColumns + lane_column]);
    }
}
