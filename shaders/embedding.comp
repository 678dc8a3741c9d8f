#version 450
#extension GL_GOOGLE_include_directive : require
// y = row x of a table. Row numbers were checked before; idle slots may hold anything, and so are kept inside.
#include "common/storage.glsl"
#include "common/weights.glsl"
#include "embedding.h"

layout(local_size_x = 64) in;
layout(constant_id = 0) const uint kXArena = kActivations;
layout(constant_id = 1) const uint kYArena = kActivations;
layout(push_constant) uniform Push { EmbeddingParameters p; };

void main()
{
    uint i = (gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x) * 64 + gl_LocalInvocationID.x;
    if (i >= p.count) return;
    float last = float(p.table_rows - 1);
    uint row = uint(clamp(load(kXArena, p.x + i / p.size), 0.0, last));
    float value = load_weight(p.weight, min(row, p.table_rows - 1) * p.size + i % p.size);
    store(kYArena, p.y + i, from_weight_units(vec4(value)).x);
}
