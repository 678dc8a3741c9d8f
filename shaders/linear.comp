#version 450
#extension GL_GOOGLE_include_directive : require
// y = f(W x + b) for many rows x: one layer, or several that read the same x. A workgroup owns 64 columns of a W and four
// rows of x, so that a weight is read once for four rows; a lane owns a column, so that neighbours read neighbouring
// vectors of the packed weight. Where x is normalised first, every workgroup does that anew; where y is added to another
// value, or multiplied by it, there is one layer. All of it rounds as a launch for each of these would.
const uint kStaged = 256;
#include "common/linear_layers.glsl"

uint groups_of(uint columns) { return (columns + 63) / 64; }

#define PASS_LAYER(next) \
    if (kLayers > next && layer + 1 == next && group >= groups_of(own.columns)) { \
        group -= groups_of(own.columns); \
        own = p.layers[next]; \
        layer = next; \
    }

// Which layer, and which 64 of its columns.
uint find_columns()
{
    uint group = gl_WorkGroupID.x;
    own = p.layers[0];
    PASS_LAYER(1)
    PASS_LAYER(2)
    PASS_LAYER(3)
    PASS_LAYER(4)
    PASS_LAYER(5)
    return group * 64;
}

void main()
{
    uint column = find_columns() + gl_LocalInvocationID.x;
    row = gl_WorkGroupID.y * kRows;
    measure_inputs();
    bool has_column = column < own.columns;
    vec4 sums = first_sums(column, has_column);
    uint vectors = (p.width + 3) / 4;
    for (uint start = 0; start < vectors; start += kChunk) {
        stage_inputs(start);
        uint count = has_column ? min(kChunk, vectors - start) : 0;
        sums = add_products(sums, start * own.columns + column, count, 0, kChunk);
    }
    if (has_column) store_outputs(column, from_weight_units(sums));
}
