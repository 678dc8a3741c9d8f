#version 450
#extension GL_GOOGLE_include_directive : require
// o = sum of the chosen weights times their values, for one query and head a workgroup.
#include "common/storage.glsl"
#include "sparse_attention.h"

layout(local_size_x = 64) in;
layout(constant_id = 0) const uint kOArena = kActivations;
layout(push_constant) uniform Push { SparseAttentionParameters p; };

void main()
{
    uint head = gl_WorkGroupID.y;
    uint group = p.pairs.first_row + gl_WorkGroupID.x;
    uint problem = gl_WorkGroupID.x * p.pairs.heads + head;
    uint row = (group / p.pairs.queries * p.pairs.tokens + p.pairs.first + group % p.pairs.queries) * p.pairs.heads + head;
    for (uint column = gl_LocalInvocationID.x; column < p.pairs.columns; column += 64) {
        float o = 0.0;
        for (uint r = 0; r < p.budget; ++r) {
            float key = activation_floats[p.indices + problem * p.budget + r];
            if (!(key >= 0.0)) break; // unused slots come last
            uint at = p.values + (problem * p.seen + uint(key)) * p.pairs.columns + column;
            o = fma(activation_floats[p.chosen + problem * p.budget + r], activation_floats[at], o);
        }
        store(kOArena, p.pairs.o + row * p.pairs.columns + column, o);
    }
}
