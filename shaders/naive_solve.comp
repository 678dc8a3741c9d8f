#version 450
#extension GL_GOOGLE_include_directive : require
// x = (a + alpha trace(a) / P I)^-1 rhs as a textbook has it: one problem a workgroup, right-looking Cholesky in shared
// memory, a row of what is left a lane, then two substitutions. No blocks, no pivot rule, no report: what benchmarks of
// ridge_solve compare with.
#include "common/storage.glsl"
#include "naive_solve.h"

layout(local_size_x_id = 2) in;
layout(constant_id = 0) const uint kUnknowns = 16;
layout(constant_id = 1) const uint kColumns = 4;
layout(push_constant) uniform Push { NaiveSolveParameters p; };

const uint kLanes = gl_WorkGroupSize.x;

shared float l[kUnknowns * kUnknowns];
shared float z[kUnknowns * kColumns];

uint lane;

void read_problem()
{
    uint problem = gl_WorkGroupID.x;
    for (uint i = lane; i < kUnknowns * kUnknowns; i += kLanes) {
        l[i] = state_floats[p.a + problem * kUnknowns * kUnknowns + i];
    }
    for (uint i = lane; i < kUnknowns * kColumns; i += kLanes) {
        z[i] = state_floats[p.rhs + problem * kUnknowns * kColumns + i];
    }
    barrier();
    float trace = 0.0;
    for (uint i = 0; i < kUnknowns; ++i) trace += l[i * kUnknowns + i];
    barrier();
    for (uint i = lane; i < kUnknowns; i += kLanes) l[i * kUnknowns + i] += p.alpha * trace / float(kUnknowns);
    barrier();
}

void factorize()
{
    for (uint j = 0; j < kUnknowns; ++j) {
        float root = sqrt(l[j * kUnknowns + j]);
        barrier();
        for (uint i = j + lane; i < kUnknowns; i += kLanes) {
            l[i * kUnknowns + j] = i == j ? root : l[i * kUnknowns + j] / root;
        }
        barrier();
        for (uint i = j + 1 + lane; i < kUnknowns; i += kLanes) {
            for (uint c = j + 1; c <= i; ++c) l[i * kUnknowns + c] -= l[i * kUnknowns + j] * l[c * kUnknowns + j];
        }
        barrier();
    }
}

// Divides row j of z by its pivot, and takes it from the `count` rows that begin at `first`.
void eliminate(uint j, uint first, uint count, bool is_transposed)
{
    for (uint c = lane; c < kColumns; c += kLanes) z[j * kColumns + c] /= l[j * kUnknowns + j];
    barrier();
    for (uint at = lane; at < count * kColumns; at += kLanes) {
        uint i = first + at / kColumns;
        float factor = is_transposed ? l[j * kUnknowns + i] : l[i * kUnknowns + j];
        z[i * kColumns + at % kColumns] -= factor * z[j * kColumns + at % kColumns];
    }
    barrier();
}

void main()
{
    lane = gl_LocalInvocationID.x;
    read_problem();
    factorize();
    for (uint j = 0; j < kUnknowns; ++j) eliminate(j, j + 1, kUnknowns - 1 - j, false);
    for (uint j = kUnknowns; j-- > 0;) eliminate(j, 0, j, true);
    for (uint i = lane; i < kUnknowns * kColumns; i += kLanes) {
        state_floats[p.x + gl_WorkGroupID.x * kUnknowns * kColumns + i] = z[i];
    }
}
