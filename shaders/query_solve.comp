#version 450
#extension GL_GOOGLE_include_directive : require
// x = (G + diag(ridge) + alpha I)^-1 q, and what follows from it: y = S^T x and the variance q . x. One query a
// workgroup. The solver is an include: Cholesky with the pivot rule and the retries of every solve, its factor in shared
// memory or in a buffer, or conjugate gradients.
#include "common/storage.glsl"
#include "query_solve.h"

layout(local_size_x = 64) in;
layout(constant_id = 0) const uint kGArena = kState;
layout(constant_id = 1) const uint kSArena = kState;
layout(constant_id = 2) const uint kQArena = kActivations;
layout(constant_id = 3) const uint kYArena = kActivations;
layout(constant_id = 4) const uint kRidgeArena = kWeights;
layout(constant_id = 5) const uint kReportArena = kActivations;
layout(constant_id = 6) const uint kIsRelative = 0; // alpha is a multiple of trace(G) / D
layout(constant_id = 7) const uint kIsPerRow = 0;   // each row has a G and an S of its own
layout(constant_id = 8) const uint kColumns = 64;   // of y, that the workgroup sums at a time: a power of two up to 64
layout(constant_id = 9) const uint kSize = 1;       // Cholesky: vectors of the factor; conjugate gradients: D
layout(constant_id = 10) const uint kMethod = 0;    // 0: conjugate gradients, 1: compatible, 2: compatible from zero
layout(push_constant) uniform Push { QuerySolveParameters p; };

// The numbers are those of gramian::SolveStatus.
const float kSolved = 0.0;
const float kNoData = 1.0;
const float kFailed = 2.0;
const float kLeastTrace = 1.1754944e-38; // below, G is nothing but denormals, which devices may take for 0
shared float reduced[64];

uint g_base;
uint q_base;
uint ridge_base;
float alpha;
shared float mean; // trace(G) / D; a register more, and the Raspberry Pi 5 (V3D 7.1, Mesa 26.1) spills
float min_pivot;
uint retries;

float reduce_sum(float value)
{
    uint lane = gl_LocalInvocationID.x;
    barrier();
    reduced[lane] = value;
    for (uint stride = 32; stride > 0; stride /= 2) {
        barrier();
        if (lane < stride) reduced[lane] += reduced[lane + stride];
    }
    barrier();
    return reduced[0];
}

float ridge_of(uint row) { return p.ridge == kNone ? alpha : alpha + load(kRidgeArena, ridge_base + row); }
float query(uint row) { return load(kQArena, q_base + row); }
// Symmetric: neighbouring lanes, which own neighbouring rows, read neighbours.
float gram(uint row, uint column) { return load(kGArena, g_base + column * p.width + row); }

#ifdef GRAMIAN_GRADIENT
#include "common/conjugate_gradients.glsl"
#else
#include "common/cholesky.glsl"
#endif

// |q - (G + diag(ridge) + alpha I) x| / |q|
float residual()
{
    float error = 0.0;
    float size = 0.0;
    for (uint row = gl_LocalInvocationID.x; row < p.width; row += 64) {
        float left = query(row) - ridge_of(row) * solution(row);
        for (uint j = 0; j < p.width; ++j) left = fma(-gram(row, j), solution(j), left);
        error = fma(left, left, error);
        size = fma(query(row), query(row), size);
    }
    float errors = reduce_sum(error);
    float sizes = reduce_sum(size);
    return sizes > 0.0 ? sqrt(errors / sizes) : 0.0;
}

void read_values(uint s_base, uint y_base, bool good)
{
    uint lane = gl_LocalInvocationID.x;
    for (uint first = 0; first < p.columns; first += kColumns) {
        uint column = first + lane % kColumns;
        float part = 0.0;
        for (uint i = lane / kColumns; i < p.width && good && column < p.columns; i += 64 / kColumns) {
            part = fma(load(kSArena, s_base + i * p.columns + column), solution(i), part);
        }
        barrier();
        reduced[lane] = part;
        for (uint stride = 32; stride >= kColumns; stride /= 2) {
            barrier();
            if (lane < stride) reduced[lane] += reduced[lane + stride];
        }
        barrier();
        if (lane < kColumns && column < p.columns) store(kYArena, y_base + column, reduced[lane]);
    }
}

// What is known about a direction when nothing was observed is the ridge alone; without one, nothing.
float prior_variance()
{
    float sum = 0.0;
    for (uint i = gl_LocalInvocationID.x; i < p.width; i += 64) {
        if (query(i) != 0.0) sum += ridge_of(i) > 0.0 ? query(i) * query(i) / ridge_of(i) : uintBitsToFloat(0x7f800000u);
    }
    return reduce_sum(sum);
}

void take_query(uint problem, uint at, uint head)
{
    uint lane = gl_LocalInvocationID.x;
    g_base = p.g + (problem * p.heads + head) * p.width * p.width;
    q_base = p.q + (at * p.heads + head) * p.width;
    ridge_base = p.ridge + head * p.width;
    float diagonals = 0.0;
    for (uint i = lane; i < p.width; i += 64) diagonals += gram(i, i);
    float trace = reduce_sum(diagonals);
    if (lane == 0) mean = trace / float(p.width);
    alpha = kIsRelative == 1 ? p.alpha * (trace / float(p.width)) : p.alpha;
    min_pivot = 0.0;
    retries = 0;
    bool has_data = !(abs(trace) < kLeastTrace);
    bool good = has_data && solve_query();
    float variance = has_data ? uintBitsToFloat(0x7f800000u) : prior_variance();
    if (good) variance = solved_variance();
    if (p.y != kNone) {
        read_values(p.s + (problem * p.heads + head) * p.width * p.columns, p.y + (at * p.heads + head) * p.columns, good);
    }
    if (p.x != kNone) {
        for (uint i = lane; i < p.width; i += 64) {
            activation_floats[p.x + (at * p.heads + head) * p.width + i] = good ? solution(i) : 0.0;
        }
    }
    if (p.variance != kNone && lane == 0) store(kYArena, p.variance + at * p.heads + head, variance);
    if (p.report == kNone) return;
    float left = good ? residual() : 0.0;
    uint report = p.report + 8 * (at * p.heads + head);
    if (lane == 0) {
        store(kReportArena, report, min_pivot);
        store(kReportArena, report + 1, alpha);
        store(kReportArena, report + 2, float(retries));
        store(kReportArena, report + 3, left);
        store(kReportArena, report + 4, good ? kSolved : has_data ? kFailed : kNoData);
    }
}

void main()
{
    uint head = gl_WorkGroupID.x;
    uint row = p.first_row + gl_WorkGroupID.y;
    uint slot = row / p.count;
    uint token = p.first + row % p.count;
    uint stream = stream_of(p.streams, slot);
    uint end = p.counts == kNone ? p.tokens : io_words[p.counts + slot];
    place_factor(row * p.heads + head);
    if (stream != kNone && token < end) take_query(kIsPerRow == 1 ? row : stream, slot * p.tokens + token, head);
}
