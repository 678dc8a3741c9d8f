#version 450
#extension GL_GOOGLE_include_directive : require
// o = softmax(scale q K^T) V for one query and head a workgroup: 64 keys at a time, a key a lane, with a running
// maximum, so that no T x N buffer exists (online softmax). Then lanes change roles: kColumns of them own a column of
// V each, the others share the sum over the 64 keys. Blocks begin at multiples of 64 and a block without visible keys
// is left out, so that a query's bits depend on the keys it sees alone: decoding gives those of the whole sequence.
#include "common/storage.glsl"
#include "softmax_attention.h"

layout(local_size_x = 64) in;
layout(constant_id = 0) const uint kQArena = kActivations;
layout(constant_id = 1) const uint kKArena = kState;
layout(constant_id = 2) const uint kVArena = kState;
layout(constant_id = 3) const uint kOArena = kActivations;
layout(constant_id = 4) const uint kColumns = 64; // a power of two up to 64
layout(constant_id = 5) const uint kHasVectors = 0; // rows of q and k are whole vectors
layout(constant_id = 6) const uint kHasRing = 0;    // k, v: the new tokens; older ones are in a ring
layout(constant_id = 7) const uint kRingArena = kState;
layout(push_constant) uniform Push { SoftmaxAttentionParameters p; };

const float kNever = -3.4e38; // a score below every other; e^(kNever - m) is 0
shared float reduced[64];
shared float weights[64];

float reduce_max(uint lane, float value)
{
    reduced[lane] = value;
    for (uint stride = 32; stride > 0; stride /= 2) {
        barrier();
        if (lane < stride) reduced[lane] = max(reduced[lane], reduced[lane + stride]);
    }
    barrier();
    float result = reduced[0];
    barrier();
    return result;
}

// Sums over the lanes that share a column; the result stands in the first kColumns of `reduced`.
void reduce_columns(uint lane, float value, uint columns)
{
    barrier();
    reduced[lane] = value;
    for (uint stride = 32; stride >= columns; stride /= 2) {
        barrier();
        if (lane < stride) reduced[lane] += reduced[lane + stride];
    }
    barrier();
}

float score(uint arena, uint q, uint k)
{
    float sum = 0.0;
    if (kHasVectors == 1) {
        for (uint i = 0; i < p.width; i += 4) {
            vec4 a = load_vector(kQArena, (q + i) / 4);
            vec4 b = load_vector(arena, (k + i) / 4);
            sum = fma(a.w, b.w, fma(a.z, b.z, fma(a.y, b.y, fma(a.x, b.x, sum))));
        }
        return p.scale * sum;
    }
    for (uint i = 0; i < p.width; ++i) sum = fma(load(kQArena, q + i), load(arena, k + i), sum);
    return p.scale * sum;
}

// Rows of pair `key`, of a head: in k and v, or in the ring where it is older than the new tokens.
uint given_row(uint batch, uint key, uint head)
{
    return ((kHasRing == 1 ? batch * p.tokens + p.first : batch * p.keys) + key) * p.heads + head;
}
uint ring_row(uint stream, uint key, uint head) { return (stream * p.keys + key % p.keys) * p.heads + head; }

void main()
{
    uint lane = gl_LocalInvocationID.x;
    uint slot = (p.first_row + gl_WorkGroupID.x) / p.queries;
    uint token = (p.first_row + gl_WorkGroupID.x) % p.queries;
    uint row = slot * p.tokens + p.first + token;
    uint head = gl_WorkGroupID.y;
    uint stream = readable_stream_of(p.streams, slot);
    uint column = gl_WorkGroupID.z * kColumns + lane % kColumns;
    uint before = 0; // pairs in the ring
    if (kHasRing == 1) before = p.total == kNone ? p.position : state_words[p.total + 2 * stream];
    uint query = before + token;
    uint end = kHasRing == 1 ? query + 1 : p.total == kNone ? p.keys : state_words[p.total + stream];
    if (p.is_causal == 1) end = min(end, query + 1);
    if (p.window > 0) end = min(end, query + p.window);
    uint begin = p.window > 0 ? query + 1 - min(query + 1, p.window) : 0;
    uint batch = kHasRing == 1 ? slot : stream;
    uint q = p.q + (row * p.heads + head) * p.width;
    float largest = kNever;
    float sum = 0.0;   // of the weights, this lane's share
    float mixed = 0.0; // of weight * value, this lane's share of its column
    for (uint first = begin / 64 * 64; first < end; first += 64) {
        uint key = first + lane;
        bool visible = key >= begin && key < end;
        bool is_old = key < before;
        float s = kNever;
        if (visible && is_old) s = score(kRingArena, q, p.ring_k + ring_row(stream, key, head) * p.width);
        if (visible && !is_old) s = score(kKArena, q, p.k + given_row(batch, key - before, head) * p.width);
        float next = max(largest, reduce_max(lane, s));
        float fade = exp(largest - next);
        float weight = visible ? exp(s - next) : 0.0;
        weights[lane] = weight;
        barrier();
        sum = fma(sum, fade, weight);
        mixed *= fade;
        uint count = min(64, end - first);
        for (uint j = lane / kColumns; j < count; j += 64 / kColumns) {
            if (column >= p.columns || !(weights[j] > 0.0)) continue; // what is not visible may hold anything
            uint n = first + j;
            float value = n < before ? load(kRingArena, p.ring_v + ring_row(stream, n, head) * p.columns + column)
                                     : load(kVArena, p.v + given_row(batch, n - before, head) * p.columns + column);
            mixed = fma(weights[j], value, mixed);
        }
        largest = next;
    }
    reduce_columns(lane, sum, 1);
    float total = reduced[0];
    reduce_columns(lane, mixed, kColumns);
    if (lane < kColumns && column < p.columns) {
        float o = total > 0.0 ? reduced[lane] / total : 0.0; // nothing visible: 0
        store(kOArena, p.o + (row * p.heads + head) * p.columns + column, o);
    }
}
