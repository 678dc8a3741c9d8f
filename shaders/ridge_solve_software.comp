#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_KHR_shader_subgroup_ballot : require
// x = (a + diag(ridge) + alpha I)^-1 rhs by Cholesky, one problem a lane, for drivers that run a subgroup as one vector
// of a processor: there the other elements of the vector come for nothing, local arrays are memory near by, and what
// GPUs want, many lanes at a problem, costs a barrier a step.
//
// Blocks of 4 x 4; block (i, j) of the factor, j <= i, is four rows from vector 4 (i (i + 1) / 2 + j) of the workspace on,
// neighbouring lanes side by side, the diagonal kept as reciprocals. Right-hand sides are taken kTile at a time: block i
// of column c is vector i kTile + c of a local array. Indices into that are equal in all lanes at work; same() tells the
// driver's compiler, which then loads whole vectors.
#include "common/storage.glsl"
#include "common/report.glsl"
#include "ridge_solve.h"

layout(local_size_x_id = 8) in;
layout(constant_id = 0) const uint kAArena = kActivations;
layout(constant_id = 1) const uint kRhsArena = kActivations;
layout(constant_id = 2) const uint kXArena = kActivations;
layout(constant_id = 3) const uint kReportArena = kActivations;
layout(constant_id = 4) const uint kRidgeArena = kWeights;
layout(constant_id = 5) const uint kIsRelative = 0; // alpha is a multiple of trace(a) / unknowns
layout(constant_id = 6) const uint kHasVectors = 0; // rows of a are whole vectors
layout(constant_id = 7) const uint kTile = 2;       // columns at a time
layout(constant_id = 9) const uint kMaxBlocks = 4; // of the unknowns
layout(push_constant) uniform Push { RidgeSolveParameters p; };

const uint kMaxRetries = 6;

#define EACH_OF_FOUR [[unroll]] for (uint r = 0; r < 4; ++r)
#define EACH_COLUMN [[unroll]] for (uint c = 0; c < kTile; ++c)

#define FACTOR(index) activation_vectors[factor_base + gl_WorkGroupSize.x * (index)]

vec4 solved[kMaxBlocks * kTile];
uint blocks;
uint factor_base;
uint a_base;
uint rhs_base;
uint x_base;
uint ridge_base;
float alpha;
float min_pivot;

uint same(uint index) { return subgroupBroadcastFirst(index); }
uint at(uint i, uint j) { return 2 * i * (i + 1) + 4 * j; }

float shift_of(uint row) { return p.ridge == kNone ? alpha : alpha + load(kRidgeArena, ridge_base + row); }

float entry(uint row, uint column)
{
    bool is_inside = row < p.unknowns && column < p.unknowns;
    float found = load(kAArena, a_base + (is_inside ? row * p.unknowns + column : 0));
    return is_inside ? found : row == column ? 1.0 : 0.0; // padded by rows of the identity
}

// Row `row` of block column j of a, without the ridge.
vec4 four(uint row, uint j)
{
    if (kHasVectors == 1) return load_vector(kAArena, (a_base + row * p.unknowns) / 4 + j);
    return vec4(entry(row, 4 * j), entry(row, 4 * j + 1), entry(row, 4 * j + 2), entry(row, 4 * j + 3));
}

mat4 block_of(uint i, uint j) { return mat4(four(4 * i, j), four(4 * i + 1, j), four(4 * i + 2, j), four(4 * i + 3, j)); }

mat4 factor_of(uint i, uint j)
{
    uint from = at(i, j);
    return mat4(FACTOR(from), FACTOR(from + 1), FACTOR(from + 2), FACTOR(from + 3));
}

void keep(uint i, uint j, mat4 rows)
{
    uint to = at(i, j);
    EACH_OF_FOUR FACTOR(to + r) = rows[r];
}

// Sums go term by term in a fixed order, each fused.
vec4 less(vec4 sum, mat4 columns, vec4 x)
{
    EACH_OF_FOUR sum = fma(columns[r], vec4(-x[r]), sum);
    return sum;
}

// Block (i, j) of a less what the block columns before j account for.
mat4 update(mat4 rows, uint i, uint j)
{
    for (uint b = 0; b < j; ++b) {
        mat4 l = factor_of(i, b);
        mat4 columns = transpose(factor_of(j, b));
        EACH_OF_FOUR rows[r] = less(rows[r], columns, l[r]);
    }
    return rows;
}

bool is_pivot(float pivot, float diagonal, uint row)
{
    if (row < p.unknowns) min_pivot = min(min_pivot, pivot);
    return pivot > kPivotBound * diagonal && pivot < kHuge; // false for NaN
}

// The factor of what is left of block (j, j); false if a pivot fails.
bool factor_corner(inout mat4 c, uint j, vec4 diagonal)
{
    bool good = is_pivot(c[0].x, diagonal.x, 4 * j);
    float i0 = 1.0 / sqrt(c[0].x);
    float l10 = c[1].x * i0;
    float l20 = c[2].x * i0;
    float l30 = c[3].x * i0;
    float pivot1 = fma(-l10, l10, c[1].y);
    good = is_pivot(pivot1, diagonal.y, 4 * j + 1) && good;
    float i1 = 1.0 / sqrt(pivot1);
    float l21 = fma(-l20, l10, c[2].y) * i1;
    float l31 = fma(-l30, l10, c[3].y) * i1;
    float pivot2 = fma(-l21, l21, fma(-l20, l20, c[2].z));
    good = is_pivot(pivot2, diagonal.z, 4 * j + 2) && good;
    float i2 = 1.0 / sqrt(pivot2);
    float l32 = fma(-l31, l21, fma(-l30, l20, c[3].z)) * i2;
    float pivot3 = fma(-l32, l32, fma(-l31, l31, fma(-l30, l30, c[3].w)));
    good = is_pivot(pivot3, diagonal.w, 4 * j + 3) && good;
    c = mat4(vec4(i0, 0.0, 0.0, 0.0), vec4(l10, i1, 0.0, 0.0), vec4(l20, l21, i2, 0.0),
             vec4(l30, l31, l32, 1.0 / sqrt(pivot3)));
    return good;
}

// l^-1 z and l^-T z with a corner l.
vec4 divide(mat4 l, vec4 z)
{
    z.x *= l[0].x;
    z.y = fma(-z.x, l[1].x, z.y) * l[1].y;
    z.z = fma(-z.y, l[2].y, fma(-z.x, l[2].x, z.z)) * l[2].z;
    z.w = fma(-z.z, l[3].z, fma(-z.y, l[3].y, fma(-z.x, l[3].x, z.w))) * l[3].w;
    return z;
}

vec4 divide_transposed(mat4 l, vec4 z)
{
    z.w *= l[3].w;
    z.z = fma(-z.w, l[3].z, z.z) * l[2].z;
    z.y = fma(-z.z, l[2].y, fma(-z.w, l[3].y, z.y)) * l[1].y;
    z.x = fma(-z.y, l[1].x, fma(-z.z, l[2].x, fma(-z.w, l[3].x, z.x))) * l[0].x;
    return z;
}

bool factorize()
{
    bool good = true;
    min_pivot = 3.4e38;
    for (uint j = 0; j < blocks; ++j) {
        mat4 corner;
        for (uint i = j; i < blocks; ++i) {
            mat4 rows = block_of(i, j);
            EACH_OF_FOUR if (i == j && 4 * j + r < p.unknowns) rows[r][r] += shift_of(4 * j + r);
            vec4 diagonal = vec4(rows[0].x, rows[1].y, rows[2].z, rows[3].w);
            rows = update(rows, i, j);
            if (i == j) {
                good = factor_corner(rows, j, diagonal) && good;
                corner = rows;
            } else {
                EACH_OF_FOUR rows[r] = divide(corner, rows[r]);
            }
            keep(i, j, rows);
        }
    }
    return good;
}

// Row `row` of these columns of rhs; 0 outside.
vec4 right(uint row, uint first)
{
    uint at = rhs_base + min(row, p.unknowns - 1) * p.columns + first;
    vec4 found = vec4(0.0);
    if (kTile == 4 && kHasVectors == 1) {
        found = load_vector(kRhsArena, at / 4);
    } else {
        EACH_COLUMN if (first + c < p.columns) found[c] = load(kRhsArena, at + c);
    }
    return row < p.unknowns ? found : vec4(0.0);
}

// Column c of block i of rhs is column c of this.
mat4 right_block(uint i, uint first)
{
    return transpose(mat4(right(4 * i, first), right(4 * i + 1, first), right(4 * i + 2, first), right(4 * i + 3, first)));
}

void substitute(uint first)
{
    for (uint i = 0; i < blocks; ++i) {
        vec4 z[kTile];
        mat4 rhs = right_block(i, first);
        EACH_COLUMN z[c] = rhs[c];
        for (uint b = 0; b < i; ++b) {
            mat4 columns = transpose(factor_of(i, b));
            uint from = same(b * kTile);
            EACH_COLUMN z[c] = less(z[c], columns, solved[from + c]);
        }
        mat4 corner = factor_of(i, i);
        uint to = same(i * kTile);
        EACH_COLUMN solved[to + c] = divide(corner, z[c]);
    }
    for (uint i = blocks; i-- > 0;) {
        vec4 x[kTile];
        uint to = same(i * kTile);
        EACH_COLUMN x[c] = solved[to + c];
        for (uint b = i + 1; b < blocks; ++b) {
            mat4 rows = factor_of(b, i);
            uint from = same(b * kTile);
            EACH_COLUMN x[c] = less(x[c], rows, solved[from + c]);
        }
        mat4 corner = factor_of(i, i);
        EACH_COLUMN solved[to + c] = divide_transposed(corner, x[c]);
    }
}

// Stores these columns of x; the squares of what they leave of rhs, and of rhs.
vec2 finish(uint first, bool good)
{
    vec2 squares = vec2(0.0);
    for (uint i = 0; i < blocks; ++i) {
        uint own = same(i * kTile);
        mat4 rhs = right_block(i, first);
        vec4 left[kTile];
        EACH_COLUMN
        {
            vec4 x = solved[own + c];
            left[c] = rhs[c];
            EACH_OF_FOUR
            {
                uint row = 4 * i + r;
                if (row >= p.unknowns || first + c >= p.columns) continue;
                squares.y = fma(rhs[c][r], rhs[c][r], squares.y);
                left[c][r] = fma(-shift_of(row), x[r], rhs[c][r]);
                store(kXArena, x_base + row * p.columns + first + c, good ? x[r] : 0.0);
            }
        }
        for (uint b = 0; b < blocks; ++b) {
            mat4 columns = transpose(block_of(i, b));
            uint from = same(b * kTile);
            EACH_COLUMN left[c] = less(left[c], columns, solved[from + c]);
        }
        EACH_COLUMN
        {
            EACH_OF_FOUR if (4 * i + r < p.unknowns && first + c < p.columns) squares.x = fma(left[c][r], left[c][r], squares.x);
        }
    }
    return squares;
}

float trace_of()
{
    float trace = 0.0;
    for (uint i = 0; i < p.unknowns; ++i) trace += load(kAArena, a_base + i * p.unknowns + i);
    return trace;
}

void main()
{
    uint own = gl_GlobalInvocationID.x;
    uint slot = own / p.heads;
    uint head = own % p.heads;
    uint stream = own < p.problems ? stream_of(p.streams, slot) : kNone;
    if (stream == kNone) return; // there is no barrier
    uint problem = stream * p.heads + head;
    uint report = p.report + 8 * own;
    a_base = p.a + problem * p.unknowns * p.unknowns;
    rhs_base = p.rhs + problem * p.unknowns * p.columns;
    x_base = p.x + problem * p.unknowns * p.columns;
    ridge_base = p.ridge + head * p.unknowns;
    blocks = (p.unknowns + 3) / 4;
    factor_base = p.workspace / 4 + gl_WorkGroupID.x * gl_WorkGroupSize.x * 2 * blocks * (blocks + 1) +
                  gl_LocalInvocationID.x;
    float trace = trace_of();
    float mean = trace / float(p.unknowns);
    alpha = kIsRelative == 1 ? p.alpha * mean : p.alpha;
    min_pivot = 0.0;
    uint retries = 0;
    bool good = false;
    bool going = trace != 0.0;
    while (going) {
        good = factorize();
        going = !good && retries < kMaxRetries;
        if (going) {
            alpha = max(10.0 * alpha, 1.0e-6 * mean);
            ++retries;
        }
    }
    vec2 squares = vec2(0.0);
    for (uint first = 0; first < p.columns; first += kTile) {
        substitute(first);
        squares += finish(first, good);
    }
    store(kReportArena, report + kMinPivot, min_pivot);
    store(kReportArena, report + kAlpha, alpha);
    store(kReportArena, report + kRetries, float(retries));
    store(kReportArena, report + kResidual, good && squares.y > 0.0 ? sqrt(squares.x / squares.y) : 0.0);
    store(kReportArena, report + kStatus, trace == 0.0 ? kNoData : good ? kSolved : kFailed);
}
