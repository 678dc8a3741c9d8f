#version 450
#extension GL_GOOGLE_include_directive : require
// One panel of 32 columns of the factor L L^T = a + diag(ridge) + alpha I, left-looking, a workgroup for each 32 x 32
// tile of it: first the tile on the diagonal, in another launch those below it. A lane sums up 4 x 4 elements.
#include "common/storage.glsl"
#include "common/report.glsl"
#include "cholesky.h"

layout(local_size_x = 64) in;
layout(constant_id = 0) const uint kAArena = kActivations;
layout(constant_id = 1) const uint kReportArena = kActivations;
layout(constant_id = 2) const uint kRidgeArena = kWeights;
layout(constant_id = 3) const uint kIsDiagonal = 1;
layout(constant_id = 4) const uint kIsUpper = 0; // L^T is stored
layout(push_constant) uniform Push { CholeskyParameters p; };

const uint kTile = 32;
const uint kDepth = 16;
const uint kPitch = kTile + 1; // rows of a tile in shared memory, apart so that a column meets all banks
shared vec4 staged_rows[kDepth * kTile / 4]; // four rows of one column
shared vec4 staged_columns[kDepth * kTile / 4];
shared float tile[kTile * kPitch];
shared float corner[kTile * kPitch]; // the panel's tile on the diagonal

uint l_base;
uint a_base;
float shift; // alpha
uint ridge_base;

uint at(uint row, uint column) { return l_base + (kIsUpper == 1 ? column * p.unknowns + row : row * p.unknowns + column); }

float factor(uint row, uint column) { return row < p.unknowns ? activation_floats[at(row, column)] : 0.0; }

float entry(uint row, uint column)
{
    if (row >= p.unknowns || column >= p.unknowns) return row == column ? 1.0 : 0.0; // padding
    float a = load(kAArena, a_base + row * p.unknowns + column);
    if (row != column) return a;
    return a + ((p.ridge == kNone ? 0.0 : load(kRidgeArena, ridge_base + row)) + shift);
}

vec4 four_rows(uint row, uint column)
{
    return vec4(factor(row, column), factor(row + 1, column), factor(row + 2, column), factor(row + 3, column));
}

void put_row(uint row, uint column, uint row_0, uint column_0, vec4 sum)
{
    for (uint i = 0; i < 4; ++i) {
        tile[row * kPitch + column + i] = entry(row_0 + row, column_0 + column + i) - sum[i];
    }
}

// tile = a + … - what the columns before the panel account for.
void update(uint row_0, uint column_0)
{
    uint lane = gl_LocalInvocationID.x;
    vec4 s0 = vec4(0.0);
    vec4 s1 = vec4(0.0);
    vec4 s2 = vec4(0.0);
    vec4 s3 = vec4(0.0);
    for (uint first = 0; first < column_0; first += kDepth) {
        barrier();
        for (uint i = lane; i < kDepth * kTile / 4; i += 64) {
            uint k = i % kDepth;
            uint four = i / kDepth;
            staged_rows[k * (kTile / 4) + four] = four_rows(row_0 + 4 * four, first + k);
            staged_columns[k * (kTile / 4) + four] = four_rows(column_0 + 4 * four, first + k);
        }
        barrier();
        for (uint k = 0; k < kDepth; ++k) {
            vec4 rows = staged_rows[k * (kTile / 4) + lane / 8];
            vec4 columns = staged_columns[k * (kTile / 4) + lane % 8];
            s0 = fma(vec4(rows.x), columns, s0);
            s1 = fma(vec4(rows.y), columns, s1);
            s2 = fma(vec4(rows.z), columns, s2);
            s3 = fma(vec4(rows.w), columns, s3);
        }
    }
    uint row = lane / 8 * 4;
    uint column = lane % 8 * 4;
    put_row(row, column, row_0, column_0, s0);
    put_row(row + 1, column, row_0, column_0, s1);
    put_row(row + 2, column, row_0, column_0, s2);
    put_row(row + 3, column, row_0, column_0, s3);
}

void factor_corner(uint row_0, uint report)
{
    uint lane = gl_LocalInvocationID.x;
    uint row = lane % kTile;
    float smallest = load(kReportArena, report + kMinPivot);
    bool is_good = true;
    for (uint j = 0; j < kTile && is_good; ++j) {
        barrier();
        float pivot = tile[j * kPitch + j];
        is_good = pivot > kPivotBound * entry(row_0 + j, row_0 + j) && pivot < kHuge; // false for NaN
        if (row_0 + j < p.unknowns) smallest = min(smallest, pivot);
        float root = sqrt(pivot);
        barrier();
        if (lane < kTile && row >= j) tile[row * kPitch + j] = row == j ? root : tile[row * kPitch + j] / root;
        barrier();
        for (uint column = j + 1 + lane / kTile; column <= row; column += 2) {
            tile[row * kPitch + column] -= tile[row * kPitch + j] * tile[column * kPitch + j];
        }
    }
    barrier();
    if (lane == 0) {
        store(kReportArena, report + kMinPivot, smallest);
        if (!is_good) store(kReportArena, report + kIsBroken, 1.0);
        if (is_good && p.is_last == 1) store(kReportArena, report + kStatus, kSolved);
    }
}

// tile = tile corner^-T: each row by itself.
void divide_by_corner(uint column_0)
{
    uint lane = gl_LocalInvocationID.x;
    for (uint i = lane; i < kTile * kTile; i += 64) {
        uint row = i / kTile;
        uint column = i % kTile;
        corner[row * kPitch + column] = factor(column_0 + row, column_0 + column);
    }
    barrier();
    for (uint j = 0; j < kTile && lane < kTile; ++j) {
        float sum = tile[lane * kPitch + j];
        for (uint k = 0; k < j; ++k) sum -= tile[lane * kPitch + k] * corner[j * kPitch + k];
        tile[lane * kPitch + j] = sum / corner[j * kPitch + j];
    }
}

// And zeros on the other side of the diagonal.
void store_tile(uint row_0, uint column_0)
{
    for (uint i = gl_LocalInvocationID.x; i < kTile * kTile; i += 64) {
        uint row = i / kTile;
        uint column = i % kTile;
        if (row_0 + row >= p.unknowns || column_0 + column >= p.unknowns) continue;
        bool is_above = row_0 + row < column_0 + column;
        activation_floats[at(row_0 + row, column_0 + column)] = is_above ? 0.0 : tile[row * kPitch + column];
        if (kIsDiagonal == 0) activation_floats[at(column_0 + column, row_0 + row)] = 0.0;
    }
}

void main()
{
    uint head = gl_WorkGroupID.y;
    uint slot = gl_WorkGroupID.z;
    uint stream = stream_of(p.streams, slot);
    uint own = slot * p.heads + head;
    uint report = p.report + 8 * own;
    a_base = p.a + (stream * p.heads + head) * p.unknowns * p.unknowns;
    l_base = p.l + own * p.unknowns * p.unknowns;
    ridge_base = p.ridge + head * p.unknowns;
    uint column_0 = kTile * p.panel;
    uint row_0 = kIsDiagonal == 1 ? column_0 : column_0 + kTile * (1 + gl_WorkGroupID.x);
    if (stream != kNone && is_attempted(kReportArena, report)) { // the whole workgroup alike
        shift = load(kReportArena, report + kAlpha);
        update(row_0, column_0);
        if (kIsDiagonal == 1) {
            factor_corner(row_0, report);
        } else {
            divide_by_corner(column_0);
        }
        barrier();
        store_tile(row_0, column_0);
    }
}
