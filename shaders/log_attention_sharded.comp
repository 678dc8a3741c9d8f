#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
// Log-space attention (log_attention.comp has the equation), reading and updating, for D and E of 16, 32, 64 and 128, on
// GPUs. A lane owns four rows of a column of S, or signed of two adjacent ones as in linear_attention_sharded.comp, and
// Z of one row: what belongs to rows or columns is worked out once a workgroup. The state is read once, stays in
// registers for all tokens of the launch, and is written once.
//
// Where the columns of a head are several workgroups', all of them follow Z, and none may write it while others read
// it: a launch of its own does (kPart 1).
#include "common/storage.glsl"
#include "common/pairs.glsl"
#include "common/scaled_sum.glsl"
#include "log_attention.h"

layout(local_size_x_id = 9) in;
layout(constant_id = 0) const uint kQArena = kActivations;
layout(constant_id = 1) const uint kKArena = kActivations;
layout(constant_id = 2) const uint kVArena = kActivations;
layout(constant_id = 3) const uint kYArena = kActivations;
layout(constant_id = 4) const uint kStateArena = kActivations;
layout(constant_id = 5) const uint kPart = 0;   // 0: S and the answers, 1: Z, 2: both
layout(constant_id = 6) const uint kWidth = 64; // D
layout(constant_id = 7) const uint kHasInitial = 1;
layout(constant_id = 8) const uint kIsSigned = 0;
layout(constant_id = 9) const uint kLanes = 128;
layout(constant_id = 10) const uint kUnits = 64; // of columns: E, or signed E / 2
layout(push_constant) uniform Push { LogAttentionParameters p; };

const uint kShares = kWidth / 4;          // lanes that share a column
const uint kLaneUnits = kLanes / kShares; // of columns a workgroup
const uint kLaneColumns = kIsSigned == 1 ? 2 : 1;

shared vec2 z[kWidth];                    // pairs, each its lane's alone
shared vec4 rows[kWidth];                 // e^k and e^q, or what fades S, what gains v and e^q without its exponent
shared vec2 z_rows[kWidth];               // e^q_i Z_i
shared vec2 columns[kLaneUnits];          // e^(log v), or v
shared vec2 parts[kLaneColumns * kLanes]; // of the answers
shared vec2 totals[kShares];              // of e^q_i Z_i

vec2 s0, s1, s2, s3; // by row: an exponent and a sum, or two sums relative to the exponent of Z

// Brings Z one token further and stages what the other lanes want of the row.
void take_row(uint at, uint row)
{
    vec2 k = scaled_exp(load(kKArena, p.k + at));
    vec2 sum = z[row];
    float top = max(sum.x, k.x);
    vec2 change = vec2(power_of_two(sum.x - top), k.y * power_of_two(k.x - top));
    if (kIsSigned == 1)
        sum = vec2(top, fma(sum.y, change.x, change.y));
    else
        gather(sum.x, sum.y, k.x, k.y);
    z[row] = sum;
    if (kPart == 1) return;
    vec2 q = scaled_exp(load(kQArena, p.q + at));
    rows[row] = kIsSigned == 1 ? vec4(change, q.y, 0.0) : vec4(k, q);
    z_rows[row] = vec2(q.x + roundEven(sum.x), q.y * sum.y);
}

// weight: e^q_i times two to the exponent of Z_i, relative to the largest of this lane.
void take_sums(inout vec2 s, vec2 row, float weight, vec2 v, inout vec2 part)
{
    precise vec2 next = fma(vec2(row.y), v, row.x * s);
    precise vec2 sum = fma(vec2(weight), next, part);
    part = sum;
    s = next;
}

// Of the rows of this lane: the exponents of e^q_i Z_i.
vec4 exponents_of(uint row)
{
    return vec4(z_rows[row].x, z_rows[row + 1].x, z_rows[row + 2].x, z_rows[row + 3].x);
}

float largest(vec4 x) { return max(max(x.x, x.y), max(x.z, x.w)); }

vec2 total_of(uint row)
{
    vec4 exponents = exponents_of(row);
    float top = largest(exponents);
    vec4 sums = vec4(z_rows[row].y, z_rows[row + 1].y, z_rows[row + 2].y, z_rows[row + 3].y);
    return vec2(top, dot(power_of_two(exponents - top), sums));
}

void take_signed(uint row, vec2 v)
{
    vec4 exponents = exponents_of(row);
    float top = largest(exponents);
    vec4 scale = power_of_two(exponents - top);
    vec2 part = vec2(0.0);
    take_sums(s0, rows[row].xy, scale.x * rows[row].z, v, part);
    take_sums(s1, rows[row + 1].xy, scale.y * rows[row + 1].z, v, part);
    take_sums(s2, rows[row + 2].xy, scale.z * rows[row + 2].z, v, part);
    take_sums(s3, rows[row + 3].xy, scale.w * rows[row + 3].z, v, part);
    parts[2 * gl_LocalInvocationID.x] = vec2(top, part.x);
    parts[2 * gl_LocalInvocationID.x + 1] = vec2(top, part.y);
}

// row: e^k and e^q; v: e^(log v); read: of what is read.
void take_log(inout vec2 s, vec4 row, vec2 v, inout vec2 read)
{
    float exponent = row.z + gather(s.x, s.y, row.x + v.x, row.y * v.y);
    float top = max(read.x, exponent);
    precise float sum = fma(read.y, power_of_two(read.x - top), row.w * s.y * power_of_two(exponent - top));
    read = vec2(top, sum);
}

void take_logs(uint row, vec2 v)
{
    vec2 read = vec2(2.0 * kNothing, 0.0);
    take_log(s0, rows[row], v, read);
    take_log(s1, rows[row + 1], v, read);
    take_log(s2, rows[row + 2], v, read);
    take_log(s3, rows[row + 3], v, read);
    parts[gl_LocalInvocationID.x] = read;
}

// Of one column, from the parts of all lanes that share it.
float answer(uint column)
{
    vec2 top = vec2(2.0 * kNothing);
    [[dont_unroll]] for (uint share = 0; share < kShares; ++share) {
        top = max(top, vec2(parts[share * kLaneColumns * kLaneUnits + column].x, totals[share].x));
    }
    precise vec2 sum = vec2(0.0);
    [[dont_unroll]] for (uint share = 0; share < kShares; ++share) {
        vec2 part = parts[share * kLaneColumns * kLaneUnits + column];
        vec2 total = totals[share];
        sum = fma(vec2(part.y, total.y), power_of_two(vec2(part.x, total.x) - top), sum);
    }
    if (kIsSigned == 1) return sum.y == 0.0 ? 0.0 : sum.x / sum.y; // nothing seen: 0
    return log_of_ratio(vec2(top.x, sum.x), vec2(top.y, sum.y));
}

void take_token(uint token_head, uint share, uint unit)
{
    uint lane = gl_LocalInvocationID.x;
    if (lane < kWidth) take_row(token_head * kWidth + lane, lane);
    if (kPart == 1) return;
    uint at = token_head * kUnits + unit;
    if (share == 0) {
        columns[lane] = kIsSigned == 1 ? load_pair(kVArena, p.v / 2 + at) : scaled_exp(load(kVArena, p.v + at));
    }
    barrier();
    uint row = 4 * share;
    uint lane_unit = lane % kLaneUnits;
    if (lane_unit == 0) totals[share] = total_of(row);
    if (kIsSigned == 1)
        take_signed(row, columns[lane_unit]);
    else
        take_logs(row, columns[lane_unit]);
    barrier();
    if (share < kLaneColumns) {
        store(kYArena, p.y + kLaneColumns * at + share, answer(kLaneColumns * lane_unit + share));
    }
}

vec2 load_z(uint at) { return held(vec2(load(kStateArena, at), load(kStateArena, at + kWidth))); }

void store_z(uint at, vec2 value)
{
    store(kStateArena, at, value.x);
    store(kStateArena, at + kWidth, value.y);
}

// at: of the row's unit, in floats, or signed in pairs.
vec2 load_row(bool is_given, uint at)
{
    if (!is_given) return kIsSigned == 1 ? vec2(0.0) : vec2(kNothing, 0.0);
    if (kIsSigned == 1) return load_pair(kStateArena, at);
    return held(vec2(load(kStateArena, at), load(kStateArena, at + kUnits)));
}

void store_row(uint at, vec2 s)
{
    if (kIsSigned == 1) {
        store_pair(kStateArena, at, s);
    } else {
        store(kStateArena, at, s.x);
        store(kStateArena, at + kUnits, s.y);
    }
}

void main()
{
    uint lane = gl_LocalInvocationID.x;
    uint head = gl_WorkGroupID.y;
    uint slot = gl_WorkGroupID.z;
    uint stream = stream_of(p.streams, slot);
    uint end = stream == kNone ? 0 : p.counts == kNone ? p.tokens : io_words[p.counts + slot];
    uint count = min(p.count, end > p.first ? end - p.first : 0);
    uint share = lane / kLaneUnits;
    uint unit = gl_WorkGroupID.x * kLaneUnits + lane % kLaneUnits;
    uint row = (stream * p.heads + head) * kWidth;
    uint row_units = (kIsSigned == 1 ? 1 : 2) * kUnits;
    uint at = (row + 4 * share) * row_units + unit;
    bool is_given = kHasInitial == 1 && count > 0;
    if (lane < kWidth) z[lane] = is_given ? load_z(p.initial_z + 2 * row + lane) : vec2(kNothing, 0.0);
    if (kPart != 1) {
        uint from = p.initial / kLaneColumns + at;
        s0 = load_row(is_given, from);
        s1 = load_row(is_given, from + row_units);
        s2 = load_row(is_given, from + 2 * row_units);
        s3 = load_row(is_given, from + 3 * row_units);
    }
    for (uint t = 0; t < count; ++t) {
        take_token((slot * p.tokens + p.first + t) * p.heads + head, share, unit);
    }
    if (count > 0 && kPart != 0 && lane < kWidth) store_z(p.state_z + 2 * row + lane, z[lane]);
    if (count > 0 && kPart != 1) {
        uint to = p.state / kLaneColumns + at;
        store_row(to, s0);
        store_row(to + row_units, s1);
        store_row(to + 2 * row_units, s2);
        store_row(to + 3 * row_units, s3);
    }
}
