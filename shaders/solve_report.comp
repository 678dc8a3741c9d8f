#version 450
#extension GL_GOOGLE_include_directive : require
// What a solve of several launches decides between them, one workgroup a problem: which alpha to begin with, whether to
// try again with a larger one, whether a factor is good, and how large the residual is.
#include "common/storage.glsl"
#include "common/report.glsl"
#include "solve_report.h"

layout(local_size_x = 64) in;
layout(constant_id = 0) const uint kAArena = kActivations;
layout(constant_id = 1) const uint kXArena = kActivations;
layout(constant_id = 2) const uint kRhsArena = kActivations;
layout(constant_id = 3) const uint kReportArena = kActivations;
layout(constant_id = 4) const uint kPhase = 0; // gramian::SolvePhase
layout(constant_id = 5) const uint kIsRelative = 0;
layout(constant_id = 6) const uint kIsLower = 0; // the factor, otherwise upper
layout(constant_id = 7) const uint kJudged = 0; // gramian::Judged
layout(push_constant) uniform Push { SolveReportParameters p; };

const uint kBeginFromMatrix = 0;
const uint kBeginFromKeys = 1;
const uint kBeginAgain = 2;
const uint kJudgeDiagonal = 3;
const uint kJudgeColumns = 4;
const uint kFinish = 5;

const uint kFactor = 1;
const uint kInverse = 2;

shared float reduced[64];

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

float reduce_min(float value)
{
    uint lane = gl_LocalInvocationID.x;
    barrier();
    reduced[lane] = value;
    for (uint stride = 32; stride > 0; stride /= 2) {
        barrier();
        if (lane < stride) reduced[lane] = min(reduced[lane], reduced[lane + stride]);
    }
    barrier();
    return reduced[0];
}

void begin(uint report, float trace)
{
    float mean = trace / float(p.unknowns);
    store(kReportArena, report + kMinPivot, trace == 0.0 ? 0.0 : kHuge);
    store(kReportArena, report + kAlpha, kIsRelative == 1 ? p.alpha * mean : p.alpha);
    store(kReportArena, report + kRetries, 0.0);
    store(kReportArena, report + kResidual, 0.0);
    store(kReportArena, report + kStatus, trace == 0.0 ? kNoData : kFailed);
    store(kReportArena, report + kIsBroken, 0.0);
    store(kReportArena, report + kMean, mean);
}

void begin_from_matrix(uint report, uint problem)
{
    uint lane = gl_LocalInvocationID.x;
    float sum = 0.0;
    for (uint i = lane; i < p.unknowns; i += 64) {
        sum += load(kAArena, p.a + (problem * p.unknowns + i) * p.unknowns + i);
    }
    float trace = reduce_sum(sum);
    if (lane == 0) begin(report, trace);
}

// The trace of K^T K, over as many elements of K as a launch may loop over.
void begin_from_keys(uint report, uint slot, uint head)
{
    uint lane = gl_LocalInvocationID.x;
    float sum = 0.0;
    for (uint i = p.first + lane; i < p.first + p.count; i += 64) {
        uint row = (slot * p.tokens + i / p.unknowns) * p.heads + head;
        float key = load(kAArena, p.a + row * p.unknowns + i % p.unknowns);
        sum = fma(key, key, sum);
    }
    float part = reduce_sum(sum);
    if (lane > 0) return; // no barrier follows
    float trace = p.first == 0 ? part : part + load(kReportArena, report + kMean);
    store(kReportArena, report + kMean, trace);
    if (p.is_last == 1) begin(report, trace);
}

void begin_again(uint report)
{
    if (gl_LocalInvocationID.x > 0 || load(kReportArena, report + kStatus) != kFailed) return;
    float alpha = max(10.0 * load(kReportArena, report + kAlpha), 1.0e-6 * load(kReportArena, report + kMean));
    store(kReportArena, report + kAlpha, alpha);
    store(kReportArena, report + kRetries, load(kReportArena, report + kRetries) + 1.0);
    store(kReportArena, report + kMinPivot, kHuge);
    store(kReportArena, report + kIsBroken, 0.0);
}

float entry(uint base, uint row, uint column)
{
    return load(kAArena, base + (kIsLower == 1 ? column * p.unknowns + row : row * p.unknowns + column));
}

// R^T R = A: the squares of column j of R sum up to A[j][j], of which R[j][j]^2 is what cancellation left. From keys, not
// from A, R is exact to rounding and not to its square root, and so is the bound.
void judge_diagonal(uint report, uint problem)
{
    uint lane = gl_LocalInvocationID.x;
    bool is_good = load(kReportArena, report + kStatus) == kFailed;
    uint base = p.a + problem * p.unknowns * p.unknowns;
    float smallest = kHuge;
    float failures = 0.0;
    for (uint j = lane; j < p.unknowns && is_good; j += 64) {
        float diagonal = entry(base, j, j);
        float size = abs(diagonal);
        if (kJudged == kFactor) {
            for (uint i = 0; i < j; ++i) size = max(size, abs(entry(base, i, j)));
        }
        float pivot = kJudged == kInverse ? 1.0 / abs(diagonal) : diagonal * diagonal;
        smallest = min(smallest, pivot);
        bool passes = abs(diagonal) > kPivotBound * size && size < kHuge;
        failures += passes ? 0.0 : 1.0;
    }
    smallest = reduce_min(smallest);
    failures = reduce_sum(failures);
    if (lane > 0 || !is_good) return;
    store(kReportArena, report + kMinPivot, smallest);
    if (failures == 0.0) store(kReportArena, report + kStatus, kSolved);
}

// The states of the columns of conjugate_gradients.comp: solved if each of them is sound.
void judge_columns(uint report, uint problem)
{
    uint lane = gl_LocalInvocationID.x;
    bool is_good = load(kReportArena, report + kStatus) == kFailed;
    float failures = 0.0;
    for (uint c = lane; c < p.columns && is_good; c += 64) {
        failures += load(kAArena, p.a + (problem * p.columns + c + 1) * p.size - 1) == 0.0 ? 0.0 : 1.0;
    }
    failures = reduce_sum(failures);
    if (lane > 0) return;
    store(kReportArena, report + kMinPivot, 0.0);
    if (is_good && failures == 0.0) store(kReportArena, report + kStatus, kSolved);
}

void finish(uint report, uint problem, uint own)
{
    uint lane = gl_LocalInvocationID.x;
    bool is_solved = load(kReportArena, report + kStatus) == kSolved;
    if (p.rhs != kNone) {
        uint elements = p.unknowns * p.columns;
        float error = 0.0;
        float size = 0.0;
        for (uint i = lane; i < elements; i += 64) {
            float r = activation_floats[p.r + own * elements + i];
            float rhs = load(kRhsArena, p.rhs + problem * elements + i);
            error = fma(r, r, error);
            size = fma(rhs, rhs, size);
        }
        float errors = reduce_sum(error);
        float sizes = reduce_sum(size);
        if (lane == 0) store(kReportArena, report + kResidual, is_solved && sizes > 0.0 ? sqrt(errors / sizes) : 0.0);
    }
    for (uint i = lane; i < p.size && !is_solved; i += 64) store(kXArena, p.x + problem * p.size + i, 0.0);
}

void main()
{
    uint head = gl_WorkGroupID.x;
    uint slot = gl_WorkGroupID.y;
    uint stream = stream_of(p.streams, slot);
    uint problem = stream * p.heads + head;
    uint own = slot * p.heads + head;
    uint report = p.report + 8 * own;
    if (stream == kNone) return; // the whole workgroup alike
    if (kPhase == kBeginFromMatrix) begin_from_matrix(report, problem);
    if (kPhase == kBeginFromKeys) begin_from_keys(report, slot, head);
    if (kPhase == kBeginAgain) begin_again(report);
    if (kPhase == kJudgeDiagonal) judge_diagonal(report, own);
    if (kPhase == kJudgeColumns) judge_columns(report, own);
    if (kPhase == kFinish) finish(report, problem, own);
}
