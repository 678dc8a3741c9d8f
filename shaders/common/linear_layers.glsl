// What the kernels of linear layers share: their settings and parameters, four rows of x staged in shared memory by a
// workgroup of 64 and, if so wished, normalised before, products with them, and what is done to an output. The includer
// defines kStaged, vectors of shared memory, at least 256.
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

const uint kRows = 4;
const uint kChunk = 64; // vectors of x staged at a time: 256 inputs
const uint kNoNorm = 3;
const uint kMean = kStaged; // behind x, of every row: registers would not do on every GPU
const uint kFactor = kStaged + 1;
shared vec4 staged[kNorm < kNoNorm ? kStaged + 2 : kStaged];

#define Rows vec4
#define partial staged
#include "common/norm.glsl"

uint row; // the first of the four
uint layer = 0;
LinearLayerParameters own; // those of the layer

float load_input(uint r, uint channel)
{
    return row + r < p.rows ? load(kXArena, p.x + (row + r) * p.width + channel) : 0.0;
}

vec4 load_rows(uint channel)
{
    return vec4(load_input(0, channel), load_input(1, channel), load_input(2, channel), load_input(3, channel));
}

// As in norm.comp, to the bit; 0 behind the last channel.
vec4 normalize_inputs(vec4 x, uint r, uint input_0)
{
    precise vec4 y = (x - staged[kMean][r]) * staged[kFactor][r];
    if (p.gain != kNone) y *= weight_vectors[(p.gain + input_0) / 4];
    if (p.shift != kNone) y += weight_vectors[(p.shift + input_0) / 4];
    return mix(vec4(0.0), y, lessThan(uvec4(0, 1, 2, 3) + input_0, uvec4(p.width)));
}

vec4 load_inputs(uint r, uint input_0)
{
    vec4 x = vec4(0.0);
    if (row + r < p.rows) {
        uint at = p.x + (row + r) * p.width + input_0;
        if (input_0 < p.width) x.x = load(kXArena, at);
        if (input_0 + 1 < p.width) x.y = load(kXArena, at + 1);
        if (input_0 + 2 < p.width) x.z = load(kXArena, at + 2);
        if (input_0 + 3 < p.width) x.w = load(kXArena, at + 3);
        if (kNorm < kNoNorm && input_0 < p.width) x = normalize_inputs(x, r, input_0);
    }
    return x;
}

// Where there is a norm.
void measure_inputs()
{
    if (kNorm < kNoNorm) {
        vec4 mean;
        vec4 factor;
        measure_rows(kNorm, p.width, p.epsilon, mean, factor);
        if (gl_LocalInvocationID.x == 0) {
            staged[kMean] = mean;
            staged[kFactor] = factor;
        }
    }
}

// A chunk of vectors from the given one on.
void stage_inputs(uint first)
{
    uint lane = gl_LocalInvocationID.x;
    uint input_0 = 4 * (first + lane);
    barrier();
    staged[lane] = load_inputs(0, input_0);
    staged[kChunk + lane] = load_inputs(1, input_0);
    staged[2 * kChunk + lane] = load_inputs(2, input_0);
    staged[3 * kChunk + lane] = load_inputs(3, input_0);
    barrier();
}

// What sums over weights start from.
vec4 first_sums(uint column, bool has_column)
{
    return to_weight_units(vec4(has_column && own.bias != kNone ? weight_floats[own.bias + column] : 0.0));
}

// One chain of fused steps in the order of the inputs: the same bits for any number of rows.
float accumulate(float sum, vec4 w, vec4 x) { return fma(w.w, x.w, fma(w.z, x.z, fma(w.y, x.y, fma(w.x, x.x, sum)))); }

// Adds the products of `count` vectors of weights, from vector `at` on, and of the rows that lie staged from `from` on,
// `stride` apart.
vec4 add_products(vec4 sums, uint at, uint count, uint from, uint stride)
{
    for (uint i = 0; i < count; ++i) {
        vec4 w = load_weights(own.weight, at);
        at += own.columns;
        sums.x = accumulate(sums.x, w, staged[from + i]);
        sums.y = accumulate(sums.y, w, staged[from + stride + i]);
        sums.z = accumulate(sums.z, w, staged[from + 2 * stride + i]);
        sums.w = accumulate(sums.w, w, staged[from + 3 * stride + i]);
    }
    return sums;
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

void store_outputs(uint column, vec4 sums)
{
    uint at = row * own.columns + column;
    store_output(0, at, sums.x);
    store_output(1, at + own.columns, sums.y);
    store_output(2, at + 2 * own.columns, sums.z);
    store_output(3, at + 3 * own.columns, sums.w);
}
