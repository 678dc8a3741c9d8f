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
#define attention p
#include "common/pair_rows.glsl"

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

void main()
{
    uint lane = gl_LocalInvocationID.x;
    Query query = query_of(p.first_row + gl_WorkGroupID.x, gl_WorkGroupID.y);
    uint column = gl_WorkGroupID.z * kColumns + lane % kColumns;
    float largest = kNever;
    float sum = 0.0;   // of the weights, this lane's share
    float mixed = 0.0; // of weight * value, this lane's share of its column
    for (uint first = query.begin / 64 * 64; first < query.end; first += 64) {
        uint key = first + lane;
        bool visible = key >= query.begin && key < query.end;
        float s = visible ? score(query, key) : kNever;
        float next = max(largest, reduce_max(lane, s));
        float fade = exp(largest - next);
        float weight = visible ? exp(s - next) : 0.0;
        weights[lane] = weight;
        barrier();
        sum = fma(sum, fade, weight);
        mixed *= fade;
        uint count = min(64, query.end - first);
        for (uint j = lane / kColumns; j < count; j += 64 / kColumns) {
            if (column >= p.columns || !(weights[j] > 0.0)) continue; // what is not visible may hold anything
            mixed = fma(weights[j], value_at(query, first + j, column), mixed);
        }
        largest = next;
    }
    reduce_columns(lane, sum, 1);
    float total = reduced[0];
    reduce_columns(lane, mixed, kColumns);
    if (lane < kColumns && column < p.columns) {
        float o = total > 0.0 ? reduced[lane] / total : 0.0; // nothing visible: 0
        store(kOArena, p.o + query.row * p.columns + column, o);
    }
}
