#version 450
#extension GL_GOOGLE_include_directive : require
// o = softmax(scale q K^T) V for one query and head a workgroup: 64 keys at a time, a key a lane, with a running
// maximum, so that no T x N buffer exists (online softmax). Then lanes change roles: kColumns of them own a column of
// V each, the others share the sum over the 64 keys.
#include "common/storage.glsl"
#include "softmax_attention.h"

layout(local_size_x = 64) in;
layout(constant_id = 0) const uint kQArena = kActivations;
layout(constant_id = 1) const uint kKArena = kState;
layout(constant_id = 2) const uint kVArena = kState;
layout(constant_id = 3) const uint kOArena = kActivations;
layout(constant_id = 4) const uint kColumns = 64; // a power of two up to 64
layout(constant_id = 5) const uint kHasVectors = 0; // rows of q and k are whole vectors
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

bool is_visible(uint query, uint key, uint keys)
{
    bool visible = key < keys;
    if (p.is_causal == 1) visible = visible && key <= query;
    if (p.window > 0) visible = visible && key + p.window > query && query + p.window > key;
    return visible;
}

float score(uint q, uint k)
{
    float sum = 0.0;
    if (kHasVectors == 1) {
        for (uint i = 0; i < p.width; i += 4) {
            vec4 a = load_vector(kQArena, (q + i) / 4);
            vec4 b = load_vector(kKArena, (k + i) / 4);
            sum = fma(a.w, b.w, fma(a.z, b.z, fma(a.y, b.y, fma(a.x, b.x, sum))));
        }
        return p.scale * sum;
    }
    for (uint i = 0; i < p.width; ++i) sum = fma(load(kQArena, q + i), load(kKArena, k + i), sum);
    return p.scale * sum;
}

void main()
{
    uint lane = gl_LocalInvocationID.x;
    uint row = p.first_row + gl_WorkGroupID.x;
    uint head = gl_WorkGroupID.y;
    uint stream = readable_stream_of(p.streams, row / p.queries);
    uint query = row % p.queries;
    uint column = gl_WorkGroupID.z * kColumns + lane % kColumns;
    uint keys = p.total == kNone ? p.keys : state_words[p.total + stream];
    uint q = p.q + (row * p.heads + head) * p.width;
    float largest = kNever;
    float sum = 0.0;   // of the weights, this lane's share
    float mixed = 0.0; // of weight * value, this lane's share of its column
    for (uint first = 0; first < keys; first += 64) {
        uint key = first + lane;
        bool visible = is_visible(query, key, keys);
        float s = kNever;
        if (visible) s = score(q, p.k + ((stream * p.keys + key) * p.heads + head) * p.width);
        float next = max(largest, reduce_max(lane, s));
        float fade = exp(largest - next);
        float weight = visible ? exp(s - next) : 0.0;
        weights[lane] = weight;
        barrier();
        sum = fma(sum, fade, weight);
        mixed *= fade;
        uint count = min(64, keys - first);
        for (uint j = lane / kColumns; j < count; j += 64 / kColumns) {
            uint at = p.v + ((stream * p.keys + first + j) * p.heads + head) * p.columns + column;
            if (column < p.columns) mixed = fma(weights[j], load(kVArena, at), mixed);
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
