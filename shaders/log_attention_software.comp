#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_KHR_shader_subgroup_arithmetic : require
#extension GL_KHR_shader_subgroup_ballot : require
// Log-space attention (log_attention.comp has the equation), reading and updating, for D and E of 16, 32, 64 and 128, on
// drivers that run a subgroup as one vector of a processor: see linear_attention_software.comp.
//
// A lane owns rows of S and of Z, a subgroup kBlock fours of columns, the workgroup all columns of a head. The state
// stays in registers for all tokens of the launch. Every subgroup keeps a Z of its own; the first one writes it, after
// all have read it.
#include "common/storage.glsl"
#include "common/logarithm.glsl"
#include "log_attention.h"

layout(local_size_x_id = 5) in;
layout(constant_id = 0) const uint kQArena = kActivations;
layout(constant_id = 1) const uint kKArena = kActivations;
layout(constant_id = 2) const uint kVArena = kActivations;
layout(constant_id = 3) const uint kYArena = kActivations;
layout(constant_id = 4) const uint kStateArena = kActivations;
layout(constant_id = 5) const uint kInvocations = 32; // kLanes E / (4 kBlock)
layout(constant_id = 6) const uint kWidth = 64;       // D
layout(constant_id = 7) const uint kHasInitial = 1;
layout(constant_id = 8) const uint kIsSigned = 0;
layout(constant_id = 9) const uint kLanes = 8;    // of a subgroup
layout(constant_id = 10) const uint kVectors = 16; // E / 4
layout(constant_id = 11) const uint kFours = 2;    // of rows a lane
layout(constant_id = 12) const uint kBlock = 4;    // fours of columns a subgroup: 1, 2 or 4
layout(constant_id = 13) const uint kIsStep = 0;   // one token for every slot: no branch and no loop
layout(push_constant) uniform Push { LogAttentionParameters p; };

#ifdef GRAMIAN_TEXELS
layout(set = 0, binding = 4) uniform textureBuffer state_texels;
#endif

const float kLeast = -3.4e38; // below any exponent
const uint kRowVectors = (kIsSigned == 1 ? 1 : 2) * kVectors;

vec4 s[kBlock][4 * kFours]; // sums, or means weighted by e^-exponent
vec4 m[kBlock][kIsSigned == 1 ? 1 : 4 * kFours]; // their exponents
vec4 z_exponent[kFours];
vec4 z_sum[kFours];
vec4 k[kFours];
vec4 q[kFours];
vec4 fade[kFours]; // signed: what S keeps, what it gains of v, what of it is read
vec4 gain[kFours];
vec4 weight[kFours];
vec2 total;        // sum_i e^q_i Z_i
vec4 answer;       // lane j: of column four j of the block, with the exponents `top`
vec4 top;
uint lane;

#define EACH_FOUR [[unroll]] for (uint n = 0; n < kFours; ++n)
#define EACH_ROW EACH_FOUR [[unroll]] for (uint c = 0; c < 4; ++c)
#define EACH_VECTOR [[unroll]] for (uint j = 0; j < kBlock; ++j)

// Four rows are a lane's where the width has so many.
bool has_four(uint n) { return 4 * kFours * kLanes == kWidth || n * kLanes + lane < kWidth / 4; }
uint four_of(uint n) { return has_four(n) ? n * kLanes + lane : 0; }

// Z one token further, and the total.
void start_token(uint token_head)
{
    vec4 largest = vec4(kLeast);
    EACH_FOUR {
        uint at = token_head * kWidth / 4 + four_of(n);
        k[n] = load_vector(kKArena, p.k / 4 + at);
        q[n] = has_four(n) ? load_vector(kQArena, p.q / 4 + at) : vec4(-1.0e38);
        bvec4 is_empty = equal(z_sum[n], vec4(0.0));
        vec4 next = mix(max(z_exponent[n], k[n]), k[n], is_empty);
        fade[n] = mix(exp(z_exponent[n] - next), vec4(0.0), is_empty);
        gain[n] = exp(k[n] - next);
        precise vec4 sum = fma(z_sum[n], fade[n], gain[n]);
        z_exponent[n] = next;
        z_sum[n] = sum;
        largest = max(largest, q[n] + next);
    }
    total.x = subgroupMax(max(max(largest.x, largest.y), max(largest.z, largest.w)));
    vec4 part = vec4(0.0);
    EACH_FOUR {
        weight[n] = exp(q[n] + z_exponent[n] - total.x);
        precise vec4 sum = fma(z_sum[n], weight[n], part);
        part = sum;
    }
    precise float lane_sum = (part.x + part.y) + (part.z + part.w);
    total.y = subgroupAdd(lane_sum);
}

void take_means(uint j, vec4 v)
{
    vec4 part = vec4(0.0);
    EACH_ROW {
        uint r = 4 * n + c;
        precise vec4 next = fma(vec4(gain[n][c]), v, fade[n][c] * s[j][r]);
        precise vec4 sum = fma(vec4(weight[n][c]), next, part);
        part = sum;
        s[j][r] = next;
    }
    part = subgroupAdd(part);
    if (lane == j) answer = part;
}

// v: log v. An element that holds nothing has sum 0; log v of zero adds nothing.
void take_logs(uint j, vec4 v)
{
    bvec4 is_zero = equal(floatBitsToUint(v), uvec4(kMinusInfinity));
    vec4 one = mix(vec4(1.0), vec4(0.0), is_zero);
    vec4 value = mix(v, vec4(0.0), is_zero);
    vec4 largest = vec4(kLeast);
    EACH_ROW {
        uint r = 4 * n + c;
        bvec4 is_empty = equal(s[j][r], vec4(0.0));
        vec4 x = mix(k[n][c] + value, m[j][r], is_zero);
        vec4 old = mix(m[j][r], x, is_empty);
        vec4 faded = exp(-abs(old - x));
        bvec4 grows = lessThan(old, x);
        precise vec4 sum = fma(mix(one, s[j][r], grows), faded, mix(s[j][r], one, grows));
        m[j][r] = max(old, x);
        s[j][r] = sum;
        largest = max(largest, mix(q[n][c] + m[j][r], vec4(kLeast), equal(sum, vec4(0.0))));
    }
    largest = subgroupMax(largest);
    vec4 part = vec4(0.0);
    EACH_ROW {
        uint r = 4 * n + c;
        precise vec4 sum = fma(s[j][r], exp(min(q[n][c] + m[j][r] - largest, vec4(0.0))), part);
        part = sum;
    }
    part = subgroupAdd(part);
    if (lane == j) {
        answer = part;
        top = largest;
    }
}

void take_columns(uint j, vec4 v)
{
    if (kIsSigned == 1)
        take_means(j, v);
    else
        take_logs(j, v);
}

float log_answer(float sum, float exponent)
{
    return sum > 0.0 ? exponent - total.x + log_of(sum / total.y) : log_of_zero();
}

vec4 finished()
{
    if (kIsSigned == 1) return answer / total.y;
    return vec4(log_answer(answer.x, top.x), log_answer(answer.y, top.y), log_answer(answer.z, top.z),
                log_answer(answer.w, top.w));
}

void take_token(uint token_head, uint first) // first: of the block, in fours of columns
{
    start_token(token_head);
    uint at = token_head * kVectors + first + lane % kBlock;
    vec4 v = load_vector(kVArena, p.v / 4 + at);
    take_columns(0, subgroupBroadcast(v, 0));
    if (kBlock > 1) take_columns(1, subgroupBroadcast(v, 1));
    if (kBlock > 2) take_columns(2, subgroupBroadcast(v, 2));
    if (kBlock > 2) take_columns(3, subgroupBroadcast(v, 3));
    if (lane < kBlock) store_vector(kYArena, p.y / 4 + at, finished());
}

vec4 load_state(uint at)
{
    if (kHasInitial == 0) return vec4(0.0);
#ifdef GRAMIAN_TEXELS
    if (kStateArena == kState) return texelFetch(state_texels, int(at));
#endif
    return load_vector(kStateArena, at);
}

// Row r of S: exponents and sums, or sums alone.
void load_block(uint from, uint from_z)
{
    EACH_FOUR {
        z_exponent[n] = load_state(from_z + four_of(n));
        z_sum[n] = load_state(from_z + kWidth / 4 + four_of(n));
    }
    EACH_VECTOR {
        EACH_ROW {
            uint at = from + (4 * four_of(n) + c) * kRowVectors + j;
            if (kIsSigned == 0) m[j][4 * n + c] = load_state(at);
            s[j][4 * n + c] = load_state(at + kRowVectors - kVectors);
        }
    }
}

void store_block(uint to, uint to_z)
{
    barrier();
    EACH_FOUR {
        if (!has_four(n) || gl_LocalInvocationID.x >= kLanes) continue;
        store_vector(kStateArena, to_z + four_of(n), z_exponent[n]);
        store_vector(kStateArena, to_z + kWidth / 4 + four_of(n), z_sum[n]);
    }
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
    uint head = gl_WorkGroupID.y;
    uint slot = gl_WorkGroupID.z;
    uint stream = stream_of(p.streams, slot);
    uint first = gl_LocalInvocationID.x / kLanes * kBlock;
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
