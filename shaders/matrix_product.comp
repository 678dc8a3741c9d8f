#version 450
#extension GL_GOOGLE_include_directive : require
// y = base + sign op(a) op(x) - (alpha + ridge) w, with the alpha that a solve reports. A lane owns four elements of a
// row, a workgroup 64 rows; a sum is one chain of fused steps.
#include "common/storage.glsl"
#include "common/report.glsl"
#include "matrix_product.h"

layout(local_size_x = 64) in;
layout(constant_id = 0) const uint kAArena = kActivations;
layout(constant_id = 1) const uint kXArena = kActivations;
layout(constant_id = 2) const uint kBaseArena = kActivations;
layout(constant_id = 3) const uint kReportArena = kActivations;
layout(constant_id = 4) const uint kRidgeArena = kWeights;
layout(constant_id = 5) const uint kAIsTransposed = 0;
layout(constant_id = 6) const uint kXIsTransposed = 0;
layout(constant_id = 7) const uint kHasShift = 0; // w is given, shaped like x and in its arena
layout(push_constant) uniform Push { MatrixProductParameters p; };

uint first_of(MatrixView view, uint batch, uint head) { return view.offset + batch * view.batch + head * view.head; }

float right(uint base, uint k, uint column)
{
    if (column >= p.columns) return 0.0;
    return load(kXArena, base + (kXIsTransposed == 1 ? column * p.x.row + k : k * p.x.row + column));
}

void main()
{
    uint rows_64 = (p.rows + 63) / 64;
    uint row = gl_WorkGroupID.x % rows_64 * 64 + gl_LocalInvocationID.x;
    uint column = gl_WorkGroupID.x / rows_64 * 4;
    uint head = gl_WorkGroupID.y;
    uint slot = gl_WorkGroupID.z;
    uint stream = stream_of(p.streams, slot);
    if (stream == kNone || row >= p.rows) return; // there is no barrier
    uint a = first_of(p.a, stream, head) + (kAIsTransposed == 1 ? row : row * p.a.row);
    uint step = kAIsTransposed == 1 ? p.a.row : 1;
    uint x = first_of(p.x, stream, head);
    vec4 sum = vec4(0.0);
    for (uint k = 0; k < p.inner; ++k) {
        vec4 four = vec4(right(x, k, column), right(x, k, column + 1), right(x, k, column + 2), right(x, k, column + 3));
        sum = fma(vec4(load(kAArena, a + k * step)), four, sum);
    }
    uint base = first_of(p.base, stream, head) + row * p.base.row;
    uint w = p.w + ((stream * p.heads + head) * p.rows + row) * p.columns;
    uint y = first_of(p.y, slot, head) + row * p.y.row;
    float shift = 0.0;
    if (kHasShift == 1) {
        shift = load(kReportArena, p.report + 8 * (slot * p.heads + head) + kAlpha);
        if (p.ridge != kNone) shift += load(kRidgeArena, p.ridge + head * p.rows + row);
    }
    for (uint i = 0; i < 4 && column + i < p.columns; ++i) {
        float value = p.sign * sum[i];
        if (p.base.offset != kNone) value += load(kBaseArena, base + column + i);
        if (kHasShift == 1) value = fma(-shift, load(kXArena, w + column + i), value);
        activation_floats[y + column + i] = value;
    }
}
