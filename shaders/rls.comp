#version 450
#extension GL_GOOGLE_include_directive : require
// Recursive least squares: P = (G + diag(ridge) + alpha I)^-1 and W = P S, carried from token to token by the formula of
// Sherman and Morrison. A workgroup owns one stream and head. P and W^T are one matrix of D + E rows, each a product
// with the key and then a rank-1 update; a lane owns rows, so that no lane reads what another has written to a buffer.
// P stays symmetric to the bit.
#include "common/storage.glsl"
#include "rls.h"

layout(local_size_x_id = 8) in;
layout(constant_id = 0) const uint kKArena = kActivations;
layout(constant_id = 1) const uint kVArena = kActivations;
layout(constant_id = 2) const uint kQArena = kActivations;
layout(constant_id = 3) const uint kYArena = kActivations;
layout(constant_id = 4) const uint kRidgeArena = kWeights;
layout(constant_id = 5) const uint kStateArena = kState; // of P, W, the record and what they start from
layout(constant_id = 6) const uint kReportArena = kActivations;
layout(constant_id = 7) const uint kSpan = 2;    // D + E
layout(constant_id = 9) const uint kStarts = 0;  // 1: P from G, W from 0; 2: P where the record is empty; 3: P, whatever it says
const uint kLanes = gl_WorkGroupSize.x; // a power of two
layout(push_constant) uniform Push { RlsParameters p; };

// The numbers are those of gramian::SolveStatus.
const float kSolved = 0.0;
const float kNoData = 1.0;
const float kFailed = 2.0;
const float kPivotBound = 4.0 / 16777216.0; // 4 * 2^-24: below it, rounding decides the pivot
shared vec4 reduced[kLanes];
shared float image[kSpan]; // P k and W^T k, or a row of the matrix to invert
shared vec4 terms[kSpan];  // of sums over rows
shared vec4 chains[8];

uint p_base;
uint w_base;
uint record_base;
uint token_head; // (slot T + token) H + head
uint head;

// Sums over the lanes in x, y and z, the largest in w.
vec4 reduce(vec4 value)
{
    uint lane = gl_LocalInvocationID.x;
    barrier();
    reduced[lane] = value;
    for (uint stride = kLanes / 2; stride > 0; stride /= 2) {
        barrier();
        vec4 other = lane < stride ? reduced[lane + stride] : vec4(0.0);
        if (lane < stride) reduced[lane] = vec4(reduced[lane].xyz + other.xyz, max(reduced[lane].w, other.w));
    }
    barrier();
    return reduced[0];
}

vec4 combine(vec4 sum, vec4 term) { return vec4(sum.xyz + term.xyz, max(sum.w, term.w)); }

// Sums over the rows in x, y and z, the largest in w: chain c takes every eighth four of rows from 4 c on, and the chains
// are summed one after the other. To the bit as in rls_software.comp.
vec4 sum_terms()
{
    uint lane = gl_LocalInvocationID.x;
    barrier();
    if (lane < 8) {
        vec4 sum = vec4(0.0);
        for (uint row = 4 * lane; row < kSpan; row += row % 4 == 3 ? 29 : 1) sum = combine(sum, terms[row]);
        chains[lane] = sum;
    }
    barrier();
    vec4 sum = chains[0];
    for (uint c = 1; c < 8; ++c) sum = combine(sum, chains[c]);
    return sum;
}

float key(uint i) { return load(kKArena, p.k + token_head * p.width + i); }
float query(uint i) { return load(kQArena, p.q + token_head * p.width + i); }
float inverse(uint row, uint column) { return load(kStateArena, p_base + row * p.width + column); }

float given_g(uint at, uint i)
{
    return p.initial_g == kNone ? 0.0 : load(kStateArena, p.initial_g + at * p.width * p.width + i);
}

// Element j of a row: P is symmetric, and W lies transposed, so that neighbouring lanes read neighbours.
uint row_base(uint row) { return row < p.width ? p_base + row : w_base + row - p.width; }
uint row_stride(uint row) { return row < p.width ? p.width : p.columns; }

#include "common/symmetric_inverse.glsl"

// image = the products of all rows with the key; k . P k.
float project()
{
    barrier();
    for (uint row = gl_LocalInvocationID.x; row < kSpan; row += kLanes) {
        uint at = row_base(row);
        uint stride = row_stride(row);
        float sum = 0.0;
        uint j = 0;
        for (; j + 4 <= p.width; j += 4) {
            sum = fma(load(kStateArena, at + j * stride), key(j), sum);
            sum = fma(load(kStateArena, at + (j + 1) * stride), key(j + 1), sum);
            sum = fma(load(kStateArena, at + (j + 2) * stride), key(j + 2), sum);
            sum = fma(load(kStateArena, at + (j + 3) * stride), key(j + 3), sum);
        }
        for (; j < p.width; ++j) sum = fma(load(kStateArena, at + j * stride), key(j), sum);
        image[row] = sum;
        terms[row] = vec4(row < p.width ? key(row) * sum : 0.0, 0.0, 0.0, 0.0);
    }
    return sum_terms().x;
}

// A row less gain change P k; its product with the query.
float update(uint row, float gain, float change)
{
    uint at = row_base(row);
    uint stride = row_stride(row);
    bool has_query = p.y != kNone;
    float sum = 0.0;
    for (uint j = 0; j < p.width; ++j) {
        float next = fma(-gain, change * image[j], load(kStateArena, at + j * stride));
        store(kStateArena, at + j * stride, next);
        if (has_query) sum = fma(next, query(j), sum);
    }
    return sum;
}

// The terms of x: q . P q, y: the squared error that the pair has left, z: |v|^2, w: the largest diagonal entry of P.
void learn(float gain, float seen)
{
    for (uint row = gl_LocalInvocationID.x; row < kSpan; row += kLanes) {
        bool is_key = row < p.width;
        float v = is_key ? 0.0 : load(kVArena, p.v + token_head * p.columns + row - p.width);
        float change = image[row] - v;
        float read = update(row, gain, change);
        if (is_key) {
            terms[row] = vec4(p.y == kNone ? 0.0 : read * query(row), 0.0, 0.0, inverse(row, row));
        } else {
            if (p.y != kNone) store(kYArena, p.y + token_head * p.columns + row - p.width, read);
            float left = change / (1.0 + seen);
            terms[row] = vec4(0.0, left * left, v * v, 0.0);
        }
    }
}

void write_report(vec4 found, float status)
{
    uint report = p.report + 8 * token_head;
    store(kReportArena, report, found.w > 0.0 ? 1.0 / found.w : 0.0);
    store(kReportArena, report + 1, load(kStateArena, record_base));
    store(kReportArena, report + 2, load(kStateArena, record_base + 1));
    store(kReportArena, report + 3, found.z > 0.0 ? sqrt(found.y / found.z) : 0.0);
    store(kReportArena, report + 4, status);
}

// Gives the status after it.
float take_token(float status)
{
    float beta = p.beta == kNone ? 1.0 : activation_floats[p.beta + token_head];
    float seen = beta * project();
    if (seen > 0.0 && status == kNoData) status = kSolved;
    learn(beta / (1.0 + seen), seen);
    if (p.variance == kNone && p.report == kNone) return status; // the whole launch
    vec4 found = sum_terms();
    if (gl_LocalInvocationID.x == 0 && p.variance != kNone) store(kYArena, p.variance + token_head, found.x);
    if (gl_LocalInvocationID.x == 0 && p.report != kNone) write_report(found, status);
    return status;
}

void take_tokens(uint slot, uint stream)
{
    uint at = stream * p.heads + head;
    p_base = p.inverse + at * p.width * p.width;
    w_base = p.weights + at * p.width * p.columns;
    record_base = p.record + 4 * at;
    uint given = p.counts == kNone ? p.tokens : io_words[p.counts + slot];
    uint end = min(given, p.first + p.count);
    bool has_tokens = given > p.first; // an idle slot may name the stream of another
    float status = load(kStateArena, record_base + 2);
    bool is_empty = load(kStateArena, record_base + 3) == 0.0;
    bool starts = kStarts == 1 || kStarts == 3 || (kStarts == 2 && has_tokens && is_empty);
    if (starts) status = start(at);
    for (uint t = p.first; t < end; ++t) {
        token_head = (slot * p.tokens + t) * p.heads + head;
        status = take_token(status);
    }
    barrier();
    if (gl_LocalInvocationID.x == 0 && (starts || has_tokens)) store(kStateArena, record_base + 2, status);
}

void main()
{
    head = gl_WorkGroupID.x;
    uint slot = gl_WorkGroupID.y;
    uint stream = stream_of(p.streams, slot);
    if (stream != kNone) take_tokens(slot, stream);
}
