#version 450
#extension GL_GOOGLE_include_directive : require
// x = (a + diag(ridge) + alpha I)^-1 rhs by Cholesky, one problem a workgroup; pivot rule, retries and report included.
//
// Left-looking in blocks of four columns. The right-hand sides are further rows of the matrix: the same updates that
// make the factor L turn them into L^-1 rhs, so the forward substitution costs no pass of its own. A lane owns rows;
// the factor is stored by block column, four columns of a row as one vector, neighbouring rows side by side:
//
//     block column J holds rows 4J .. rows-1;  vector (J, i) = L[i][4J .. 4J+3]
//
// Unknowns are padded to a multiple of four by rows of the identity.
#include "common/storage.glsl"
#include "ridge_solve.h"

layout(local_size_x = 64) in;
layout(constant_id = 0) const uint kAArena = kActivations;
layout(constant_id = 1) const uint kRhsArena = kActivations;
layout(constant_id = 2) const uint kXArena = kActivations;
layout(constant_id = 3) const uint kReportArena = kActivations;
layout(constant_id = 4) const uint kRidgeArena = kWeights;
layout(constant_id = 5) const uint kIsRelative = 0; // alpha is a multiple of trace(a) / unknowns
layout(constant_id = 6) const uint kFactorVectors = 1;
layout(push_constant) uniform Push { RidgeSolveParameters p; };

// The numbers are those of gramian::SolveStatus.
const float kSolved = 0.0;
const float kNoData = 1.0;
const float kFailed = 2.0;
const uint kMaxRetries = 6;
const float kPivotBound = 4.0 / 16777216.0; // 4 * 2^-24: below it, rounding decides the pivot

#ifdef GRAMIAN_SHARED
shared vec4 factor[kFactorVectors];
#define FACTOR(index) factor[index]
void sync() { barrier(); }
#else
layout(set = 0, binding = 2, std430) coherent buffer Workspace { vec4 workspace[]; };
uint factor_base;
#define FACTOR(index) workspace[factor_base + (index)]
void sync()
{
    memoryBarrierBuffer();
    barrier();
}
#endif
shared float reduced[64];
shared float pivot_bounds[4]; // of the block at hand

uint unknowns;  // padded to a multiple of four
uint rows;      // with the right-hand sides
uint a_base;
uint rhs_base;
uint ridge_base;
float alpha;
float min_pivot;

uint at(uint block, uint row) { return block * rows - 2 * block * (block - 1) + row - 4 * block; }

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

// What is added to the diagonal, and the diagonal of the padding.
float diagonal(uint row) { return row < p.unknowns ? load(kAArena, a_base + row * p.unknowns + row) + ridge_of(row) : 1.0; }

float entry(uint row, uint column)
{
    if (row == column) return diagonal(row);
    if (column >= p.unknowns || (row >= p.unknowns && row < unknowns)) return 0.0;
    if (row >= unknowns) return load(kRhsArena, rhs_base + column * p.columns + row - unknowns);
    return load(kAArena, a_base + column * p.unknowns + row); // symmetric: neighbouring lanes read neighbours
}

// Rows 4J.. of block column J, less what the columns before it account for.
void update_block(uint block)
{
    uint lane = gl_LocalInvocationID.x;
    if (lane < 4) pivot_bounds[lane] = kPivotBound * diagonal(4 * block + lane);
    for (uint row = 4 * block + gl_LocalInvocationID.x; row < rows; row += 64) {
        vec4 sum = vec4(entry(row, 4 * block), entry(row, 4 * block + 1), entry(row, 4 * block + 2),
                        entry(row, 4 * block + 3));
        for (uint before = 0; before < block; ++before) {
            vec4 l = FACTOR(at(before, row));
            uint top = at(before, 4 * block);
            sum -= vec4(dot(l, FACTOR(top)), dot(l, FACTOR(top + 1)), dot(l, FACTOR(top + 2)), dot(l, FACTOR(top + 3)));
        }
        FACTOR(at(block, row)) = sum;
    }
}

bool is_pivot(float pivot, uint row)
{
    if (row < p.unknowns) min_pivot = min(min_pivot, pivot);
    return pivot > pivot_bounds[row % 4] && pivot < 3.0e38; // false for NaN
}

// Factors the 4 x 4 block on the diagonal, in every lane alike, and divides the rows below it by it.
bool factor_block(uint block)
{
    uint row_0 = 4 * block;
    vec4 d0 = FACTOR(at(block, row_0));
    vec4 d1 = FACTOR(at(block, row_0 + 1));
    vec4 d2 = FACTOR(at(block, row_0 + 2));
    vec4 d3 = FACTOR(at(block, row_0 + 3));
    sync(); // all have read; now rows may be overwritten
    bool good = is_pivot(d0.x, row_0);
    float l00 = sqrt(d0.x);
    float l10 = d1.x / l00;
    float l20 = d2.x / l00;
    float l30 = d3.x / l00;
    float pivot1 = d1.y - l10 * l10;
    good = is_pivot(pivot1, row_0 + 1) && good;
    float l11 = sqrt(pivot1);
    float l21 = (d2.y - l20 * l10) / l11;
    float l31 = (d3.y - l30 * l10) / l11;
    float pivot2 = d2.z - l20 * l20 - l21 * l21;
    good = is_pivot(pivot2, row_0 + 2) && good;
    float l22 = sqrt(pivot2);
    float l32 = (d3.z - l30 * l20 - l31 * l21) / l22;
    float pivot3 = d3.w - l30 * l30 - l31 * l31 - l32 * l32;
    good = is_pivot(pivot3, row_0 + 3) && good;
    float l33 = sqrt(pivot3);
    for (uint row = row_0 + gl_LocalInvocationID.x; row < rows; row += 64) {
        vec4 l = FACTOR(at(block, row));
        l.x /= l00;
        l.y = (l.y - l.x * l10) / l11;
        l.z = (l.z - l.x * l20 - l.y * l21) / l22;
        l.w = (l.w - l.x * l30 - l.y * l31 - l.z * l32) / l33;
        if (row == row_0) l = vec4(l00, 0.0, 0.0, 0.0);
        if (row == row_0 + 1) l = vec4(l10, l11, 0.0, 0.0);
        if (row == row_0 + 2) l = vec4(l20, l21, l22, 0.0);
        if (row == row_0 + 3) l = vec4(l30, l31, l32, l33);
        FACTOR(at(block, row)) = l;
    }
    return good;
}

bool factorize()
{
    bool good = true;
    min_pivot = 3.4e38;
    for (uint block = 0; block < unknowns / 4 && good; ++block) {
        update_block(block);
        sync();
        good = factor_block(block);
        sync();
    }
    return good;
}

// L^T x = z, from the last block of unknowns to the first; x takes the place of z.
void substitute_back()
{
    uint lane = gl_LocalInvocationID.x;
    for (uint block = unknowns / 4; block-- > 0;) {
        vec4 l1 = FACTOR(at(block, 4 * block + 1));
        vec4 l2 = FACTOR(at(block, 4 * block + 2));
        vec4 l3 = FACTOR(at(block, 4 * block + 3));
        for (uint column = lane; column < p.columns; column += 64) {
            vec4 x = FACTOR(at(block, unknowns + column));
            x.w /= l3.w;
            x.z = (x.z - l3.z * x.w) / l2.z;
            x.y = (x.y - l2.y * x.z - l3.y * x.w) / l1.y;
            x.x = (x.x - l1.x * x.y - l2.x * x.z - l3.x * x.w) / FACTOR(at(block, 4 * block)).x;
            FACTOR(at(block, unknowns + column)) = x;
        }
        sync();
        for (uint i = lane; i < block * p.columns; i += 64) {
            uint before = i % block;
            uint column = i / block;
            vec4 x = FACTOR(at(block, unknowns + column));
            uint top = at(before, 4 * block);
            FACTOR(at(before, unknowns + column)) -= FACTOR(top) * x.x + FACTOR(top + 1) * x.y + FACTOR(top + 2) * x.z +
                                                     FACTOR(top + 3) * x.w;
        }
        sync();
    }
}

float solution(uint row, uint column) { return FACTOR(at(row / 4, unknowns + column))[row % 4]; }

// |rhs - (a + ridge + alpha) x| / |rhs|, Frobenius.
float residual()
{
    float error = 0.0;
    float size = 0.0;
    for (uint i = gl_LocalInvocationID.x; i < p.unknowns * p.columns; i += 64) {
        uint row = i / p.columns;
        uint column = i % p.columns;
        float rhs = load(kRhsArena, rhs_base + i);
        float left = rhs - ridge_of(row) * solution(row, column);
        for (uint block = 0; block < unknowns / 4; ++block) {
            vec4 x = FACTOR(at(block, unknowns + column));
            uint from = a_base + 4 * block * p.unknowns + row;
            left -= x.x * load(kAArena, from);
            if (4 * block + 1 < p.unknowns) left -= x.y * load(kAArena, from + p.unknowns);
            if (4 * block + 2 < p.unknowns) left -= x.z * load(kAArena, from + 2 * p.unknowns);
            if (4 * block + 3 < p.unknowns) left -= x.w * load(kAArena, from + 3 * p.unknowns);
        }
        error = fma(left, left, error);
        size = fma(rhs, rhs, size);
    }
    float errors = reduce_sum(error);
    float sizes = reduce_sum(size);
    return sizes > 0.0 ? sqrt(errors / sizes) : 0.0;
}

void solve(uint problem, uint x_base)
{
    uint lane = gl_LocalInvocationID.x;
    float diagonals = 0.0;
    for (uint i = lane; i < p.unknowns; i += 64) diagonals += load(kAArena, a_base + i * p.unknowns + i);
    float trace = reduce_sum(diagonals);
    float mean = trace / float(p.unknowns);
    alpha = kIsRelative == 1 ? p.alpha * mean : p.alpha;
    min_pivot = 0.0;
    float status = trace == 0.0 ? kNoData : kFailed;
    uint retries = 0;
    bool good = false;
    bool going = status != kNoData;
    while (going) {
        good = factorize();
        going = !good && retries < kMaxRetries;
        if (going) {
            alpha = max(10.0 * alpha, 1.0e-6 * mean);
            ++retries;
        }
    }
    float left = 0.0;
    if (good) {
        status = kSolved;
        substitute_back();
        left = residual();
    }
    for (uint i = lane; i < p.unknowns * p.columns; i += 64) {
        store(kXArena, x_base + i, good ? solution(i / p.columns, i % p.columns) : 0.0);
    }
    if (lane == 0) {
        uint report = p.report + 8 * problem;
        store(kReportArena, report, min_pivot);
        store(kReportArena, report + 1, alpha);
        store(kReportArena, report + 2, float(retries));
        store(kReportArena, report + 3, left);
        store(kReportArena, report + 4, status);
    }
}

void main()
{
    uint head = gl_WorkGroupID.x;
    uint slot = gl_WorkGroupID.y;
    uint stream = stream_of(p.streams, slot);
    uint problem = stream * p.heads + head;
    unknowns = (p.unknowns + 3) / 4 * 4;
    rows = unknowns + p.columns;
    a_base = p.a + problem * p.unknowns * p.unknowns;
    rhs_base = p.rhs + problem * p.unknowns * p.columns;
    ridge_base = p.ridge + head * p.unknowns;
#ifndef GRAMIAN_SHARED
    factor_base = p.workspace / 4 + (slot * p.heads + head) * kFactorVectors;
#endif
    if (stream != kNone) solve(slot * p.heads + head, p.x + problem * p.unknowns * p.columns);
}
