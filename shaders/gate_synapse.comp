#version 450
#extension GL_GOOGLE_include_directive : require
// y_i = b_i + sum_j w_ij g_ij x_j: every synapse has its own gate. A workgroup owns one output of one row; its lanes
// share the synapses, neighbours reading neighbouring gates, for the gates are what is large here.
#include "common/storage.glsl"
#include "gate_synapse.h"

layout(local_size_x = 64) in;
layout(constant_id = 0) const uint kXArena = kActivations;
layout(constant_id = 1) const uint kGateArena = kActivations;
layout(constant_id = 2) const uint kYArena = kActivations;
layout(push_constant) uniform Push { GateSynapseParameters p; };

shared float partial[64];

void main()
{
    uint lane = gl_LocalInvocationID.x;
    uint column = gl_WorkGroupID.y;
    uint row = p.first_row + gl_WorkGroupID.x;
    float sum = 0.0;
    for (uint j = lane; j < p.width; j += 64) {
        uint synapse = column * p.width + j;
        float gated = weight_floats[p.weight + synapse] * load(kGateArena, p.gate + row * p.gate_row + synapse);
        sum = fma(gated, load(kXArena, p.x + row * p.width + j), sum);
    }
    partial[lane] = sum;
    for (uint stride = 32; stride > 0; stride /= 2) {
        barrier();
        if (lane < stride) partial[lane] += partial[lane + stride];
    }
    if (lane == 0) {
        float bias = p.bias == kNone ? 0.0 : weight_floats[p.bias + column];
        store(kYArena, p.y + row * p.columns + column, partial[0] + bias);
    }
}
