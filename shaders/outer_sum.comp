#version 450
#extension GL_GOOGLE_include_directive : require
// z = e^decay forget z + beta f(x) y^T, token after token: the Gram matrix (y = x), the cross moments (y = values) and
// the state of linear attention. A workgroup owns a 32 x 32 tile of z for one stream and head, a lane 4 x 4 of it, and
// one chain of fused steps a sum: cutting the tokens anywhere changes no bit.
#include "common/storage.glsl"
#include "common/feature.glsl"
#include "outer_sum.h"

layout(local_size_x = 64) in;
layout(constant_id = 0) const uint kXArena = kActivations;
layout(constant_id = 1) const uint kYArena = kActivations;
layout(constant_id = 2) const uint kZArena = kState;
layout(constant_id = 3) const uint kHasBeta = 0;
layout(constant_id = 4) const uint kHasDecay = 0;
layout(constant_id = 5) const uint kHasInitial = 1;
layout(constant_id = 6) const uint kFeature = kFeatureIdentity;
layout(constant_id = 7) const uint kYIsOne = 0; // z sums f(x) itself
layout(constant_id = 8) const uint kHasHistory = 0;
layout(push_constant) uniform Push { OuterSumParameters p; };

const uint kTile = 32;
const uint kTokens = 16; // staged at a time
shared vec4 staged_x[kTokens * kTile / 4];
shared vec4 staged_y[kTokens * kTile / 4];
shared float staged_decay[kTokens];

uint element(uint slot, uint token, uint head) { return (slot * p.tokens + token) * p.heads + head; }

float load_x(uint slot, uint token, uint head, uint channel, uint count)
{
    if (token >= count || channel >= p.width) return 0.0;
    float x = feature(kFeature, load(kXArena, p.x + element(slot, token, head) * p.width + channel));
    return kHasBeta == 1 ? x * activation_floats[p.beta + element(slot, token, head)] : x;
}

float load_y(uint slot, uint token, uint head, uint channel, uint count)
{
    if (token >= count || channel >= p.columns) return 0.0;
    return kYIsOne == 1 ? 1.0 : load(kYArena, p.y + element(slot, token, head) * p.columns + channel);
}

void stage(uint slot, uint head, uint first, uint count, uint row, uint column)
{
    uint lane = gl_LocalInvocationID.x;
    for (uint i = lane; i < kTokens * kTile / 4; i += 64) {
        uint token = first + i / (kTile / 4);
        uint x = row + i % (kTile / 4) * 4;
        uint y = column + i % (kTile / 4) * 4;
        staged_x[i] = vec4(load_x(slot, token, head, x, count), load_x(slot, token, head, x + 1, count),
                           load_x(slot, token, head, x + 2, count), load_x(slot, token, head, x + 3, count));
        staged_y[i] = vec4(load_y(slot, token, head, y, count), load_y(slot, token, head, y + 1, count),
                           load_y(slot, token, head, y + 2, count), load_y(slot, token, head, y + 3, count));
    }
    if (kHasDecay == 1 && lane < kTokens) {
        uint token = first + lane;
        float decay = 1.0;
        if (token < count) {
            decay = p.forget;
            if (p.decay != kNone) decay *= exp(activation_floats[p.decay + element(slot, token, head)]);
        }
        staged_decay[lane] = decay;
    }
}

vec4 load_row(uint base, uint row, uint column)
{
    vec4 z = vec4(0.0);
    if (kHasInitial == 1 && row < p.width) {
        uint at = base + row * p.columns + column;
        if (column < p.columns) z.x = load(kZArena, at);
        if (column + 1 < p.columns) z.y = load(kZArena, at + 1);
        if (column + 2 < p.columns) z.z = load(kZArena, at + 2);
        if (column + 3 < p.columns) z.w = load(kZArena, at + 3);
    }
    return z;
}

void store_row(uint arena, uint base, uint row, uint column, vec4 z)
{
    if (row >= p.width) return;
    uint at = base + row * p.columns + column;
    if (column < p.columns) store(arena, at, z.x);
    if (column + 1 < p.columns) store(arena, at + 1, z.y);
    if (column + 2 < p.columns) store(arena, at + 2, z.z);
    if (column + 3 < p.columns) store(arena, at + 3, z.w);
}

// Row `row + i` of the sum with token t, which the history keeps.
vec4 take_kept(uint history, uint t, uint i, uint row, uint column, vec4 z)
{
    uint lane = gl_LocalInvocationID.x;
    float x = staged_x[t * (kTile / 4) + lane / 8][i];
    vec4 y = staged_y[t * (kTile / 4) + lane % 8];
    z = fma(vec4(x), y, z * (kHasDecay == 1 ? staged_decay[t] : 1.0));
    store_row(kActivations, history + t * p.heads * p.width * p.columns, row + i, column, z);
    return z;
}

void main()
{
    uint lane = gl_LocalInvocationID.x;
    uint tiles = (p.columns + kTile - 1) / kTile;
    uint row = gl_WorkGroupID.x / tiles * kTile;
    uint column = gl_WorkGroupID.x % tiles * kTile;
    uint head = gl_WorkGroupID.y;
    uint slot = gl_WorkGroupID.z;
    uint stream = stream_of(p.streams, slot);
    uint given = p.counts == kNone ? p.tokens : io_words[p.counts + slot];
    uint end = stream == kNone ? 0 : min(given, p.first + p.count);

    uint my_row = row + lane / 8 * 4;
    uint my_column = column + lane % 8 * 4;
    uint at = (stream * p.heads + head) * p.width * p.columns;
    vec4 z0 = vec4(0.0);
    vec4 z1 = vec4(0.0);
    vec4 z2 = vec4(0.0);
    vec4 z3 = vec4(0.0);
    if (stream != kNone) {
        z0 = load_row(p.initial + at, my_row, my_column);
        z1 = load_row(p.initial + at, my_row + 1, my_column);
        z2 = load_row(p.initial + at, my_row + 2, my_column);
        z3 = load_row(p.initial + at, my_row + 3, my_column);
    }
    for (uint first = p.first; first < end; first += kTokens) {
        barrier();
        stage(slot, head, first, end, row, column);
        barrier();
        uint staged = min(kTokens, end - first);
        for (uint t = 0; kHasHistory == 0 && t < staged; ++t) {
            vec4 x = staged_x[t * (kTile / 4) + lane / 8];
            vec4 y = staged_y[t * (kTile / 4) + lane % 8];
            float decay = kHasDecay == 1 ? staged_decay[t] : 1.0;
            z0 = fma(vec4(x.x), y, z0 * decay);
            z1 = fma(vec4(x.y), y, z1 * decay);
            if (kHasDecay == 0) {
                z2 = fma(vec4(x.z), y, z2);
                z3 = fma(vec4(x.w), y, z3);
            }
        }
        // With decay in two passes: the Raspberry Pi 5 (V3D 7.1, Mesa 26.1) spills where all four rows are at work.
        for (uint t = 0; kHasHistory == 0 && kHasDecay == 1 && t < staged; ++t) {
            vec4 x = staged_x[t * (kTile / 4) + lane / 8];
            vec4 y = staged_y[t * (kTile / 4) + lane % 8];
            z2 = fma(vec4(x.z), y, z2 * staged_decay[t]);
            z3 = fma(vec4(x.w), y, z3 * staged_decay[t]);
        }
        // Where each sum is kept, a row at a time, for the same reason.
        uint kept = p.history + ((slot * p.count + first - p.first) * p.heads + head) * p.width * p.columns;
        for (uint t = 0; kHasHistory == 1 && t < staged; ++t) z0 = take_kept(kept, t, 0, my_row, my_column, z0);
        for (uint t = 0; kHasHistory == 1 && t < staged; ++t) z1 = take_kept(kept, t, 1, my_row, my_column, z1);
        for (uint t = 0; kHasHistory == 1 && t < staged; ++t) z2 = take_kept(kept, t, 2, my_row, my_column, z2);
        for (uint t = 0; kHasHistory == 1 && t < staged; ++t) z3 = take_kept(kept, t, 3, my_row, my_column, z3);
    }
    if (stream != kNone && (end > p.first || kHasInitial == 0 || p.initial != p.z)) {
        store_row(kZArena, p.z + at, my_row, my_column, z0);
        store_row(kZArena, p.z + at, my_row + 1, my_column, z1);
        store_row(kZArena, p.z + at, my_row + 2, my_column, z2);
        store_row(kZArena, p.z + at, my_row + 3, my_column, z3);
    }
}
