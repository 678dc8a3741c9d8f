#version 450
#extension GL_GOOGLE_include_directive : require
// Least squares by its square root: R^T R = G, R^T z = S, kept by Givens rotations from the weighted keys and values
// themselves. The ridge is rotated into a copy, so that it never decays; R'^T u = q then gives y = z'^T u and the
// variance u . u. A workgroup owns one stream and head; a lane owns columns of [R z], so that no lane reads what another
// has written to a buffer: the diagonal and the row at hand cross lanes in shared memory.
#include "common/storage.glsl"
#include "square_root.h"

layout(local_size_x = 64) in;
layout(constant_id = 0) const uint kKArena = kActivations;
layout(constant_id = 1) const uint kVArena = kActivations;
layout(constant_id = 2) const uint kQArena = kActivations;
layout(constant_id = 3) const uint kYArena = kActivations;
layout(constant_id = 4) const uint kRidgeArena = kWeights;
layout(constant_id = 5) const uint kStateArena = kState; // of R and z
layout(constant_id = 6) const uint kReportArena = kActivations;
layout(constant_id = 7) const uint kWidth = 1;
layout(constant_id = 8) const uint kSpan = 2; // D + E
layout(constant_id = 9) const uint kIsRelative = 0; // alpha is a multiple of trace(G) / D
layout(constant_id = 10) const uint kStart = 0;  // 0: R is there, 1: zeros, 2: from G and S, in the arena of R
layout(constant_id = 11) const uint kPhase = 0;  // 0: tokens, 1: settle, 2: queries
layout(push_constant) uniform Push { SquareRootParameters p; };

// The numbers are those of gramian::SolveStatus.
const float kSolved = 0.0;
const float kNoData = 1.0;
const float kFailed = 2.0;
const float kBound = 4.0 / 16777216.0; // 4 * 2^-24: below it, rounding decides
const float kLeastTrace = 1.1754944e-38;
shared float reduced[64];

uint head;
uint factor_base;
uint settled_base;
float min_pivot;
float alpha;
float retries;
float status;
bool has_answer;

float reduce(float value, bool is_min)
{
    uint lane = gl_LocalInvocationID.x;
    barrier();
    reduced[lane] = value;
    for (uint stride = 32; stride > 0; stride /= 2) {
        barrier();
        float other = lane < stride ? reduced[lane + stride] : 0.0;
        if (lane < stride) reduced[lane] = is_min ? min(reduced[lane], other) : reduced[lane] + other;
    }
    barrier();
    return reduced[0];
}

#include "common/givens.glsl"

void take_token(uint token_head)
{
    float weight = p.beta == kNone ? 1.0 : sqrt(activation_floats[p.beta + token_head]);
    float scale = p.decay == kNone ? sqrt(p.forget) : sqrt(p.forget * exp(activation_floats[p.decay + token_head]));
    for (uint j = gl_LocalInvocationID.x; j < kSpan; j += 64) {
        row[j] = weight * (j < p.width ? load(kKArena, p.k + token_head * p.width + j)
                                       : load(kVArena, p.v + token_head * p.columns + j - p.width));
    }
    rotate_in(false, 0, scale);
}

// x: the pivots of the settled factor that are lost in rounding; y: the smallest, squared.
vec2 inspect()
{
    vec2 found = vec2(0.0, 3.4e38);
    for (uint j = gl_LocalInvocationID.x; j < p.width; j += 64) {
        float sum = 0.0;
        for (uint i = 0; i <= j; ++i) sum = fma(get(true, i * kSpan + j), get(true, i * kSpan + j), sum);
        float d = diagonal[kWidth + j];
        found.y = min(found.y, d * d);
        if (!(d > kBound * sqrt(sum) && d < 3.0e38)) found.x = 1.0; // also for NaN
    }
    return vec2(reduce(found.x, false), reduce(found.y, true));
}

void copy_factor()
{
    barrier();
    for (uint j = gl_LocalInvocationID.x; j < kSpan; j += 64) {
        for (uint i = 0; i < p.width; ++i) put(true, i * kSpan + j, get(false, i * kSpan + j));
        if (j < p.width) diagonal[kWidth + j] = diagonal[j];
    }
}

void rotate_ridge()
{
    for (uint m = 0; m < p.width; ++m) {
        float ridge = p.ridge == kNone ? alpha : alpha + load(kRidgeArena, p.ridge + head * p.width + m);
        for (uint j = gl_LocalInvocationID.x; j < kSpan; j += 64) row[j] = j == m ? sqrt(ridge) : 0.0;
        if (ridge > 0.0) rotate_in(true, m, 1.0);
    }
}

// The factor with the ridge, a larger one where a pivot is lost.
void settle()
{
    float part = 0.0;
    for (uint j = gl_LocalInvocationID.x; j < p.width; j += 64) {
        for (uint i = 0; i <= j; ++i) part = fma(get(false, i * kSpan + j), get(false, i * kSpan + j), part);
    }
    float trace = reduce(part, false);
    float mean = trace / float(p.width);
    alpha = kIsRelative == 1 ? p.alpha * mean : p.alpha;
    retries = 0.0;
    bool has_data = !(trace < kLeastTrace);
    for (bool going = true; going;) {
        copy_factor();
        rotate_ridge();
        vec2 found = inspect();
        min_pivot = found.y;
        has_answer = found.x == 0.0;
        going = !has_answer && has_data && retries < float(p.retries);
        if (going) {
            alpha = max(10.0 * alpha, 1.0e-6 * mean);
            retries += 1.0;
        }
    }
    status = !has_data ? kNoData : has_answer ? kSolved : kFailed;
}

// Behind the settled factor, for another launch.
void keep_report()
{
    uint at = p.width * kSpan;
    if (gl_LocalInvocationID.x > 0) return;
    put(true, at, min_pivot);
    put(true, at + 1, alpha);
    put(true, at + 2, retries);
    put(true, at + 3, status);
    put(true, at + 4, has_answer ? 1.0 : 0.0);
}

void recall_report()
{
    uint at = p.width * kSpan;
    min_pivot = get(true, at);
    alpha = get(true, at + 1);
    retries = get(true, at + 2);
    status = get(true, at + 3);
    has_answer = get(true, at + 4) > 0.0;
}

// R'^T u = q, and z'^T u in the columns behind; u takes the place of q. Gives u . u.
float substitute(uint token_head)
{
    uint lane = gl_LocalInvocationID.x;
    barrier();
    for (uint j = lane; j < kSpan; j += 64) {
        row[j] = j < p.width ? load(kQArena, p.q + token_head * p.width + j) : 0.0;
    }
    float sum = 0.0;
    for (uint i = 0; i < p.width && has_answer; ++i) {
        barrier();
        float u = row[i] / diagonal[kWidth + i];
        barrier(); // all have read
        sum = fma(u, u, sum);
        if (lane == 0) row[i] = u;
        for (uint j = first_own(i + 1); j < kSpan; j += 64) {
            row[j] = fma(j < p.width ? -u : u, get(true, i * kSpan + j), row[j]);
        }
    }
    barrier();
    return sum;
}

void answer(uint token_head)
{
    uint lane = gl_LocalInvocationID.x;
    float variance = substitute(token_head);
    for (uint j = lane; j < p.columns; j += 64) {
        store(kYArena, p.y + token_head * p.columns + j, has_answer ? row[p.width + j] : 0.0);
    }
    if (lane == 0 && p.variance != kNone) {
        store(kYArena, p.variance + token_head, has_answer ? variance : uintBitsToFloat(0x7f800000u));
    }
    if (p.report == kNone) return; // of the whole launch
    float error = 0.0;
    float size = 0.0;
    for (uint j = lane; j < p.width; j += 64) {
        float q = load(kQArena, p.q + token_head * p.width + j);
        float left = q;
        for (uint i = 0; i <= j && has_answer; ++i) left = fma(-get(true, i * kSpan + j), row[i], left);
        error = fma(left, left, error);
        size = fma(q, q, size);
    }
    error = reduce(error, false);
    size = reduce(size, false);
    uint report = p.report + 8 * token_head;
    if (lane == 0) {
        store(kReportArena, report, min_pivot);
        store(kReportArena, report + 1, alpha);
        store(kReportArena, report + 2, retries);
        store(kReportArena, report + 3, has_answer && size > 0.0 ? sqrt(error / size) : 0.0);
        store(kReportArena, report + 4, status);
    }
}

void run(uint slot, uint stream)
{
    uint at = stream * p.heads + head;
    factor_base = p.factor + at * p.width * kSpan;
    settled_base = p.settled + (slot * p.heads + head) * (p.width * kSpan + 8);
    uint given = p.counts == kNone ? p.tokens : io_words[p.counts + slot];
    uint end = min(given, p.first + p.count);
    if (kPhase == 0 && kStart > 0) start(at);
    load_diagonal(kPhase == 2);
    for (uint t = p.first; t < end && kPhase == 0; ++t) take_token((slot * p.tokens + t) * p.heads + head);
    if (kPhase == 1) {
        settle();
        keep_report();
    }
    if (kPhase == 2) {
        recall_report();
        answer((slot * p.tokens + p.first + gl_WorkGroupID.z) * p.heads + head);
    }
}

void main()
{
    head = gl_WorkGroupID.x;
    uint slot = gl_WorkGroupID.y;
    uint stream = stream_of(p.streams, slot);
    if (stream != kNone) run(slot, stream);
}
