#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
// Log-space attention (log_attention.comp has the equation), reading and updating, for D and E of 16, 32, 64 and 128, on
// GPUs. A lane owns two adjacent columns of S in four of its rows, as in linear_attention_sharded.comp, and Z of one
// row: what belongs to rows is worked out once a workgroup. The state is read once, stays in registers for all tokens of
// the launch, and is written once.
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
layout(constant_id = 10) const uint kPairs = 32; // E / 2
layout(push_constant) uniform Push { LogAttentionParameters p; };

const uint kShares = kWidth / 4;          // lanes that share a column
const uint kLanePairs = kLanes / kShares; // pairs of columns a workgroup
const uint kRowPairs = (kIsSigned == 1 ? 1 : 2) * kPairs;

shared vec2 z[kWidth];       // pairs, each its lane's alone
shared vec4 rows[kWidth];    // e^k and e^q, or what fades S, what gains v and e^q without its exponent
shared vec2 z_rows[kWidth];  // e^q_i Z_i
shared vec4 parts[kLanes];   // of the answers: sums and their exponents
shared vec2 totals[kShares]; // of e^q_i Z_i

vec2 s0, s1, s2, s3; // by row: sums, or those relative to the exponents of Z
vec2 m0, m1, m2, m3; // their exponents

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

vec4 signed_part(uint row, vec4 scale, float exponent, vec2 v)
{
    vec2 part = vec2(0.0);
    take_sums(s0, rows[row].xy, scale.x * rows[row].z, v, part);
    take_sums(s1, rows[row + 1].xy, scale.y * rows[row + 1].z, v, part);
    take_sums(s2, rows[row + 2].xy, scale.z * rows[row + 2].z, v, part);
    take_sums(s3, rows[row + 3].xy, scale.w * rows[row + 3].z, v, part);
    return vec4(part, exponent, exponent);
}

vec4 log_part(uint row, vec2 log_v)
{
    vec2 v = exponent_of(log_v);
    vec2 factor = factor_of(log_v, v);
    gather(m0, s0, rows[row].x + v, rows[row].y * factor);
    gather(m1, s1, rows[row + 1].x + v, rows[row + 1].y * factor);
    gather(m2, s2, rows[row + 2].x + v, rows[row + 2].y * factor);
    gather(m3, s3, rows[row + 3].x + v, rows[row + 3].y * factor);
    vec4 query = vec4(rows[row].z, rows[row + 1].z, rows[row + 2].z, rows[row + 3].z);
    vec2 e0 = query.x + roundEven(m0);
    vec2 e1 = query.y + roundEven(m1);
    vec2 e2 = query.z + roundEven(m2);
    vec2 e3 = query.w + roundEven(m3);
    vec2 top = max(max(e0, e1), max(e2, e3));
    precise vec2 sum = rows[row].w * s0 * power_of_two(e0 - top);
    sum = fma(rows[row + 1].w * s1, power_of_two(e1 - top), sum);
    sum = fma(rows[row + 2].w * s2, power_of_two(e2 - top), sum);
    sum = fma(rows[row + 3].w * s3, power_of_two(e3 - top), sum);
    return vec4(sum, top);
}

// The sums of all lanes of this column.
vec2 answer()
{
    uint pair = gl_LocalInvocationID.x % kLanePairs;
    vec3 top = vec3(kNothing);
    precise vec3 sum = vec3(0.0);
    [[dont_unroll]] for (uint share = 0; share < kShares; ++share) {
        vec4 part = parts[share * kLanePairs + pair];
        vec2 z = totals[share];
        vec3 exponent = vec3(part.zw, z.x);
        vec3 next = max(top, exponent);
        sum = fma(sum, power_of_two(top - next), vec3(part.xy, z.y) * power_of_two(exponent - next));
        top = next;
    }
    if (kIsSigned == 1) return sum.z == 0.0 ? vec2(0.0) : sum.xy / sum.z; // nothing seen: 0
    vec2 total = vec2(top.z, sum.z);
    return vec2(log_of_ratio(vec2(top.x, sum.x), total), log_of_ratio(vec2(top.y, sum.y), total));
}

void take_token(uint token_head, uint share, uint column)
{
    uint lane = gl_LocalInvocationID.x;
    if (lane < kWidth) take_row(token_head * kWidth + lane, lane);
    if (kPart == 1) return;
    uint values = token_head * kPairs + column;
    vec2 v = load_pair(kVArena, p.v / 2 + values);
    barrier();
    uint row = 4 * share;
    vec4 exponent = vec4(z_rows[row].x, z_rows[row + 1].x, z_rows[row + 2].x, z_rows[row + 3].x);
    float top = max(max(exponent.x, exponent.y), max(exponent.z, exponent.w));
    vec4 scale = power_of_two(exponent - top);
    if (lane % kLanePairs == 0) {
        vec4 sum = vec4(z_rows[row].y, z_rows[row + 1].y, z_rows[row + 2].y, z_rows[row + 3].y);
        totals[share] = vec2(top, dot(scale, sum));
    }
    parts[lane] = kIsSigned == 1 ? signed_part(row, scale, top, v) : log_part(row, v);
    barrier();
    if (share == 0) store_pair(kYArena, p.y / 2 + values, answer());
}

vec2 load_z(uint at) { return held(vec2(load(kStateArena, at), load(kStateArena, at + kWidth))); }

void store_z(uint at, vec2 value)
{
    store(kStateArena, at, value.x);
    store(kStateArena, at + kWidth, value.y);
}

// Exponents and sums, or sums alone.
void load_row(bool is_given, uint at, out vec2 m, out vec2 s)
{
    m = is_given && kIsSigned == 0 ? load_pair(kStateArena, at) : vec2(0.0);
    s = is_given ? load_pair(kStateArena, at + kRowPairs - kPairs) : vec2(0.0);
    m = mix(m, vec2(kNothing), equal(s, vec2(0.0)));
}

void store_row(uint at, vec2 m, vec2 s)
{
    if (kIsSigned == 0) store_pair(kStateArena, at, m);
    store_pair(kStateArena, at + kRowPairs - kPairs, s);
}

void main()
{
    uint lane = gl_LocalInvocationID.x;
    uint head = gl_WorkGroupID.y;
    uint slot = gl_WorkGroupID.z;
    uint stream = stream_of(p.streams, slot);
    uint end = stream == kNone ? 0 : p.counts == kNone ? p.tokens : io_words[p.counts + slot];
    uint count = min(p.count, end > p.first ? end - p.first : 0);
    uint share = lane / kLanePairs;
    uint column = gl_WorkGroupID.x * kLanePairs + lane % kLanePairs; // in pairs
    uint row = (stream * p.heads + head) * kWidth;
    uint at = (row + 4 * share) * kRowPairs + column;
    bool is_given = kHasInitial == 1 && count > 0;
    if (lane < kWidth) z[lane] = is_given ? load_z(p.initial_z + 2 * row + lane) : vec2(kNothing, 0.0);
    if (kPart != 1) {
        load_row(is_given, p.initial / 2 + at, m0, s0);
        load_row(is_given, p.initial / 2 + at + kRowPairs, m1, s1);
        load_row(is_given, p.initial / 2 + at + 2 * kRowPairs, m2, s2);
        load_row(is_given, p.initial / 2 + at + 3 * kRowPairs, m3, s3);
    }
    for (uint t = 0; t < count; ++t) {
        take_token((slot * p.tokens + p.first + t) * p.heads + head, share, column);
    }
    if (count > 0 && kPart != 0 && lane < kWidth) store_z(p.state_z + 2 * row + lane, z[lane]);
    if (count > 0 && kPart != 1) {
        store_row(p.state / 2 + at, m0, s0);
        store_row(p.state / 2 + at + kRowPairs, m1, s1);
        store_row(p.state / 2 + at + 2 * kRowPairs, m2, s2);
        store_row(p.state / 2 + at + 3 * kRowPairs, m3, s3);
    }
}
