#version 450
#extension GL_GOOGLE_include_directive : require
// a x = rhs or a^T x = rhs with a triangle, a workgroup for each problem and pair of right-hand sides: blocks of 32
// unknowns one after the other, a lane for each unknown of the block and each of the two.
#include "common/storage.glsl"
#include "common/report.glsl"
#include "triangular_solve.h"

layout(local_size_x = 64) in;
layout(constant_id = 0) const uint kRhsArena = kActivations;
layout(constant_id = 1) const uint kXArena = kActivations;
layout(constant_id = 2) const uint kReportArena = kActivations;
layout(constant_id = 3) const uint kIsTransposed = 0;
layout(constant_id = 4) const uint kIsForward = 1; // the first unknown comes first
layout(constant_id = 5) const uint kPadded = 32;   // unknowns, a multiple of 32
layout(push_constant) uniform Push { TriangularSolveParameters p; };

const uint kBlock = 32;
shared float solved[2 * kPadded];

uint a_base;

float entry(uint row, uint column)
{
    if (row >= p.unknowns || column >= p.unknowns) return row == column ? 1.0 : 0.0; // padding
    return activation_floats[a_base + (kIsTransposed == 1 ? column * p.unknowns + row : row * p.unknowns + column)];
}

// rhs less what the unknowns of other blocks account for.
float rest(float rhs, uint row, uint side, uint block)
{
    uint first = kIsForward == 1 ? 0 : kBlock * (block + 1);
    uint end = kIsForward == 1 ? kBlock * block : p.unknowns;
    for (uint k = first; k < end; ++k) rhs = fma(-entry(row, k), solved[2 * k + side], rhs);
    return rhs;
}

void solve(uint column, uint lane, uint side, uint problem)
{
    uint blocks = kPadded / kBlock;
    for (uint b = 0; b < blocks; ++b) {
        uint block = kIsForward == 1 ? b : blocks - 1 - b;
        uint row = kBlock * block + lane;
        bool is_inside = row < p.unknowns && column < p.columns;
        uint at = (problem * p.unknowns + row) * p.columns + column;
        float sum = rest(is_inside ? load(kRhsArena, p.rhs + at) : 0.0, row, side, block);
        float diagonal = entry(row, row);
        for (uint step = 0; step < kBlock; ++step) {
            uint i = kIsForward == 1 ? step : kBlock - 1 - step;
            if (lane == i) solved[2 * row + side] = sum / diagonal;
            barrier();
            bool is_after = kIsForward == 1 ? lane > i : lane < i;
            if (is_after) sum = fma(-entry(row, kBlock * block + i), solved[2 * (kBlock * block + i) + side], sum);
        }
        if (is_inside) store(kXArena, p.x + at, solved[2 * row + side]);
    }
}

void main()
{
    uint lane = gl_LocalInvocationID.x % kBlock;
    uint side = gl_LocalInvocationID.x / kBlock;
    uint head = gl_WorkGroupID.y;
    uint slot = gl_WorkGroupID.z;
    uint stream = stream_of(p.streams, slot);
    uint own = slot * p.heads + head;
    a_base = p.a + own * p.unknowns * p.unknowns;
    bool is_factored = load(kReportArena, p.report + 8 * own + kStatus) == kSolved;
    if (stream != kNone && is_factored) { // the whole workgroup alike
        solve(2 * gl_WorkGroupID.x + side, lane, side, stream * p.heads + head);
    }
}
