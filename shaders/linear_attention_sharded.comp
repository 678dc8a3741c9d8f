#version 450
#extension GL_GOOGLE_include_directive : require
// The general linear recurrence (linear_attention.comp has the equation), not normalised, for widths of 16, 32, 64 and
// 128, on GPUs: the state is read once, stays in registers for all tokens of the launch, and is written once.
//
// A lane owns two adjacent columns of S in four of its rows: few enough that no compiler spills, and the lanes of a row
// read and write it whole. Sums over rows go through shared memory, in the order of the rows.
layout(constant_id = 20) const uint kWidth = 64; // F
#include "common/recurrence_rows.glsl"
#include "common/pairs.glsl"

layout(local_size_x_id = 19) in;
layout(constant_id = 19) const uint kLanes = 128;
layout(constant_id = 21) const uint kPairs = 32; // E / 2
const uint kShares = kWidth / 4;          // lanes that share a column
const uint kLanePairs = kLanes / kShares; // pairs of columns a workgroup

shared vec2 parts[2][kLanes];

vec2 s0, s1, s2, s3; // by row; an array would go to scratch memory on VideoCore
vec2 v;              // of this lane's columns
vec2 e;              // what the state answers to a
vec2 o;

// Where something is erased: e, and R in place of S.
void erase_row(inout vec2 s, float d, float a, float q, float bonus)
{
    precise vec2 decayed = d * s;
    precise vec2 erased = fma(vec2(a), kErasesPre == 1 ? s : decayed, e);
    precise vec2 answer = fma(vec2(q), fma(vec2(bonus), v, s), o);
    if (kReadsBefore == 1) o = answer;
    e = erased;
    s = decayed;
}

// i: this lane's rows, in fours.
void erase_rows(uint i)
{
    vec4 d = decay_of(i);
    vec4 a = erase_read(i);
    vec4 q = kReadsBefore == 1 ? query(i) : vec4(0.0);
    vec4 bonus = bonus_of(i);
    erase_row(s0, d.x, a.x, q.x, bonus.x);
    erase_row(s1, d.y, a.y, q.y, bonus.y);
    erase_row(s2, d.z, a.z, q.z, bonus.z);
    erase_row(s3, d.w, a.w, q.w, bonus.w);
}

// S' in place of R, or of S where nothing is erased.
void write_row(inout vec2 s, float d, float w, float b, float q, float bonus)
{
    precise vec2 next = fma(vec2(w), v, kRule > 0 ? s : d * s);
    if (kRule > 0) next = fma(vec2(b), e, next);
    precise vec2 answer = fma(vec2(q), kReadsBefore == 1 ? fma(vec2(bonus), v, s) : next, o);
    if (kReadsBefore == 0 || kRule == 0) o = answer;
    s = next;
}

void write_rows(uint i)
{
    vec4 d = decay_of(i);
    vec4 w = written(i);
    vec4 b = erase_write(i);
    vec4 q = query(i);
    vec4 bonus = bonus_of(i);
    write_row(s0, d.x, w.x, b.x, q.x, bonus.x);
    write_row(s1, d.y, w.y, b.y, q.y, bonus.y);
    write_row(s2, d.z, w.z, b.z, q.z, bonus.z);
    write_row(s3, d.w, w.w, b.w, q.w, bonus.w);
}

// Two sums in a row take turns, so that one barrier each is enough.
void share_out(vec2 part, uint turn)
{
    parts[turn][gl_LocalInvocationID.x] = part;
    barrier();
}

vec2 sum_over_shares(uint turn)
{
    precise vec2 sum = vec2(0.0);
    for (uint share = 0; share < kShares; ++share) {
        sum += parts[turn][share * kLanePairs + gl_LocalInvocationID.x % kLanePairs];
    }
    return sum;
}

void take_token(uint share, uint turn)
{
    e = vec2(0.0);
    o = vec2(0.0);
    if (kRule > 0) {
        erase_rows(share);
        share_out(e, 0);
        e = sum_over_shares(0);
    }
    write_rows(share);
    share_out(o, turn);
}

void main()
{
    head = gl_WorkGroupID.y;
    uint slot = gl_WorkGroupID.z;
    uint stream = stream_of(p.streams, slot);
    uint count = count_of(slot, stream);
    uint share = gl_LocalInvocationID.x / kLanePairs;
    uint column = gl_WorkGroupID.x * kLanePairs + gl_LocalInvocationID.x % kLanePairs; // in pairs
    uint at = ((stream * p.heads + head) * kWidth + 4 * share) * kPairs + column;
    bool is_given = kHasInitial == 1 && count > 0;
    s0 = is_given ? load_pair(kStateArena, p.initial / 2 + at) : vec2(0.0);
    s1 = is_given ? load_pair(kStateArena, p.initial / 2 + at + kPairs) : vec2(0.0);
    s2 = is_given ? load_pair(kStateArena, p.initial / 2 + at + 2 * kPairs) : vec2(0.0);
    s3 = is_given ? load_pair(kStateArena, p.initial / 2 + at + 3 * kPairs) : vec2(0.0);
    for (uint t = 0; t < count; ++t) {
        token_head = (slot * p.tokens + p.first + t) * p.heads + head;
        uint values = token_head * kPairs + column;
        v = load_pair(kVArena, p.v / 2 + values);
        if (kHasGain == 1) v *= activation_pairs[p.value_gain / 2 + values];
        uint turn = kRule > 0 ? 1 : t % 2;
        take_token(share, turn);
        if (share == 0) store_pair(kOArena, p.o / 2 + values, p.scale * sum_over_shares(turn));
    }
    if (count > 0) {
        store_pair(kStateArena, p.state / 2 + at, s0);
        store_pair(kStateArena, p.state / 2 + at + kPairs, s1);
        store_pair(kStateArena, p.state / 2 + at + 2 * kPairs, s2);
        store_pair(kStateArena, p.state / 2 + at + 3 * kPairs, s3);
    }
}
