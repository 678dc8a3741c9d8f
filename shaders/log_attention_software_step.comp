#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_KHR_shader_subgroup_basic : require
// One token for every slot: log_attention_software.comp where the state need not be kept, as
// linear_attention_software_step.comp. A workgroup takes all columns of a head, a lane kBlock fours of them; what
// belongs to rows is worked out once a workgroup and comes from shared memory, at constant indices.
#include "common/log_rows.glsl"

layout(local_size_x_id = 5) in;                    // E / (4 kBlock)
layout(constant_id = 9) const uint kLanes = 8;     // of a subgroup
layout(constant_id = 10) const uint kVectors = 16; // E / 4
layout(constant_id = 11) const uint kFours = 2;    // of rows that a lane has there: D / (4 kLanes)
layout(constant_id = 12) const uint kBlock = 2;    // fours of columns a lane

const uint kRowVectors = (kIsSigned == 1 ? 1 : 2) * kVectors;
const uint kShare = (kWidth / 4 + kInvocations - 1) / kInvocations; // fours of rows that a lane works out

shared vec2 totals[kWidth / 4];
shared vec4 key_exponents[kWidth / 4]; // or fades
shared vec4 key_factors[kWidth / 4];   // or gains
shared vec4 query_exponents[kWidth / 4];
shared vec4 query_factors[kWidth / 4]; // or weights

#define EACH_VECTOR [[unroll]] for (uint j = 0; j < kBlock; ++j)
#define EACH_ROW [[unroll]] for (uint n = 0; n < kFours; ++n) [[unroll]] for (uint c = 0; c < 4; ++c)

void meet()
{
    if (kInvocations == kLanes)
        subgroupBarrier();
    else
        barrier();
}

// Z one token further; returns sum_i e^q_i Z_i.
vec2 stage_rows(uint token_head, uint from_z, uint to_z)
{
    Rows rows[kShare];
    [[unroll]] for (uint n = 0; n < kShare; ++n) {
        uint i = n * kInvocations + gl_LocalInvocationID.x;
        if (kShare * kInvocations > kWidth / 4 && i >= kWidth / 4) continue;
        uint at = token_head * kWidth / 4 + i;
        load_z(rows[n], from_z + i);
        take_keys(rows[n], load_vector(kKArena, p.k / 4 + at), load_vector(kQArena, p.q / 4 + at));
        store_z(rows[n], to_z + i);
        totals[i] = total_of(rows[n]);
        key_exponents[i] = kIsSigned == 1 ? rows[n].fades : rows[n].key_exponents;
        key_factors[i] = kIsSigned == 1 ? rows[n].gains : rows[n].key_factors;
        query_exponents[i] = rows[n].query_exponents;
        query_factors[i] = rows[n].query_factors;
    }
    meet();
    vec2 total = totals[0];
    [[unroll]] for (uint i = 1; i < kWidth / 4; ++i) total = scaled_sum(total, totals[i]);
    if (kIsSigned == 0) return total;
    [[unroll]] for (uint n = 0; n < kShare; ++n) {
        uint i = n * kInvocations + gl_LocalInvocationID.x;
        if (kShare * kInvocations > kWidth / 4 && i >= kWidth / 4) continue;
        query_factors[i] = weights_of(rows[n], total);
    }
    meet();
    return total;
}

Pairs v[kBlock];
Pairs parts[kBlock]; // of the sums: those of the rows that one lane has there
Pairs sums[kBlock];

// The rows of lane l there. `from`, `to`: the first row of this lane's columns before and after. What adjoins is read
// together and then written together: half as fast where the two alternate.
void take_signed_rows(uint l, uint from, uint to)
{
    EACH_VECTOR parts[j] = Pairs(vec4(0.0), vec4(0.0));
    EACH_ROW {
        uint i = n * kLanes + l;
        uint row = (4 * i + c) * kRowVectors;
        vec4 old[kBlock];
        EACH_VECTOR old[j] = load_state(from + row + j * kInvocations);
        EACH_VECTOR {
            vec4 next = next_sums(old[j], key_exponents[i][c], key_factors[i][c], query_factors[i][c], v[j].sums,
                                  parts[j].sums);
            store_vector(kStateArena, to + row + j * kInvocations, next);
        }
    }
}

void take_log_rows(uint l, uint from, uint to)
{
    Pairs held[kBlock][4 * kFours];
    EACH_VECTOR parts[j] = Pairs(vec4(2.0 * kNothing), vec4(0.0));
    EACH_ROW {
        uint i = n * kLanes + l;
        uint row = (4 * i + c) * kRowVectors;
        Pairs old[kBlock];
        EACH_VECTOR old[j].exponents = load_state(from + row + j * kInvocations);
        EACH_VECTOR old[j].sums = load_state(from + row + kVectors + j * kInvocations);
        EACH_VECTOR {
            old[j].exponents = mix(old[j].exponents, vec4(kNothing), equal(old[j].sums, vec4(0.0)));
            vec4 exponents = gather(old[j].exponents, old[j].sums, key_exponents[i][c] + v[j].exponents,
                                    key_factors[i][c] * v[j].sums);
            held[j][4 * n + c] = Pairs(query_exponents[i][c] + exponents, old[j].sums);
            parts[j].exponents = larger(parts[j].exponents, held[j][4 * n + c].exponents);
        }
        EACH_VECTOR store_vector(kStateArena, to + row + j * kInvocations, old[j].exponents);
        EACH_VECTOR store_vector(kStateArena, to + row + kVectors + j * kInvocations, old[j].sums);
    }
    EACH_ROW {
        EACH_VECTOR {
            uint i = n * kLanes + l;
            vec4 weight = query_factors[i][c] * power_of_two(held[j][4 * n + c].exponents - parts[j].exponents);
            precise vec4 sums = fma(held[j][4 * n + c].sums, weight, parts[j].sums);
            parts[j].sums = sums;
        }
    }
}

void main()
{
    uint head = gl_WorkGroupID.y;
    uint slot = gl_WorkGroupID.z;
    uint state_head = stream_of(p.streams, slot) * p.heads + head;
    uint token_head = (slot * p.tokens + p.first) * p.heads + head;
    uint at_z = state_head * kWidth / 2;
    vec2 total = stage_rows(token_head, p.initial_z / 4 + at_z, p.state_z / 4 + at_z);
    uint at = token_head * kVectors + gl_LocalInvocationID.x;
    uint state = state_head * kWidth * kRowVectors + gl_LocalInvocationID.x;
    EACH_VECTOR v[j] = values_of(load_vector(kVArena, p.v / 4 + at + j * kInvocations));
    [[unroll]] for (uint l = 0; l < kLanes; ++l) {
        if (kIsSigned == 1)
            take_signed_rows(l, p.initial / 4 + state, p.state / 4 + state);
        else
            take_log_rows(l, p.initial / 4 + state, p.state / 4 + state);
        EACH_VECTOR {
            precise vec4 plain = sums[j].sums + parts[j].sums;
            if (l == 0)
                sums[j] = parts[j];
            else if (kIsSigned == 1)
                sums[j].sums = plain;
            else
                sums[j] = added(sums[j], parts[j]);
        }
    }
    EACH_VECTOR store_vector(kYArena, p.y / 4 + at + j * kInvocations, answer_of(sums[j], total));
}
