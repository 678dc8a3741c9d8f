#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_ballot : require
// The general linear recurrence (linear_attention.comp has the equation), not normalised, for widths of 16, 32, 64 and
// 128, on drivers that run a subgroup as one vector of a processor. There a memory access is a loop over the lanes,
// shorter through a texel buffer than through a storage buffer, and longer under any control flow; a broadcast costs
// about a quarter of one, and barriers and long unrolled kernels cost more than arithmetic.
//
// So a workgroup is one subgroup and a lane owns rows of S: what belongs to rows needs no broadcast. A workgroup takes
// kBlock times four columns, which stay in registers for all tokens of the launch, are read once and written once.
// Sums over rows are sums over the lane's rows in order, then over the lanes in order, whatever the driver: one token of
// every slot has a kernel of its own, linear_attention_software_step.comp.
layout(constant_id = 20) const uint kWidth = 64; // F
#include "common/recurrence_rows.glsl"
#include "common/initial_state.glsl"

layout(local_size_x_id = 19) in;
layout(constant_id = 19) const uint kLanes = 8;     // of a subgroup
layout(constant_id = 21) const uint kVectors = 16;  // E / 4
layout(constant_id = 22) const uint kFours = 2;     // of rows a lane
layout(constant_id = 23) const uint kBlock = 4;     // fours of columns a workgroup: 1, 2 or 4
layout(constant_id = 24) const uint kIsStep = 0;    // one token for every slot: no branch and no loop

vec4 s[kBlock][4 * kFours];
vec4 d[kFours]; // decay, W, a, b, q and u W of this lane's rows
vec4 w[kFours];
vec4 a[kFours];
vec4 b[kFours];
vec4 q[kFours];
vec4 u[kFours];

#define EACH_FOUR [[unroll]] for (uint n = 0; n < kFours; ++n)
#define EACH_ROW EACH_FOUR [[unroll]] for (uint c = 0; c < 4; ++c)
#define EACH_VECTOR [[unroll]] for (uint j = 0; j < kBlock; ++j)

// Four rows are a lane's where the width has so many.
bool has_four(uint n) { return 4 * kFours * kLanes == kWidth || n * kLanes + gl_LocalInvocationID.x < kWidth / 4; }
uint four_of(uint n) { return has_four(n) ? n * kLanes + gl_LocalInvocationID.x : 0; }

void start_token(uint slot, uint t)
{
    token_head = (slot * p.tokens + p.first + t) * p.heads + head;
    EACH_FOUR {
        uint i = four_of(n);
        float is_mine = has_four(n) ? 1.0 : 0.0;
        d[n] = decay_of(i);
        w[n] = is_mine * written(i);
        a[n] = kRule > 0 ? is_mine * erase_read(i) : vec4(0.0);
        b[n] = is_mine * erase_write(i);
        q[n] = is_mine * query(i);
        u[n] = is_mine * bonus_of(i);
    }
}

shared vec4 parts[kLanes * kBlock];

// The sums over the lanes, in order: lane l has that of column four l % kBlock.
vec4 sum_of(vec4 part[kBlock])
{
    uint lane = gl_LocalInvocationID.x;
    EACH_VECTOR parts[kBlock * lane + j] = part[j];
    subgroupBarrier();
    vec4 sum = parts[lane % kBlock];
    [[unroll]] for (uint l = 1; l < kLanes; ++l) {
        precise vec4 next = sum + parts[kBlock * l + lane % kBlock];
        sum = next;
    }
    subgroupBarrier();
    return sum;
}

vec4 erase_part(uint j)
{
    vec4 e = vec4(0.0);
    EACH_ROW {
        precise vec4 old = s[j][4 * n + c];
        precise vec4 sum = fma(vec4(a[n][c]), kErasesPre == 1 ? old : d[n][c] * old, e);
        e = sum;
    }
    return e;
}

// v: the values of column four j; e: what is erased.
vec4 take_columns(uint j, vec4 v, vec4 e)
{
    vec4 o = vec4(0.0);
    EACH_ROW {
        precise vec4 old = s[j][4 * n + c];
        precise vec4 next = fma(vec4(w[n][c]), v, d[n][c] * old);
        if (kRule > 0) next = fma(vec4(b[n][c]), e, next);
        precise vec4 sum = fma(vec4(q[n][c]), kReadsBefore == 1 ? fma(vec4(u[n][c]), v, old) : next, o);
        o = sum;
        s[j][4 * n + c] = next;
    }
    return o;
}

void take_token(uint first) // first: of the block, in fours of columns
{
    uint at = token_head * kVectors + first + gl_LocalInvocationID.x % kBlock;
    vec4 v = load_vector(kVArena, p.v / 4 + at);
    if (kHasGain == 1) v *= activation_vectors[p.value_gain / 4 + at];
    vec4 part[kBlock];
    vec4 e = vec4(0.0);
    if (kRule > 0) {
        EACH_VECTOR part[j] = erase_part(j);
        e = sum_of(part);
    }
    part[0] = take_columns(0, subgroupBroadcast(v, 0), subgroupBroadcast(e, 0));
    if (kBlock > 1) part[1] = take_columns(1, subgroupBroadcast(v, 1), subgroupBroadcast(e, 1));
    if (kBlock > 2) part[2] = take_columns(2, subgroupBroadcast(v, 2), subgroupBroadcast(e, 2));
    if (kBlock > 2) part[3] = take_columns(3, subgroupBroadcast(v, 3), subgroupBroadcast(e, 3));
    vec4 answer = p.scale * sum_of(part);
    if (gl_LocalInvocationID.x < kBlock) store_vector(kOArena, p.o / 4 + at, answer);
}

void load_block(uint from)
{
    EACH_VECTOR {
        EACH_ROW s[j][4 * n + c] = load_state(from + (4 * four_of(n) + c) * kVectors + j);
    }
}

void store_block(uint to)
{
    EACH_VECTOR {
        EACH_ROW {
            if (has_four(n)) store_vector(kStateArena, to + (4 * four_of(n) + c) * kVectors + j, s[j][4 * n + c]);
        }
    }
}

void main()
{
    head = gl_WorkGroupID.y;
    uint slot = gl_WorkGroupID.z;
    uint stream = stream_of(p.streams, slot);
    uint first = gl_WorkGroupID.x * kBlock;
    uint at = (stream * p.heads + head) * kWidth * kVectors + first;
    uint count = count_of(slot, stream);
    if (kIsStep == 1) {
        load_block(p.initial / 4 + at);
        start_token(slot, 0);
        take_token(first);
        store_block(p.state / 4 + at);
    } else if (count > 0) {
        load_block(p.initial / 4 + at);
        for (uint t = 0; t < count; ++t) {
            start_token(slot, t);
            take_token(first);
        }
        store_block(p.state / 4 + at);
    }
}
