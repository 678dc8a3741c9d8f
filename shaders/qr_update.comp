#version 450
#extension GL_GOOGLE_include_directive : require
// r^T r = forget a^T a + x^T x and r^T z = forget a^T rhs + x^T y by Householder reflections, one workgroup a problem.
// Some rows of [x, y] at a time lie in shared memory; a lane owns every 64th column of them and of [r, z].
//
// With the diagonal entry c and the elements s of x in column j divided by their common length, a column [top; rest]
// becomes [n; rest - s (top + n) / (1 + c)], n = c top + s . rest: nothing cancels, for c is not negative.
#include "common/storage.glsl"
#include "common/report.glsl"
#include "qr_update.h"

layout(local_size_x = 64) in;
layout(constant_id = 0) const uint kAArena = kActivations;
layout(constant_id = 1) const uint kXArena = kActivations;
layout(constant_id = 2) const uint kYArena = kActivations;
layout(constant_id = 3) const uint kReportArena = kActivations;
layout(constant_id = 4) const uint kRidgeArena = kWeights;
layout(constant_id = 5) const uint kIsLower = 0;  // a and r are stored transposed
layout(constant_id = 6) const uint kRows = 8;     // of [x, y] at a time
layout(constant_id = 7) const uint kColumns = 64; // unknowns + columns
layout(constant_id = 8) const uint kUnknowns = 32;
layout(push_constant) uniform Push { QrUpdateParameters p; };

const float kSmallest = 1.0e-37; // a length; below it, what cancellation has left vanishes as its reciprocal overflows

shared float staged[kRows * kColumns];
shared float diagonal[kUnknowns];

uint r_base;
uint z_base;

uint at(uint row, uint column)
{
    if (column >= kUnknowns) return z_base + row * p.columns + column - kUnknowns;
    return r_base + (kIsLower == 1 ? column * kUnknowns + row : row * kUnknowns + column);
}

// What was before, of one lane's columns; rows of a with a negative diagonal entry change their sign.
void begin(uint own, uint head, uint report)
{
    for (uint column = gl_LocalInvocationID.x; column < kColumns; column += 64) {
        for (uint row = 0; row < kUnknowns; ++row) {
            float value = 0.0;
            if (p.a == kNone) {
                float ridge = p.ridge == kNone ? 0.0 : load(kRidgeArena, p.ridge + head * kUnknowns + row);
                if (row == column) value = sqrt(load(kReportArena, report + kAlpha) + ridge);
            } else {
                uint base = p.a + own * kUnknowns * kUnknowns;
                float sign = load(kAArena, base + row * kUnknowns + row) < 0.0 ? -p.forget_root : p.forget_root;
                uint transposed = kIsLower == 1 ? column * kUnknowns + row : row * kUnknowns + column;
                if (column >= kUnknowns) {
                    value = sign * load(kAArena, p.rhs + (own * kUnknowns + row) * p.columns + column - kUnknowns);
                } else if (column >= row) {
                    value = sign * load(kAArena, base + transposed);
                }
            }
            activation_floats[at(row, column)] = value;
        }
    }
}

void stage(uint slot, uint head, uint first)
{
    for (uint column = gl_LocalInvocationID.x; column < kColumns; column += 64) {
        for (uint i = 0; i < kRows; ++i) {
            uint row = (slot * p.rows + first + i) * p.heads + head;
            float value = 0.0;
            if (first + i < p.end_row) {
                value = column < kUnknowns ? load(kXArena, p.x + row * kUnknowns + column)
                                           : load(kYArena, p.y + row * p.columns + column - kUnknowns);
            }
            staged[i * kColumns + column] = value;
        }
    }
}

// Clears column j of the staged rows; returns its new diagonal entry, in every lane alike.
float reflect(uint j)
{
    float top = diagonal[j];
    float size = abs(top);
    for (uint i = 0; i < kRows; ++i) size = max(size, abs(staged[i * kColumns + j]));
    float inverse = size > kSmallest ? 1.0 / size : 0.0; // squares of the scaled ones neither vanish nor overflow
    float squares = top * inverse * (top * inverse);
    for (uint i = 0; i < kRows; ++i) {
        float element = staged[i * kColumns + j] * inverse;
        squares = fma(element, element, squares);
    }
    float norm = size > kSmallest ? sqrt(squares) : 1.0;
    float cosine = size > kSmallest ? top * inverse / norm : 1.0;
    float scale = inverse / norm;
    // The first column behind j that is this lane's.
    for (uint column = j + 1 + ((gl_LocalInvocationID.x - j - 1) & 63u); column < kColumns; column += 64) {
        float before = activation_floats[at(j, column)];
        float after = cosine * before;
        for (uint i = 0; i < kRows; ++i) {
            after = fma(staged[i * kColumns + j] * scale, staged[i * kColumns + column], after);
        }
        float turn = (before + after) / (1.0 + cosine) * scale;
        for (uint i = 0; i < kRows; ++i) {
            staged[i * kColumns + column] = fma(-staged[i * kColumns + j], turn, staged[i * kColumns + column]);
        }
        activation_floats[at(j, column)] = after;
    }
    return size * norm;
}

void update(uint slot, uint head)
{
    uint lane = gl_LocalInvocationID.x;
    for (uint column = lane; column < kUnknowns; column += 64) diagonal[column] = activation_floats[at(column, column)];
    for (uint first = p.first_row; first < p.end_row; first += kRows) {
        barrier();
        stage(slot, head, first);
        float entry = 0.0;
        for (uint j = 0; j < kUnknowns; ++j) {
            barrier();
            if (lane == 0 && j > 0) diagonal[j - 1] = entry; // all have read the old one
            entry = reflect(j);
        }
        barrier();
        if (lane == 0) diagonal[kUnknowns - 1] = entry;
    }
    barrier();
    for (uint column = lane; column < kUnknowns; column += 64) activation_floats[at(column, column)] = diagonal[column];
}

void main()
{
    uint head = gl_WorkGroupID.x;
    uint slot = gl_WorkGroupID.y;
    uint own = slot * p.heads + head;
    uint report = p.report + 8 * own;
    r_base = p.r + own * kUnknowns * kUnknowns;
    z_base = p.z + own * kUnknowns * p.columns;
    if (p.report == kNone || load(kReportArena, report + kStatus) == kFailed) { // the whole workgroup alike
        if (p.first_row == 0) begin(own, head, report);
        update(slot, head);
    }
}
