#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_ballot : require
// Log-space attention (log_attention.comp has the equation), reading and updating, for D and E of 16, 32, 64 and 128, on
// drivers that run a subgroup as one vector of a processor: see linear_attention_software.comp.
//
// A lane owns rows of S and of Z, a subgroup kBlock fours of columns, the workgroup all columns of a head. The state
// stays in registers for all tokens of the launch. Every subgroup keeps a Z of its own; the first one writes it, after
// all have read it. One token of every slot has a kernel of its own, log_attention_software_step.comp.
#include "common/log_rows.glsl"

layout(local_size_x_id = 5) in;                    // kLanes E / (4 kBlock)
layout(constant_id = 9) const uint kLanes = 8;     // of a subgroup
layout(constant_id = 10) const uint kVectors = 16; // E / 4
layout(constant_id = 11) const uint kFours = 2;    // of rows a lane
layout(constant_id = 12) const uint kBlock = 4;    // fours of columns a subgroup: 1, 2 or 4
layout(constant_id = 13) const uint kIsStep = 0;   // one token for every slot: no branch and no loop

const uint kRowVectors = (kIsSigned == 1 ? 1 : 2) * kVectors;

vec4 s[kBlock][4 * kFours];                      // sums, or those relative to the exponents of Z
vec4 m[kBlock][kIsSigned == 1 ? 1 : 4 * kFours]; // their exponents
Rows rows[kFours];
vec2 total; // sum_i e^q_i Z_i
uint lane;
uint subgroup;

// Each subgroup has its own part of these.
shared vec2 totals[kInvocations / kLanes * kWidth / 4];
shared vec4 part_exponents[kIsSigned == 1 ? 1 : kInvocations * kBlock];
shared vec4 part_sums[kInvocations * kBlock];

#define EACH_FOUR [[unroll]] for (uint n = 0; n < kFours; ++n)
#define EACH_ROW EACH_FOUR [[unroll]] for (uint c = 0; c < 4; ++c)
#define EACH_VECTOR [[unroll]] for (uint j = 0; j < kBlock; ++j)

// Four rows are a lane's where the width has so many.
bool has_four(uint n) { return 4 * kFours * kLanes == kWidth || n * kLanes + lane < kWidth / 4; }
uint four_of(uint n) { return has_four(n) ? n * kLanes + lane : 0; }

// Z one token further, and the total.
void start_token(uint token_head)
{
    uint first = subgroup * kWidth / 4;
    EACH_FOUR {
        uint at = token_head * kWidth / 4 + four_of(n);
        vec4 k = load_vector(kKArena, p.k / 4 + at);
        vec4 q = load_vector(kQArena, p.q / 4 + at);
        take_keys(rows[n], k, has_four(n) ? q : vec4(log_of_zero()));
        if (has_four(n)) totals[first + four_of(n)] = total_of(rows[n]);
    }
    subgroupBarrier();
    total = totals[first];
    [[unroll]] for (uint i = 1; i < kWidth / 4; ++i) total = scaled_sum(total, totals[first + i]);
    subgroupBarrier();
    EACH_FOUR if (kIsSigned == 1) rows[n].weights = weights_of(rows[n], total);
}

Pairs signed_part(uint j, vec4 v)
{
    vec4 part = vec4(0.0);
    EACH_ROW {
        uint r = 4 * n + c;
        s[j][r] = next_sums(s[j][r], rows[n].fades[c], rows[n].gains[c], rows[n].weights[c], v, part);
    }
    return Pairs(vec4(0.0), part);
}

Pairs log_part(uint j, Pairs v)
{
    Pairs part = Pairs(vec4(2.0 * kNothing), vec4(0.0));
    EACH_ROW {
        uint r = 4 * n + c;
        vec4 exponents = gather(m[j][r], s[j][r], rows[n].key_exponents[c] + v.exponents,
                                rows[n].key_factors[c] * v.sums);
        part.exponents = larger(part.exponents, rows[n].query_exponents[c] + exponents);
    }
    EACH_ROW {
        uint r = 4 * n + c;
        vec4 weight =
            rows[n].query_factors[c] * power_of_two(rows[n].query_exponents[c] + roundEven(m[j][r]) - part.exponents);
        precise vec4 sums = fma(s[j][r], weight, part.sums);
        part.sums = sums;
    }
    return part;
}

// v: of column four j, as e^(log v) or plain.
void take_columns(uint j, Pairs v)
{
    Pairs part = kIsSigned == 1 ? signed_part(j, v.sums) : log_part(j, v);
    uint at = gl_LocalInvocationID.x * kBlock + j;
    part_sums[at] = part.sums;
    if (kIsSigned == 0) part_exponents[at] = part.exponents;
}

// The sums over the lanes, in order: lane l has those of column four l % kBlock.
Pairs sum_of_lanes()
{
    Pairs sum;
    subgroupBarrier();
    [[unroll]] for (uint l = 0; l < kLanes; ++l) {
        uint at = (subgroup * kLanes + l) * kBlock + lane % kBlock;
        Pairs part = Pairs(kIsSigned == 1 ? vec4(0.0) : part_exponents[at], part_sums[at]);
        precise vec4 plain = sum.sums + part.sums;
        if (l == 0)
            sum = part;
        else if (kIsSigned == 1)
            sum.sums = plain;
        else
            sum = added(sum, part);
    }
    subgroupBarrier();
    return sum;
}

#define OF_LANE(l) Pairs(subgroupBroadcast(v.exponents, l), subgroupBroadcast(v.sums, l))

void take_token(uint token_head, uint first) // first: of the block, in fours of columns
{
    start_token(token_head);
    uint at = token_head * kVectors + first + lane % kBlock;
    Pairs v = values_of(load_vector(kVArena, p.v / 4 + at));
    take_columns(0, OF_LANE(0));
    if (kBlock > 1) take_columns(1, OF_LANE(1));
    if (kBlock > 2) take_columns(2, OF_LANE(2));
    if (kBlock > 2) take_columns(3, OF_LANE(3));
    Pairs sum = sum_of_lanes();
    if (lane < kBlock) store_vector(kYArena, p.y / 4 + at, answer_of(sum, total));
}

// Row r of S: exponents and sums, or sums alone.
void load_block(uint from, uint from_z)
{
    EACH_FOUR load_z(rows[n], from_z + four_of(n));
    EACH_VECTOR {
        EACH_ROW {
            uint at = from + (4 * four_of(n) + c) * kRowVectors + j;
            vec4 sums = load_state(at + kRowVectors - kVectors);
            s[j][4 * n + c] = sums;
            if (kIsSigned == 0) m[j][4 * n + c] = mix(load_state(at), vec4(kNothing), equal(sums, vec4(0.0)));
        }
    }
}

void store_block(uint to, uint to_z)
{
    barrier();
    EACH_FOUR if (has_four(n) && subgroup == 0) store_z(rows[n], to_z + four_of(n));
    EACH_VECTOR {
        EACH_ROW {
            if (!has_four(n)) continue;
            uint at = to + (4 * four_of(n) + c) * kRowVectors + j;
            if (kIsSigned == 0) store_vector(kStateArena, at, m[j][4 * n + c]);
            store_vector(kStateArena, at + kRowVectors - kVectors, s[j][4 * n + c]);
        }
    }
}

void main()
{
    lane = gl_LocalInvocationID.x % kLanes;
    subgroup = gl_LocalInvocationID.x / kLanes;
    uint head = gl_WorkGroupID.y;
    uint slot = gl_WorkGroupID.z;
    uint stream = stream_of(p.streams, slot);
    uint first = subgroup * kBlock;
    uint state_head = stream * p.heads + head;
    uint at = state_head * kWidth * kRowVectors + first;
    uint at_z = state_head * kWidth / 2;
    uint row = slot * p.tokens + p.first;
    uint end = stream == kNone ? 0 : p.counts == kNone ? p.tokens : io_words[p.counts + slot];
    uint count = min(p.count, end > p.first ? end - p.first : 0);
    if (kIsStep == 1) {
        load_block(p.initial / 4 + at, p.initial_z / 4 + at_z);
        take_token(row * p.heads + head, first);
        store_block(p.state / 4 + at, p.state_z / 4 + at_z);
    } else if (count > 0) { // the same for the whole workgroup
        load_block(p.initial / 4 + at, p.initial_z / 4 + at_z);
        for (uint t = 0; t < count; ++t) take_token((row + t) * p.heads + head, first);
        store_block(p.state / 4 + at, p.state_z / 4 + at_z);
    }
}
