#version 450
#extension GL_GOOGLE_include_directive : require
// Log-space attention: one stream and head a workgroup, token after token, the state in memory.
//
//     S_ij += e^(k_i + log v_j);  Z_i += e^k_i;  log y_j = log sum_i e^q_i S_ij - log sum_i e^q_i Z_i
//
// Every sum of exponentials is a pair (exponent, sum) as in scaled_sum.glsl. Signed, S_ij = sum e^k_i v_j is relative to
// the exponent of Z_i, and both are plain sums. kColumns lanes own a column of S each, the other lanes share its rows, so
// that a lane always meets the elements that it wrote itself. Z lies in shared memory and the workgroup goes through the
// columns in blocks. Without kUpdates the state stays as it is, and every workgroup reads it for a token of its own.
#include "common/storage.glsl"
#include "common/scaled_sum.glsl"
#include "log_attention.h"

layout(local_size_x = 64) in;
layout(constant_id = 0) const uint kQArena = kActivations;
layout(constant_id = 1) const uint kKArena = kActivations;
layout(constant_id = 2) const uint kVArena = kActivations;
layout(constant_id = 3) const uint kYArena = kActivations;
layout(constant_id = 4) const uint kStateArena = kActivations;
layout(constant_id = 5) const uint kColumns = 64; // a power of two up to 64
layout(constant_id = 6) const uint kWidth = 64;   // D
layout(constant_id = 7) const uint kHasInitial = 1;
layout(constant_id = 8) const uint kIsSigned = 0;
layout(constant_id = 9) const uint kUpdates = 1;
layout(constant_id = 10) const uint kReads = 1;
layout(push_constant) uniform Push { LogAttentionParameters p; };

shared vec2 z[kWidth];
shared vec2 rows[kWidth];     // of this token: e^k, or what fades S and what gains v
shared float queries[kWidth]; // q, or the weights that S is read with
shared vec2 parts[64];

uint token_head; // (slot T + token) H + head

// Adds up the lanes that are congruent modulo `stride`: pairs, or plain numbers.
vec2 merge_lanes(vec2 part, uint stride, bool are_pairs)
{
    uint lane = gl_LocalInvocationID.x;
    barrier();
    parts[lane] = part;
    for (uint step = 32; step >= stride; step /= 2) {
        barrier();
        if (lane < step) {
            vec2 other = parts[lane + step];
            parts[lane] = are_pairs ? scaled_sum(parts[lane], other) : parts[lane] + other;
        }
    }
    barrier();
    return parts[lane % stride];
}

// Brings Z one token further and stages the rows; returns sum_i e^q_i Z_i.
vec2 take_token_z()
{
    vec2 part = vec2(kNothing, 0.0);
    for (uint i = gl_LocalInvocationID.x; i < kWidth; i += 64) {
        vec2 sum = z[i];
        if (kUpdates == 1) {
            vec2 k = scaled_exp(load(kKArena, p.k + token_head * kWidth + i));
            if (kIsSigned == 1) {
                float top = max(sum.x, k.x);
                vec2 change = vec2(power_of_two(sum.x - top), k.y * power_of_two(k.x - top));
                sum = vec2(top, fma(sum.y, change.x, change.y));
                rows[i] = change;
            } else {
                gather(sum.x, sum.y, k.x, k.y);
                rows[i] = k;
            }
            z[i] = sum;
        }
        if (kReads == 0) continue;
        queries[i] = load(kQArena, p.q + token_head * kWidth + i);
        vec2 q = scaled_exp(queries[i]);
        part = scaled_sum(part, vec2(q.x + roundEven(sum.x), q.y * sum.y));
    }
    if (kReads == 0) return part;
    vec2 total = merge_lanes(part, 1, true);
    for (uint i = gl_LocalInvocationID.x; i < kWidth && kIsSigned == 1; i += 64) {
        vec2 q = scaled_exp(queries[i]);
        queries[i] = q.y * power_of_two(q.x + z[i].x - total.x);
    }
    return total;
}

// This lane's share of one column of S one token further, and of its sum_i e^q_i S_ij. `from`, `to`: the column in the
// state before and after; v: its value, plain or as e^(log v); has_state: it is not empty.
vec2 take_token_s(uint from, uint to, vec2 v, bool has_state)
{
    vec2 part = vec2(kIsSigned == 1 ? 0.0 : kNothing, 0.0);
    uint row_words = kIsSigned == 1 ? p.columns : 2 * p.columns;
    for (uint i = gl_LocalInvocationID.x / kColumns; i < kWidth; i += 64 / kColumns) {
        vec2 s = vec2(0.0);
        if (has_state) s.x = load(kStateArena, from + i * row_words);
        if (has_state && kIsSigned == 0) s.y = load(kStateArena, from + i * row_words + p.columns);
        if (kIsSigned == 1) {
            if (kUpdates == 1) s.x = fma(rows[i].y, v.y, rows[i].x * s.x);
            part.x = fma(queries[i], s.x, part.x);
        } else {
            s = held(s);
            if (kUpdates == 1) gather(s.x, s.y, rows[i].x + v.x, rows[i].y * v.y);
            if (kReads == 1) {
                vec2 q = scaled_exp(queries[i]);
                part = scaled_sum(part, vec2(q.x + roundEven(s.x), q.y * s.y));
            }
        }
        if (kUpdates == 1) store(kStateArena, to + i * row_words, s.x);
        if (kUpdates == 1 && kIsSigned == 0) store(kStateArena, to + i * row_words + p.columns, s.y);
    }
    return part;
}

float answer(vec2 read, vec2 total)
{
    if (kIsSigned == 1) return total.y == 0.0 ? 0.0 : read.x / total.y; // nothing seen: 0
    return log_of_ratio(read, total);
}

vec2 value(uint at)
{
    if (kUpdates == 0) return vec2(0.0);
    float v = load(kVArena, p.v + at);
    return kIsSigned == 1 ? vec2(0.0, v) : scaled_exp(v);
}

void take_block(uint slot, uint head, uint block)
{
    uint lane = gl_LocalInvocationID.x;
    uint stream = stream_of(p.streams, slot);
    uint end = stream == kNone ? 0 : p.counts == kNone ? p.tokens : io_words[p.counts + slot];
    uint first = kUpdates == 1 ? p.first : p.first + gl_WorkGroupID.x;
    uint count = min(kUpdates == 1 ? p.count : 1, end > first ? end - first : 0);
    uint state_head = stream * p.heads + head;
    uint column = block * kColumns + lane % kColumns;
    bool has_column = column < p.columns;
    uint at = state_head * kWidth * (kIsSigned == 1 ? 1 : 2) * p.columns + column;
    uint at_z = state_head * 2 * kWidth;
    for (uint i = lane; i < kWidth; i += 64) {
        vec2 sum = vec2(0.0);
        if (kHasInitial == 1 && count > 0) {
            sum = vec2(load(kStateArena, p.initial_z + at_z + i), load(kStateArena, p.initial_z + at_z + kWidth + i));
        }
        z[i] = held(sum);
    }
    for (uint t = 0; t < count; ++t) {
        token_head = (slot * p.tokens + first + t) * p.heads + head;
        vec2 total = take_token_z();
        barrier();
        vec2 part = vec2(0.0);
        if (has_column) {
            vec2 v = value(token_head * p.columns + column);
            part = take_token_s((t == 0 ? p.initial : p.state) + at, p.state + at, v, t > 0 || kHasInitial == 1);
        }
        if (kReads == 1) part = merge_lanes(part, kColumns, kIsSigned == 0);
        if (kReads == 1 && has_column && lane < kColumns) {
            store(kYArena, p.y + token_head * p.columns + column, answer(part, total));
        }
        barrier();
    }
    for (uint i = lane; i < kWidth && kUpdates == 1 && count > 0 && (block + 1) * kColumns >= p.columns; i += 64) {
        store(kStateArena, p.state_z + at_z + i, z[i].x);
        store(kStateArena, p.state_z + at_z + kWidth + i, z[i].y);
    }
}

void main()
{
    for (uint block = 0; block * kColumns < p.columns; ++block) {
        take_block(gl_WorkGroupID.z, gl_WorkGroupID.y, block);
    }
}
