#version 450
#extension GL_GOOGLE_include_directive : require
// The pairs that a query sees, side by side: logits and values of keys begin .. end - 1, so that a choice of keys can be
// made of them. What is left of the N places repeats the newest value with a logit that gives weight 0: no choice gains
// from it. A query and head a workgroup.
#include "common/storage.glsl"
#include "sparse_attention.h"

layout(local_size_x = 64) in;
layout(constant_id = 0) const uint kQArena = kActivations;
layout(constant_id = 1) const uint kKArena = kState;
layout(constant_id = 2) const uint kVArena = kState;
layout(constant_id = 3) const uint kHasVectors = 0; // rows of q and k are whole vectors
layout(constant_id = 4) const uint kHasRing = 0;    // k, v: the new tokens; older ones are in a ring
layout(constant_id = 5) const uint kRingArena = kState;
layout(push_constant) uniform Push { SparseAttentionParameters p; };
#define attention p.pairs
#include "common/pair_rows.glsl"

const float kNever = -3.4e38;

void main()
{
    uint lane = gl_LocalInvocationID.x;
    Query query = query_of(p.pairs.first_row + gl_WorkGroupID.x, gl_WorkGroupID.y);
    uint problem = gl_WorkGroupID.x * p.pairs.heads + query.head;
    uint count = min(p.seen, query.end - min(query.begin, query.end));
    for (uint n = lane; n < p.seen; n += 64) {
        activation_floats[p.logits + problem * p.seen + n] = n < count ? score(query, query.begin + n) : kNever;
    }
    for (uint i = lane; i < p.seen * p.pairs.columns; i += 64) {
        uint n = min(i / p.pairs.columns, max(count, 1) - 1);
        float value = count > 0 ? value_at(query, query.begin + n, i % p.pairs.columns) : 0.0;
        activation_floats[p.values + problem * p.seen * p.pairs.columns + i] = value;
    }
}
