#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_KHR_shader_subgroup_ballot : require
// The general linear recurrence (linear_attention.comp has the equation), not normalised, for widths of 16, 32, 64 and
// 128, on drivers that run a subgroup as one vector of a processor. There, a memory access is a loop over the lanes,
// a barrier or a long unrolled kernel costs more than arithmetic, and registers spill at little cost.
//
// So a workgroup is one subgroup, a lane owns whole columns of S, kLaneVectors times four, and walks down their rows
// in blocks of 16, whose keys, queries and decays it loads once for all lanes: lane l % 4 those of four rows.
// Nothing erased: a block of S stays in registers for all tokens of the launch, and o passes from block to block.
// Otherwise e needs all rows of S before one of them changes, and S stays in the processor's caches.
layout(constant_id = 20) const uint kWidth = 64; // F
#include "common/recurrence_rows.glsl"

layout(local_size_x_id = 19) in;
layout(constant_id = 19) const uint kLanes = 8;
layout(constant_id = 21) const uint kVectors = 16;    // E / 4
layout(constant_id = 22) const uint kLaneVectors = 2; // of a lane
layout(constant_id = 23) const uint kIsOneToken = 0;  // of the launch
const uint kRows = 16;

vec4 s[kLaneVectors][kRows];
vec4 v[kLaneVectors];
vec4 e[kLaneVectors];
vec4 o[kLaneVectors];
uint columns[kLaneVectors]; // in fours
bool is_inside[kLaneVectors];

uint from; // where the rows of the block at hand come from and go to, in fours
uint to;
bool is_given; // they do not start from zeros

// Whether a block stays in registers from token to token.
const bool kStays = kRule == 0 && kIsOneToken == 0;

#define EACH_VECTOR [[unroll]] for (uint j = 0; j < kLaneVectors; ++j)
#define EACH_OF_FOUR [[unroll]] for (uint c = 0; c < 4; ++c)
#define EACH_ROWS [[unroll]] for (uint n = 0; n < kRows; n += 4)
#define FROM(lane, x) subgroupBroadcast(x, lane)

void load_rows(uint n)
{
    EACH_VECTOR {
        EACH_OF_FOUR {
            uint at = from + (n + c) * kVectors + columns[j];
            s[j][n + c] = is_given ? load_vector(kStateArena, at) : vec4(0.0);
        }
    }
}

void store_rows(uint n)
{
    EACH_VECTOR {
        if (is_inside[j]) {
            EACH_OF_FOUR store_vector(kStateArena, to + (n + c) * kVectors + columns[j], s[j][n + c]);
        }
    }
}

// Adds four rows to e; read before the write, to o.
void erase_rows(uint n, vec4 d, vec4 a, vec4 q, vec4 bonus)
{
    load_rows(n);
    EACH_VECTOR {
        EACH_OF_FOUR {
            precise vec4 old = s[j][n + c];
            precise vec4 erased = fma(vec4(a[c]), kErasesPre == 1 ? old : d[c] * old, e[j]);
            precise vec4 answer = fma(vec4(q[c]), fma(vec4(bonus[c]), v[j], old), o[j]);
            if (kReadsBefore == 1) o[j] = answer;
            e[j] = erased;
        }
    }
}

void write_rows(uint n, vec4 d, vec4 w, vec4 b, vec4 q, vec4 bonus)
{
    if (!kStays) load_rows(n);
    EACH_VECTOR {
        EACH_OF_FOUR {
            precise vec4 old = s[j][n + c];
            precise vec4 next = fma(vec4(w[c]), v[j], d[c] * old);
            if (kRule > 0) next = fma(vec4(b[c]), e[j], next);
            precise vec4 answer = fma(vec4(q[c]), kReadsBefore == 1 ? fma(vec4(bonus[c]), v[j], old) : next, o[j]);
            if (kReadsBefore == 0 || kRule == 0) o[j] = answer;
            s[j][n + c] = next;
        }
    }
    if (!kStays) store_rows(n);
}

void erase_block(uint block)
{
    uint i = 4 * block + gl_SubgroupInvocationID % 4;
    vec4 d = decay_of(i);
    vec4 a = erase_read(i);
    vec4 q = kReadsBefore == 1 ? query(i) : vec4(0.0);
    vec4 u = bonus_of(i);
    erase_rows(0, FROM(0, d), FROM(0, a), FROM(0, q), FROM(0, u));
    erase_rows(4, FROM(1, d), FROM(1, a), FROM(1, q), FROM(1, u));
    erase_rows(8, FROM(2, d), FROM(2, a), FROM(2, q), FROM(2, u));
    erase_rows(12, FROM(3, d), FROM(3, a), FROM(3, q), FROM(3, u));
}

void write_block(uint block)
{
    uint i = 4 * block + gl_SubgroupInvocationID % 4;
    vec4 d = decay_of(i);
    vec4 w = written(i);
    vec4 b = erase_write(i);
    vec4 q = query(i);
    vec4 u = bonus_of(i);
    write_rows(0, FROM(0, d), FROM(0, w), FROM(0, b), FROM(0, q), FROM(0, u));
    write_rows(4, FROM(1, d), FROM(1, w), FROM(1, b), FROM(1, q), FROM(1, u));
    write_rows(8, FROM(2, d), FROM(2, w), FROM(2, b), FROM(2, q), FROM(2, u));
    write_rows(12, FROM(3, d), FROM(3, w), FROM(3, b), FROM(3, q), FROM(3, u));
}

void start_token(uint slot, uint t)
{
    token_head = (slot * p.tokens + p.first + t) * p.heads + head;
    EACH_VECTOR {
        uint values = token_head * kVectors + columns[j];
        v[j] = load_vector(kVArena, p.v / 4 + values);
        if (kHasGain == 1) v[j] *= activation_vectors[p.value_gain / 4 + values];
        e[j] = vec4(0.0);
        o[j] = vec4(0.0);
    }
}

void store_answer(float scale)
{
    EACH_VECTOR {
        if (is_inside[j]) store_vector(kOArena, p.o / 4 + token_head * kVectors + columns[j], scale * o[j]);
    }
}

// Rows outside, tokens inside; o of a token goes on where the block before left it.
void take_by_block(uint slot, uint count)
{
    const uint blocks = kWidth / kRows;
    if (!kStays) start_token(slot, 0);
    for (uint block = 0; block < blocks; ++block) {
        if (!kStays) write_block(block);
        if (kStays) EACH_ROWS load_rows(n);
        for (uint t = 0; t < count && kStays; ++t) {
            start_token(slot, t);
            if (block > 0) {
                EACH_VECTOR o[j] = load_vector(kOArena, p.o / 4 + token_head * kVectors + columns[j]);
            }
            write_block(block);
            store_answer(block + 1 < blocks ? 1.0 : p.scale);
        }
        if (kStays) EACH_ROWS store_rows(n);
        from += kRows * kVectors;
        to += kRows * kVectors;
    }
    if (!kStays) store_answer(p.scale);
}

void take_by_token(uint slot, uint count)
{
    const uint blocks = kWidth / kRows;
    for (uint t = 0; t < count; ++t) {
        start_token(slot, t);
        for (uint block = 0; block < blocks; ++block, from += kRows * kVectors) erase_block(block);
        from -= kWidth * kVectors;
        for (uint block = 0; block < blocks; ++block, from += kRows * kVectors, to += kRows * kVectors) {
            write_block(block);
        }
        store_answer(p.scale);
        to -= kWidth * kVectors;
        from = to;
        is_given = true;
    }
}

void main()
{
    head = gl_WorkGroupID.y;
    uint slot = gl_WorkGroupID.z;
    uint stream = stream_of(p.streams, slot);
    uint count = count_of(slot, stream);
    EACH_VECTOR {
        columns[j] = (gl_WorkGroupID.x * kLaneVectors + j) * kLanes + gl_LocalInvocationID.x;
        is_inside[j] = columns[j] < kVectors;
        columns[j] = min(columns[j], kVectors - 1);
    }
    from = p.initial / 4 + (stream * p.heads + head) * kWidth * kVectors;
    to = p.state / 4 + (stream * p.heads + head) * kWidth * kVectors;
    is_given = kHasInitial == 1;
    if (count > 0 && kRule == 0) take_by_block(slot, count);
    if (count > 0 && kRule > 0) take_by_token(slot, count);
}
