#version 450
#extension GL_GOOGLE_include_directive : require
// y = f(W x + b) for many rows x. A workgroup owns 64 columns of W and four rows of x, so that a weight is read once
// for four rows; a lane owns a column, so that neighbours read neighbouring vectors of the packed weight.
#include "common/storage.glsl"
#include "common/weights.glsl"
#include "common/activation.glsl"
#include "linear.h"

layout(local_size_x = 64) in;
layout(constant_id = 0) const uint kXArena = kActivations;
layout(constant_id = 1) const uint kYArena = kActivations;
layout(constant_id = 2) const uint kActivation = kIdentity;
layout(constant_id = 3) const uint kHasBias = 1;
layout(push_constant) uniform Push { LinearParameters p; };

const uint kRows = 4;
const uint kChunk = 64; // vectors of x staged at a time: 256 inputs
shared vec4 staged[kRows * kChunk];

vec4 load_inputs(uint row, uint input_0)
{
    vec4 x = vec4(0.0);
    if (row < p.rows) {
        uint at = p.x + row * p.width + input_0;
        if (input_0 < p.width) x.x = load(kXArena, at);
        if (input_0 + 1 < p.width) x.y = load(kXArena, at + 1);
        if (input_0 + 2 < p.width) x.z = load(kXArena, at + 2);
        if (input_0 + 3 < p.width) x.w = load(kXArena, at + 3);
    }
    return x;
}

// One chain of fused steps in the order of the inputs: the same bits for any number of rows.
float accumulate(float sum, vec4 w, vec4 x) { return fma(w.w, x.w, fma(w.z, x.z, fma(w.y, x.y, fma(w.x, x.x, sum)))); }

void main()
{
    uint lane = gl_LocalInvocationID.x;
    uint column = gl_WorkGroupID.x * 64 + lane;
    uint row = gl_WorkGroupID.y * kRows;
    bool has_column = column < p.columns;
    vec4 sums = to_weight_units(vec4(kHasBias == 1 && has_column ? weight_floats[p.bias + column] : 0.0));
    uint vectors = (p.width + 3) / 4;
    for (uint start = 0; start < vectors; start += kChunk) {
        barrier();
        staged[lane] = load_inputs(row, 4 * (start + lane));
        staged[kChunk + lane] = load_inputs(row + 1, 4 * (start + lane));
        staged[2 * kChunk + lane] = load_inputs(row + 2, 4 * (start + lane));
        staged[3 * kChunk + lane] = load_inputs(row + 3, 4 * (start + lane));
        barrier();
        uint count = has_column ? min(kChunk, vectors - start) : 0;
        uint at = start * p.columns + column;
        for (uint i = 0; i < count; ++i) {
            vec4 w = load_weights(p.weight, at);
            at += p.columns;
            sums.x = accumulate(sums.x, w, staged[i]);
            sums.y = accumulate(sums.y, w, staged[kChunk + i]);
            sums.z = accumulate(sums.z, w, staged[2 * kChunk + i]);
            sums.w = accumulate(sums.w, w, staged[3 * kChunk + i]);
        }
    }
    sums = from_weight_units(sums);
    if (has_column) {
        uint at = p.y + row * p.columns + column;
        if (row < p.rows) store(kYArena, at, activate(kActivation, sums.x));
        if (row + 1 < p.rows) store(kYArena, at + p.columns, activate(kActivation, sums.y));
        if (row + 2 < p.rows) store(kYArena, at + 2 * p.columns, activate(kActivation, sums.z));
        if (row + 3 < p.rows) store(kYArena, at + 3 * p.columns, activate(kActivation, sums.w));
    }
}
