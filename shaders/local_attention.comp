#version 450
#extension GL_GOOGLE_include_directive : require
// One softmax over some tokens near a query and, where given, over the summaries of chunks. Tokens of this call lie in
// its tensors, earlier ones in a ring of the state. A workgroup owns a query and head, a lane a key of 64 at a time
// (online softmax); the order of keys depends on the query's place in its sequence only, so that cutting the sequence
// changes no bit. Then kColumns lanes own a column of the values each.
#include "common/storage.glsl"
#include "local_attention.h"

layout(local_size_x = 64) in;
const uint kAll = 0;     // a query sees every token
const uint kWindows = 1; // those of its window
const uint kSquares = 2; // the same, of a square window
const uint kChunks = 3;  // a query is a chunk and sees its members
const uint kSquareChunks = 4;
const uint kBuckets = 1; // bias by distance, scaled
const uint kTable = 2;   // bias by place in the window
const uint kKeyNorm = 3; // bias -|k|^2 / 2, scaled
layout(constant_id = 0) const uint kQArena = kActivations;
layout(constant_id = 1) const uint kKArena = kActivations;
layout(constant_id = 2) const uint kVArena = kActivations;
layout(constant_id = 3) const uint kOArena = kActivations;
layout(constant_id = 4) const uint kChunkArena = kWeights; // weights: no chunks
layout(constant_id = 5) const uint kForm = kWindows;
layout(constant_id = 6) const uint kIsCausal = 0;
layout(constant_id = 7) const uint kBias = 0;
layout(constant_id = 8) const uint kExcludesLocal = 0; // chunks that share a token with the local keys are left out
layout(constant_id = 9) const uint kColumns = 64;      // a power of two up to 64
layout(constant_id = 10) const uint kHasVectors = 0;   // rows of q and of all keys are whole vectors
layout(constant_id = 11) const uint kHasRing = 0;
layout(push_constant) uniform Push { LocalAttentionParameters p; };

const float kNever = -3.4e38; // a score below every other; e^(kNever - m) is 0
shared float reduced[64];
shared float weights[64];
shared uint sources[64];
shared uint rows[64];

#include "common/local_keys.glsl"

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

// Sums over the lanes that share a column; the result stands in the first `columns` of `reduced`.
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

// q.k, and k.k where the bias needs it. The arena is a constant at every call.
vec2 products(uint q, uint arena, uint k)
{
    vec2 sum = vec2(0.0);
    if (kHasVectors == 1) {
        for (uint i = 0; i < p.width; i += 4) {
            vec4 a = load_vector(kQArena, (q + i) / 4);
            vec4 b = load_vector(arena, (k + i) / 4);
            sum.x = fma(a.w, b.w, fma(a.z, b.z, fma(a.y, b.y, fma(a.x, b.x, sum.x))));
            if (kBias == kKeyNorm) sum.y = fma(b.w, b.w, fma(b.z, b.z, fma(b.y, b.y, fma(b.x, b.x, sum.y))));
        }
        return sum;
    }
    for (uint i = 0; i < p.width; ++i) {
        float b = load(arena, k + i);
        sum.x = fma(load(kQArena, q + i), b, sum.x);
        if (kBias == kKeyNorm) sum.y = fma(b, b, sum.y);
    }
    return sum;
}

float score(uint q, Place place)
{
    vec2 sums = vec2(0.0);
    if (place.source == kFromCall) sums = products(q, kKArena, p.k + place.row * p.width);
    if (kHasRing == 1 && place.source == kFromRing) sums = products(q, kState, p.ring_k + place.row * p.width);
    if (kChunkArena != kWeights && place.source == kFromChunks) {
        sums = products(q, kChunkArena, p.chunk_k + place.row * p.width);
    }
    return fma(p.scale, fma(-0.5, sums.y, sums.x), place.bias);
}

float value_of(uint source, uint row, uint column)
{
    uint at = row * p.width + column;
    if (kHasRing == 1 && source == kFromRing) return state_floats[p.ring_v + at];
    if (kChunkArena != kWeights && source == kFromChunks) return load(kChunkArena, p.chunk_v + at);
    return load(kVArena, p.v + at);
}

void main()
{
    uint lane = gl_LocalInvocationID.x;
    uint row = p.first_row + gl_WorkGroupID.x;
    uint head = gl_WorkGroupID.y;
    uint slot = row / p.queries;
    uint stream = readable_stream_of(p.streams, slot);
    uint held = p.held == kNone ? 0 : state_words[p.held + stream * p.heads + head];
    uint count = p.counts == kNone ? p.tokens : io_words[p.counts + slot];
    Keys keys = keys_of(row % p.queries, held, count);
    uint column = gl_WorkGroupID.z * kColumns + lane % kColumns;
    uint q = p.q + (row * p.heads + head) * p.width;
    float largest = kNever;
    float sum = 0.0;   // of the weights, this lane's share
    float mixed = 0.0; // of weight * value, this lane's share of its column
    uint all_keys = keys.locals + keys.chunks;
    for (uint first = 0; first < all_keys; first += 64) {
        Place place = place_of(keys, first + lane, slot, stream, head, held);
        float s = kNever;
        if (place.is_visible) s = score(q, place);
        float next = max(largest, reduce_max(lane, s));
        float fade = exp(largest - next);
        float weight = place.is_visible ? exp(s - next) : 0.0;
        weights[lane] = weight;
        sources[lane] = place.source;
        rows[lane] = place.row;
        barrier();
        sum = fma(sum, fade, weight);
        mixed *= fade;
        uint present = min(64, all_keys - first);
        for (uint j = lane / kColumns; j < present; j += 64 / kColumns) {
            if (column < p.width) mixed = fma(weights[j], value_of(sources[j], rows[j], column), mixed);
        }
        largest = next;
    }
    reduce_columns(lane, sum, 1);
    float total = reduced[0];
    reduce_columns(lane, mixed, kColumns);
    bool is_wanted = lane < kColumns && column < p.width;
    if (kForm == kChunks || kForm == kSquareChunks) { // a chunk that is not over gets no summary
        is_wanted = is_wanted && keys.place < p.chunks && stream_of(p.streams, slot) != kNone;
        if (kIsCausal == 1) is_wanted = is_wanted && all_keys > 0;
        row = stream * p.chunks + keys.place;
    }
    if (is_wanted) {
        store(kOArena, p.o + (row * p.heads + head) * p.width + column, total > 0.0 ? reduced[lane] / total : 0.0);
    }
    if (p.sums != kNone && lane == 0 && gl_WorkGroupID.z == 0) {
        activation_floats[p.sums + 2 * (row * p.heads + head)] = largest;
        activation_floats[p.sums + 2 * (row * p.heads + head) + 1] = total;
    }
}
