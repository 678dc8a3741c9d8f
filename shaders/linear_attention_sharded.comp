#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
// The general linear recurrence (linear_attention.comp has the equation), not normalised, for widths of 16, 32, 64 and
// 128, on GPUs: the state is read once, stays in registers for all tokens of the launch, and is written once.
//
// A lane owns four adjacent columns of S in kRows of its rows: few enough that no compiler spills, and the lanes of a
// row read and write it whole. Sums over rows go through shared memory, in the order of the rows.
layout(constant_id = 20) const uint kWidth = 64; // F
#include "common/recurrence_rows.glsl"

layout(local_size_x_id = 19) in;
layout(constant_id = 19) const uint kLanes = 64;
layout(constant_id = 21) const uint kVectors = 16; // E / 4
layout(constant_id = 22) const uint kRows = 8;
const uint kShares = kWidth / kRows;          // lanes that share a column
const uint kLaneVectors = kLanes / kShares;   // fours of columns a workgroup

shared vec4 parts[2][kLanes];

vec4 s[kRows];
vec4 v; // of this lane's columns
vec4 e; // what the state answers to a
vec4 o;

// Where something is erased: e, and R in place of S. i: the first of these rows of all, in fours; n: of this lane.
void erase_rows(uint i, uint n)
{
    vec4 d = decay_of(i);
    vec4 a = erase_read(i);
    vec4 q = kReadsBefore == 1 ? query(i) : vec4(0.0);
    vec4 bonus = bonus_of(i);
    [[unroll]] for (uint c = 0; c < 4; ++c) {
        precise vec4 old = s[n + c];
        precise vec4 decayed = d[c] * old;
        precise vec4 erased = fma(vec4(a[c]), kErasesPre == 1 ? old : decayed, e);
        precise vec4 answer = fma(vec4(q[c]), fma(vec4(bonus[c]), v, old), o);
        if (kReadsBefore == 1) o = answer;
        e = erased;
        s[n + c] = decayed;
    }
}

// S' in place of R, or of S where nothing is erased.
void write_rows(uint i, uint n)
{
    vec4 d = decay_of(i);
    vec4 w = written(i);
    vec4 b = erase_write(i);
    vec4 q = query(i);
    vec4 bonus = bonus_of(i);
    [[unroll]] for (uint c = 0; c < 4; ++c) {
        precise vec4 old = s[n + c];
        precise vec4 next = fma(vec4(w[c]), v, kRule > 0 ? old : d[c] * old);
        if (kRule > 0) next = fma(vec4(b[c]), e, next);
        precise vec4 answer = fma(vec4(q[c]), kReadsBefore == 1 ? fma(vec4(bonus[c]), v, old) : next, o);
        if (kReadsBefore == 0 || kRule == 0) o = answer;
        s[n + c] = next;
    }
}

// In every lane. Two sums in a row take turns, so that one barrier each is enough.
vec4 sum_over_shares(vec4 part, uint turn)
{
    parts[turn][gl_LocalInvocationID.x] = part;
    barrier();
    precise vec4 sum = vec4(0.0);
    for (uint share = 0; share < kShares; ++share) {
        sum += parts[turn][share * kLaneVectors + gl_LocalInvocationID.x % kLaneVectors];
    }
    return sum;
}

void take_token(uint rows, uint turn)
{
    e = vec4(0.0);
    o = vec4(0.0);
    if (kRule > 0) {
        [[unroll]] for (uint n = 0; n < kRows; n += 4) erase_rows((rows + n) / 4, n);
        e = sum_over_shares(e, 0);
    }
    [[unroll]] for (uint n = 0; n < kRows; n += 4) write_rows((rows + n) / 4, n);
    o = p.scale * sum_over_shares(o, kRule > 0 ? 1 : turn);
}

void main()
{
    head = gl_WorkGroupID.y;
    uint slot = gl_WorkGroupID.z;
    uint stream = stream_of(p.streams, slot);
    uint count = count_of(slot, stream);
    uint share = gl_LocalInvocationID.x / kLaneVectors;
    uint column = gl_WorkGroupID.x * kLaneVectors + gl_LocalInvocationID.x % kLaneVectors; // in fours
    uint at = ((stream * p.heads + head) * kWidth + share * kRows) * kVectors + column;
    [[unroll]] for (uint n = 0; n < kRows; ++n) {
        bool is_given = kHasInitial == 1 && count > 0;
        s[n] = is_given ? load_vector(kStateArena, p.initial / 4 + at + n * kVectors) : vec4(0.0);
    }
    for (uint t = 0; t < count; ++t) {
        token_head = (slot * p.tokens + p.first + t) * p.heads + head;
        uint values = token_head * kVectors + column;
        v = load_vector(kVArena, p.v / 4 + values);
        if (kHasGain == 1) v *= activation_vectors[p.value_gain / 4 + values];
        take_token(share * kRows, t % 2);
        if (share == 0) store_vector(kOArena, p.o / 4 + values, o);
    }
    if (count > 0) {
        [[unroll]] for (uint n = 0; n < kRows; ++n) {
            store_vector(kStateArena, p.state / 4 + at + n * kVectors, s[n]);
        }
    }
}
