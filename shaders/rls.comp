#version 450
#extension GL_GOOGLE_include_directive : require
// Recursive least squares: P = (G + diag(ridge) + alpha I)^-1 and W = P S, carried from token to token by the formula of
// Sherman and Morrison. A workgroup owns one stream and head. A lane owns columns of P and a share of W, so that no
// lane reads what another has written to a buffer; P stays symmetric to the bit.
#include "common/storage.glsl"
#include "rls.h"

layout(local_size_x = 64) in;
layout(constant_id = 0) const uint kKArena = kActivations;
layout(constant_id = 1) const uint kVArena = kActivations;
layout(constant_id = 2) const uint kQArena = kActivations;
layout(constant_id = 3) const uint kYArena = kActivations;
layout(constant_id = 4) const uint kRidgeArena = kWeights;
layout(constant_id = 5) const uint kStateArena = kState; // of P, W, the record and what they start from
layout(constant_id = 6) const uint kReportArena = kActivations;
layout(constant_id = 7) const uint kWidth = 1;
layout(constant_id = 8) const uint kColumns = 64; // of W, side by side: a power of two up to 64
layout(constant_id = 9) const uint kStarts = 0; // 1: P from G, W from 0; 2: P where the record is empty; 3: P, whatever it says
layout(push_constant) uniform Push { RlsParameters p; };

// The numbers are those of gramian::SolveStatus.
const float kSolved = 0.0;
const float kNoData = 1.0;
const float kFailed = 2.0;
const float kPivotBound = 4.0 / 16777216.0; // 4 * 2^-24: below it, rounding decides the pivot
shared float reduced[64];
shared float image[kWidth]; // P k, or a row of the matrix to invert

uint p_base;
uint w_base;
uint record_base;
uint token_head; // (slot T + token) H + head
uint head;

float reduce(float value, bool is_max)
{
    uint lane = gl_LocalInvocationID.x;
    barrier();
    reduced[lane] = value;
    for (uint stride = 32; stride > 0; stride /= 2) {
        barrier();
        float other = lane < stride ? reduced[lane + stride] : 0.0;
        if (lane < stride) reduced[lane] = is_max ? max(reduced[lane], other) : reduced[lane] + other;
    }
    barrier();
    return reduced[0];
}

// Over the lanes that share a column of W.
float reduce_column(float value)
{
    uint lane = gl_LocalInvocationID.x;
    barrier();
    reduced[lane] = value;
    for (uint stride = 32; stride >= kColumns; stride /= 2) {
        barrier();
        if (lane < stride) reduced[lane] += reduced[lane + stride];
    }
    barrier();
    return reduced[lane % kColumns];
}

float key(uint i) { return load(kKArena, p.k + token_head * p.width + i); }
float query(uint i) { return load(kQArena, p.q + token_head * p.width + i); }
float inverse(uint row, uint column) { return load(kStateArena, p_base + row * p.width + column); }
float given_g(uint at, uint i) { return p.initial_g == kNone ? 0.0 : load(kStateArena, p.initial_g + at * p.width * p.width + i); }

// Inverts what is in P by sweeps in place (Gauss and Jordan, on a symmetric matrix); false if a pivot fails.
bool invert(uint at, float alpha)
{
    uint lane = gl_LocalInvocationID.x;
    bool good = true;
    for (uint k = 0; k < p.width && good; ++k) {
        barrier();
        for (uint i = lane; i < p.width; i += 64) image[i] = inverse(k, i);
        barrier();
        float pivot = image[k];
        float entry = given_g(at, k * p.width + k) + alpha;
        if (p.ridge != kNone) entry += load(kRidgeArena, p.ridge + head * p.width + k);
        good = pivot > kPivotBound * entry && pivot < 3.0e38;
        for (uint i = lane; i < p.width && good; i += 64) {
            float scaled = image[i] / pivot;
            for (uint row = 0; row < p.width; ++row) {
                float swept = fma(-image[row], scaled, inverse(row, i));
                if (row == k) swept = scaled;
                if (i == k) swept = image[row] / pivot;
                if (row == k && i == k) swept = -1.0 / pivot;
                store(kStateArena, p_base + row * p.width + i, swept);
            }
        }
    }
    return good;
}

// P = (G + diag(ridge) + alpha I)^-1 of what was there before. Gives the status.
float start(uint at)
{
    uint lane = gl_LocalInvocationID.x;
    float diagonals = 0.0;
    for (uint i = lane; i < p.width; i += 64) diagonals += given_g(at, i * p.width + i);
    float trace = reduce(diagonals, false);
    float alpha = p.alpha;
    uint retries = 0;
    bool good = false;
    for (uint attempt = 0; attempt < p.attempts && !good; ++attempt) {
        if (attempt > 0) alpha = max(10.0 * alpha, 1.0e-6 * (trace / float(p.width)));
        retries = attempt;
        for (uint i = lane; i < p.width; i += 64) {
            float added = p.ridge == kNone ? alpha : alpha + load(kRidgeArena, p.ridge + head * p.width + i);
            for (uint row = 0; row < p.width; ++row) {
                float entry = given_g(at, row * p.width + i);
                store(kStateArena, p_base + row * p.width + i, row == i ? entry + added : entry);
            }
        }
        good = invert(at, alpha);
    }
    for (uint i = lane; i < p.width; i += 64) {
        for (uint row = 0; row < p.width; ++row) {
            store(kStateArena, p_base + row * p.width + i, good ? -inverse(row, i) : 0.0);
        }
    }
    for (uint block = 0; kStarts == 1 && block < p.columns; block += kColumns) {
        uint column = block + lane % kColumns;
        for (uint i = lane / kColumns; i < p.width && column < p.columns; i += 64 / kColumns) {
            store(kStateArena, w_base + i * p.columns + column, 0.0);
        }
    }
    if (lane == 0) {
        store(kStateArena, record_base, alpha);
        store(kStateArena, record_base + 1, float(retries));
        store(kStateArena, record_base + 3, 1.0);
    }
    return !good ? kFailed : trace == 0.0 ? kNoData : kSolved;
}

// image = P k; k . P k.
float project()
{
    float part = 0.0;
    barrier();
    for (uint i = gl_LocalInvocationID.x; i < p.width; i += 64) {
        float sum = 0.0;
        uint j = 0;
        for (; j + 4 <= p.width; j += 4) {
            sum = fma(inverse(j, i), key(j), sum);
            sum = fma(inverse(j + 1, i), key(j + 1), sum);
            sum = fma(inverse(j + 2, i), key(j + 2), sum);
            sum = fma(inverse(j + 3, i), key(j + 3), sum);
        }
        for (; j < p.width; ++j) sum = fma(inverse(j, i), key(j), sum);
        image[i] = sum;
        part = fma(key(i), sum, part);
    }
    return reduce(part, false);
}

// W += gain (v - W^T k)^T, and y = W^T q; x: the squared error that the pair had left afterwards, y: |v|^2.
vec2 learn_values(float gain)
{
    uint lane = gl_LocalInvocationID.x;
    vec2 fit = vec2(0.0);
    for (uint block = 0; block < p.columns; block += kColumns) {
        uint column = block + lane % kColumns;
        bool has_column = column < p.columns;
        float part = 0.0;
        for (uint i = lane / kColumns; i < p.width && has_column; i += 64 / kColumns) {
            part = fma(load(kStateArena, w_base + i * p.columns + column), key(i), part);
        }
        float v = has_column ? load(kVArena, p.v + token_head * p.columns + column) : 0.0;
        float error = v - reduce_column(part);
        vec2 read = vec2(0.0); // of q and of k
        for (uint i = lane / kColumns; i < p.width && has_column; i += 64 / kColumns) {
            float w = fma(gain * image[i], error, load(kStateArena, w_base + i * p.columns + column));
            store(kStateArena, w_base + i * p.columns + column, w);
            if (p.y != kNone) read.x = fma(w, query(i), read.x);
            read.y = fma(w, key(i), read.y);
        }
        float y = reduce_column(read.x);
        float left = v - reduce_column(read.y);
        if (lane < kColumns && has_column) {
            if (p.y != kNone) store(kYArena, p.y + token_head * p.columns + column, y);
            fit += vec2(left * left, v * v);
        }
    }
    return fit;
}

// P -= gain (P k) (P k)^T; x: q . P q, y: the largest diagonal entry.
vec2 learn_key(float gain)
{
    vec2 found = vec2(0.0);
    for (uint i = gl_LocalInvocationID.x; i < p.width; i += 64) {
        float sum = 0.0;
        for (uint j = 0; j < p.width; ++j) {
            float next = fma(-gain, image[i] * image[j], inverse(j, i));
            store(kStateArena, p_base + j * p.width + i, next);
            if (p.variance != kNone) sum = fma(next, query(j), sum);
            if (j == i) found.y = max(found.y, next);
        }
        if (p.variance != kNone) found.x = fma(sum, query(i), found.x);
    }
    return found;
}

// Gives the status after it.
float take_token(float status)
{
    float beta = p.beta == kNone ? 1.0 : activation_floats[p.beta + token_head];
    float seen = beta * project();
    float gain = beta / (1.0 + seen);
    if (seen > 0.0 && status == kNoData) status = kSolved;
    vec2 fit = learn_values(gain);
    vec2 found = learn_key(gain);
    if (p.variance != kNone) {
        float variance = reduce(found.x, false);
        if (gl_LocalInvocationID.x == 0) store(kYArena, p.variance + token_head, variance);
    }
    if (p.report == kNone) return status;
    float largest = reduce(found.y, true);
    float left = reduce(fit.x, false);
    float size = reduce(fit.y, false);
    uint report = p.report + 8 * token_head;
    if (gl_LocalInvocationID.x == 0) {
        store(kReportArena, report, largest > 0.0 ? 1.0 / largest : 0.0);
        store(kReportArena, report + 1, load(kStateArena, record_base));
        store(kReportArena, report + 2, load(kStateArena, record_base + 1));
        store(kReportArena, report + 3, size > 0.0 ? sqrt(left / size) : 0.0);
        store(kReportArena, report + 4, status);
    }
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
    bool has_tokens = end > p.first; // an idle slot may name the stream of another
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
