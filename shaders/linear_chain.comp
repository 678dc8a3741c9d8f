#version 450
#extension GL_GOOGLE_include_directive : require
// y = f(W' h + b') with h = f(W x + b) for many rows x, where nobody else reads h: it stays in shared memory. A workgroup
// takes four rows whole, x and h of at most 256 and 512 channels: fewer bytes than two launches of linear.comp, and fewer
// workgroups, which suits drivers that run on processors. The bits are the same.
const uint kMaxHidden = 128; // vectors
const uint kStaged = 256 + 4 * kMaxHidden;
#include "common/linear_layers.glsl"

// Every lane makes some of the channels, and zeros up to a whole vector.
void make_hidden(uint vectors)
{
    own = p.layers[0];
    uint padded = (own.columns + 3) / 4 * 4;
    for (uint column = gl_LocalInvocationID.x; column < padded; column += 64) {
        bool has_column = column < own.columns;
        vec4 sums = first_sums(column, has_column);
        sums = from_weight_units(add_products(sums, column, has_column ? vectors : 0, 0, kChunk));
        uint at = 256 + column / 4;
        staged[at][column % 4] = has_column ? activate_layer(sums.x) : 0.0;
        staged[at + kMaxHidden][column % 4] = has_column ? activate_layer(sums.y) : 0.0;
        staged[at + 2 * kMaxHidden][column % 4] = has_column ? activate_layer(sums.z) : 0.0;
        staged[at + 3 * kMaxHidden][column % 4] = has_column ? activate_layer(sums.w) : 0.0;
    }
}

void main()
{
    row = gl_WorkGroupID.y * kRows;
    measure_inputs();
    stage_inputs(0);
    make_hidden((p.width + 3) / 4);
    barrier();
    uint vectors = (own.columns + 3) / 4;
    own = p.layers[1];
    layer = 1;
    for (uint column = gl_LocalInvocationID.x; column < own.columns; column += 64) {
        vec4 sums = add_products(first_sums(column, true), column, vectors, 256, kMaxHidden);
        store_outputs(column, from_weight_units(sums));
    }
}
