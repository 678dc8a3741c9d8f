#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_KHR_shader_subgroup_basic : require
// One token for every slot, and nothing erased: linear_attention_software.comp where the state need not be kept. So a
// lane owns columns instead of rows, and adjacent lanes meet adjacent memory. What belongs to rows comes from shared
// memory, which costs nothing at constant indices outside any loop.
//
// The bits are those of many tokens: sums over rows are sums over the rows that a lane has there, in order, then over
// the lanes in order.
layout(constant_id = 20) const uint kWidth = 64; // F
#include "common/recurrence_rows.glsl"
#include "common/initial_state.glsl"

layout(local_size_x_id = 19) in;
layout(constant_id = 19) const uint kLanes = 8;     // of a subgroup
layout(constant_id = 21) const uint kVectors = 16;  // E / 4
layout(constant_id = 22) const uint kFours = 2;     // of rows that a lane has there: F / (4 kLanes)
layout(constant_id = 23) const uint kBlock = 2;     // fours of columns a lane

shared vec4 decays[kFours * kLanes];
shared vec4 writes[kFours * kLanes];
shared vec4 queries[kFours * kLanes];
shared vec4 bonuses[kFours * kLanes];

#define EACH_VECTOR [[unroll]] for (uint j = 0; j < kBlock; ++j)

void stage_rows()
{
    [[unroll]] for (uint n = 0; n < kFours; ++n) {
        uint i = n * kLanes + gl_LocalInvocationID.x;
        decays[i] = decay_of(i);
        writes[i] = written(i);
        queries[i] = query(i);
        if (kReadsBefore == 1) bonuses[i] = bonus_of(i);
    }
    subgroupBarrier();
}

void main()
{
    uint lane = gl_LocalInvocationID.x;
    head = gl_WorkGroupID.y;
    uint slot = gl_WorkGroupID.z;
    uint column = gl_WorkGroupID.x * kBlock * kLanes + lane; // a four of them
    token_head = (slot * p.tokens + p.first) * p.heads + head;
    stage_rows();

    uint at = token_head * kVectors + column;
    vec4 v[kBlock];
    vec4 o[kBlock];
    EACH_VECTOR {
        v[j] = load_vector(kVArena, p.v / 4 + at + j * kLanes);
        if (kHasGain == 1) v[j] *= activation_vectors[p.value_gain / 4 + at + j * kLanes];
    }
    uint state = (stream_of(p.streams, slot) * p.heads + head) * kWidth * kVectors + column;
    uint from = p.initial / 4 + state;
    uint to = p.state / 4 + state;
    [[unroll]] for (uint l = 0; l < kLanes; ++l) {
        vec4 part[kBlock]; // of o: what lane l adds up there
        EACH_VECTOR part[j] = vec4(0.0);
        [[unroll]] for (uint n = 0; n < kFours; ++n) {
            uint i = n * kLanes + l;
            vec4 u = kReadsBefore == 1 ? bonuses[i] : vec4(0.0);
            [[unroll]] for (uint c = 0; c < 4; ++c) {
                uint row = (4 * i + c) * kVectors;
                vec4 old[kBlock];
                EACH_VECTOR old[j] = load_state(from + row + j * kLanes);
                EACH_VECTOR {
                    precise vec4 next = fma(vec4(writes[i][c]), v[j], decays[i][c] * old[j]);
                    precise vec4 sum = fma(vec4(queries[i][c]),
                                           kReadsBefore == 1 ? fma(vec4(u[c]), v[j], old[j]) : next, part[j]);
                    part[j] = sum;
                    store_vector(kStateArena, to + row + j * kLanes, next);
                }
            }
        }
        EACH_VECTOR {
            precise vec4 sum = l == 0 ? part[j] : o[j] + part[j];
            o[j] = sum;
        }
    }
    EACH_VECTOR store_vector(kOArena, p.o / 4 + at + j * kLanes, p.scale * o[j]);
}
