#version 450
#extension GL_GOOGLE_include_directive : require
// y = f(W x + b) for many rows x: one layer, or several that read the same x. A workgroup owns 64 columns of a W and four
// rows of x, so that a weight is read once for four rows; a lane owns a column, so that neighbours read neighbouring
// vectors of the packed weight. Where x is normalised first, every workgroup does that anew; where y is added to another
// value, or multiplied by it, there is one layer. All of it rounds as a launch for each of these would.
#include "common/storage.glsl"
#include "common/weights.glsl"
#include "common/activation.glsl"
#include "linear.h"

layout(local_size_x = 64) in;
layout(constant_id = 0) const uint kXArena = kActivations;
layout(constant_id = 1) const uint kYArena = kActivations;
layout(constant_id = 2) const uint kLayers = 1;
layout(constant_id = 3) const uint kNorm = 3; // gramian::Norm, 3: none
layout(constant_id = 4) const uint kPairing = 0; // of y and the other value, 1: sum, 2: product
layout(constant_id = 5) const uint kOtherArena = kActivations;
layout(constant_id = 6) const uint kAfter = kIdentity; // activation of that
layout(constant_id = 7) const uint kActivation0 = kIdentity; // of the layers
layout(constant_id = 8) const uint kActivation1 = kIdentity;
layout(constant_id = 9) const uint kActivation2 = kIdentity;
layout(constant_id = 10) const uint kActivation3 = kIdentity;
layout(constant_id = 11) const uint kActivation4 = kIdentity;
layout(constant_id = 12) const uint kActivation5 = kIdentity;
layout(push_constant) uniform Push { LinearParameters p; };

#include "common/layer_inputs.glsl"

uint layer = 0;
LinearLayerParameters own; // those of the layer

uint groups_of(uint columns) { return (columns + 63) / 64; }

#define PASS_LAYER(next) \
    if (kLayers > next && layer + 1 == next && group >= groups_of(own.columns)) { \
        group -= groups_of(own.columns); \
        own = p.layers[next]; \
        layer = next; \
    }

// Which layer, and which 64 of its columns.
uint find_columns()
{
    uint group = gl_WorkGroupID.x;
    own = p.layers[0];
    PASS_LAYER(1)
    PASS_LAYER(2)
    PASS_LAYER(3)
    PASS_LAYER(4)
    PASS_LAYER(5)
    return group * 64;
}

float activate_layer(float sum)
{
    if (kLayers > 1 && layer == 1) return activate(kActivation1, sum);
    if (kLayers > 2 && layer == 2) return activate(kActivation2, sum);
    if (kLayers > 3 && layer == 3) return activate(kActivation3, sum);
    if (kLayers > 4 && layer == 4) return activate(kActivation4, sum);
    if (kLayers > 5 && layer == 5) return activate(kActivation5, sum);
    return activate(kActivation0, sum);
}

void store_output(uint r, uint at, float sum)
{
    if (row + r < p.rows) {
        precise float y = activate_layer(sum);
        if (kPairing == 1) y += load(kOtherArena, p.other + at);
        if (kPairing == 2) y *= load(kOtherArena, p.other + at);
        store(kYArena, own.y + at, activate(kAfter, y));
    }
}

void main()
{
    uint lane = gl_LocalInvocationID.x;
    uint column = find_columns() + lane;
    row = gl_WorkGroupID.y * kRows;
    vec4 mean = vec4(0.0);
    vec4 factor = vec4(0.0);
    if (kNorm < kNoNorm) measure_rows(kNorm, p.width, p.epsilon, mean, factor);
    bool has_column = column < own.columns;
    vec4 sums = to_weight_units(vec4(has_column && own.bias != kNone ? weight_floats[own.bias + column] : 0.0));
    uint vectors = (p.width + 3) / 4;
    for (uint start = 0; start < vectors; start += kChunk) {
        stage_inputs(start, mean, factor);
        uint count = has_column ? min(kChunk, vectors - start) : 0;
        uint at = start * own.columns + column;
        for (uint i = 0; i < count; ++i) {
            vec4 w = load_weights(own.weight, at);
            at += own.columns;
            sums.x = accumulate(sums.x, w, staged[i]);
            sums.y = accumulate(sums.y, w, staged[kChunk + i]);
            sums.z = accumulate(sums.z, w, staged[2 * kChunk + i]);
            sums.w = accumulate(sums.w, w, staged[3 * kChunk + i]);
        }
    }
    sums = from_weight_units(sums);
    if (has_column) {
        uint at = row * own.columns + column;
        store_output(0, at, sums.x);
        store_output(1, at + own.columns, sums.y);
        store_output(2, at + 2 * own.columns, sums.z);
        store_output(3, at + 3 * own.columns, sums.w);
    }
}
