#version 450
#extension GL_GOOGLE_include_directive : require
// Log-linear attention: one stream and head a workgroup, token after token, one state a level in memory.
//
//     o_t = scale sum_s scales[t][level(t, s)] e^(g_{s+1} + … + g_t) (q_t . k_s) v_s
//
// level(t, s) = 0 for s = t, else the bit length of t xor s, at most L - 1. The tokens before t that share a level are
// one block of a power of two, so a level is one sum of k v^T. Token t makes the levels below its lowest set bit one
// block: they merge into the level above them. kColumns lanes own a column of every level each, the other lanes share
// its rows, so that a lane always meets the elements that it wrote itself.
#include "common/storage.glsl"
#include "log_linear_attention.h"

layout(local_size_x = 64) in;
layout(constant_id = 0) const uint kQArena = kActivations;
layout(constant_id = 1) const uint kKArena = kActivations;
layout(constant_id = 2) const uint kVArena = kActivations;
layout(constant_id = 3) const uint kDecayArena = kActivations;
layout(constant_id = 4) const uint kScalesArena = kActivations;
layout(constant_id = 5) const uint kOArena = kActivations;
layout(constant_id = 6) const uint kStateArena = kActivations;
layout(constant_id = 7) const uint kColumns = 64; // a power of two up to 64
layout(constant_id = 8) const uint kHasInitial = 1;
layout(push_constant) uniform Push { LogLinearAttentionParameters p; };

shared float scales[32];
shared float parts[64];

// Whether a level of 1 or more holds tokens once token t has been taken.
bool is_filled(uint level, uint t)
{
    uint bits = t >> (level - 1);
    return level + 1 == p.levels ? bits != 0 : (bits & 1) == 1;
}

// The sum over the lanes that share a column, in the first of them.
float sum_over_rows(float part)
{
    uint lane = gl_LocalInvocationID.x;
    parts[lane] = part;
    for (uint stride = 32; stride >= kColumns; stride /= 2) {
        barrier();
        if (lane < stride) parts[lane] += parts[lane + stride];
    }
    return parts[lane];
}

// Brings one element of every level to token t; returns what the token reads of it.
float take_element(uint at, uint t, float decay, float written)
{
    uint stride = p.width * p.columns; // of a level
    uint last = p.levels - 1;
    if (last == 0) {
        float s = t > 0 ? fma(decay, load(kStateArena, at), written) : written;
        store(kStateArena, at, s);
        return scales[0] * s;
    }
    float read = scales[0] * written;
    if (t > 0) {
        uint level = min(uint(findLSB(t)) + 1, last);
        float merged = level == last && is_filled(last, t - 1) ? load(kStateArena, at + last * stride) : 0.0;
        for (uint below = 0; below < level; ++below) merged += load(kStateArena, at + below * stride);
        merged *= decay;
        store(kStateArena, at + level * stride, merged);
        read = fma(scales[level], merged, read);
        for (++level; level < p.levels; ++level) {
            if (!is_filled(level, t)) continue;
            float s = decay * load(kStateArena, at + level * stride);
            store(kStateArena, at + level * stride, s);
            read = fma(scales[level], s, read);
        }
    }
    store(kStateArena, at, written);
    return read;
}

void take_block(uint slot, uint head, uint block)
{
    uint lane = gl_LocalInvocationID.x;
    uint stream = stream_of(p.streams, slot);
    uint end = stream == kNone ? 0 : p.counts == kNone ? p.tokens : io_words[p.counts + slot];
    uint count = min(p.count, end > p.first ? end - p.first : 0);
    uint state_head = stream * p.heads + head;
    uint column = block * kColumns + lane % kColumns;
    bool has_column = column < p.columns;
    uint seen = 0;
    if (kHasInitial == 1 && count > 0) {
        seen = uint(load(kStateArena, p.seen + 2 * state_head)) +
               65536 * uint(load(kStateArena, p.seen + 2 * state_head + 1));
    }
    for (uint t = 0; t < count; ++t) {
        uint token_head = (slot * p.tokens + p.first + t) * p.heads + head;
        barrier();
        if (lane < p.levels) scales[lane] = load(kScalesArena, p.scales + token_head * p.levels + lane);
        barrier();
        float decay = exp(load(kDecayArena, p.decay + token_head));
        float v = has_column ? load(kVArena, p.v + token_head * p.columns + column) : 0.0;
        float part = 0.0;
        for (uint i = lane / kColumns; i < p.width && has_column; i += 64 / kColumns) {
            uint at = p.state + (state_head * p.levels * p.width + i) * p.columns + column;
            float k = load(kKArena, p.k + token_head * p.width + i);
            float q = load(kQArena, p.q + token_head * p.width + i);
            part = fma(q, take_element(at, seen + t, decay, k * v), part);
        }
        float o = p.scale * sum_over_rows(part);
        if (has_column && lane < kColumns) store(kOArena, p.o + token_head * p.columns + column, o);
    }
    barrier(); // every lane has read how many tokens were seen
    if (lane == 0 && count > 0 && (block + 1) * kColumns >= p.columns) {
        store(kStateArena, p.seen + 2 * state_head, float((seen + count) % 65536));
        store(kStateArena, p.seen + 2 * state_head + 1, float((seen + count) / 65536));
    }
}

void main()
{
    for (uint block = 0; block * kColumns < p.columns; ++block) {
        take_block(gl_WorkGroupID.z, gl_WorkGroupID.y, block);
    }
}
