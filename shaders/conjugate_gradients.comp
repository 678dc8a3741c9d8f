#version 450
#extension GL_GOOGLE_include_directive : require
// (a + diag(ridge) + alpha I) x = rhs by conjugate gradients, one right-hand side a workgroup, some rounds a launch:
// either preconditioned by the diagonal, until it has converged, or as published for Mesa layers, where small numbers
// added to the denominators guard them and bias the answer.
#include "common/storage.glsl"
#include "common/report.glsl"
#include "conjugate_gradients.h"

layout(local_size_x = 64) in;
layout(constant_id = 0) const uint kAArena = kActivations;
layout(constant_id = 1) const uint kRhsArena = kActivations;
layout(constant_id = 2) const uint kXArena = kActivations;
layout(constant_id = 3) const uint kReportArena = kActivations;
layout(constant_id = 4) const uint kRidgeArena = kWeights;
layout(constant_id = 5) const uint kIsCompat = 0;
layout(constant_id = 6) const uint kStartsAtZero = 1; // otherwise at rhs / diagonal
layout(constant_id = 7) const uint kUnknowns = 32;
layout(push_constant) uniform Push { ConjugateGradientsParameters p; };

const float kGuard = 1.0e-5;
const float kConverged = 1.0e-14; // of the preconditioned residual's square

shared float direction[kUnknowns];
shared float residual[kUnknowns];
shared float image[kUnknowns]; // of the direction
shared float reduced[64];

uint a_base;
uint x_base;
uint ridge_base;
float alpha;
float mean; // of a's diagonal

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

float reduce_max(float value)
{
    uint lane = gl_LocalInvocationID.x;
    barrier();
    reduced[lane] = value;
    for (uint stride = 32; stride > 0; stride /= 2) {
        barrier();
        if (lane < stride) reduced[lane] = max(reduced[lane], reduced[lane + stride]);
    }
    barrier();
    return reduced[0];
}

float shift_of(uint row) { return p.ridge == kNone ? alpha : alpha + load(kRidgeArena, ridge_base + row); }

float a_at(uint row, uint column) { return load(kAArena, a_base + row * p.unknowns + column); }

// The preconditioner, relative to the mean, so that no product leaves the range of a float before a does.
float inverse_diagonal(uint row)
{
    if (kIsCompat == 1) return 1.0;
    return (mean + alpha) / (a_at(row, row) + shift_of(row));
}

uint x_at(uint row) { return x_base + row * p.columns; }

// image = (a + …) direction; returns direction . image.
float apply()
{
    float product = 0.0;
    barrier();
    for (uint row = gl_LocalInvocationID.x; row < p.unknowns; row += 64) {
        float sum = shift_of(row) * direction[row];
        uint k = 0;
        for (; k + 4 <= p.unknowns; k += 4) {
            sum = fma(a_at(k, row), direction[k], sum);
            sum = fma(a_at(k + 1, row), direction[k + 1], sum);
            sum = fma(a_at(k + 2, row), direction[k + 2], sum);
            sum = fma(a_at(k + 3, row), direction[k + 3], sum);
        }
        for (; k < p.unknowns; ++k) sum = fma(a_at(k, row), direction[k], sum);
        image[row] = sum;
        product = fma(sum, direction[row], product);
    }
    return reduce_sum(product);
}

float preconditioned_square()
{
    float square = 0.0;
    for (uint row = gl_LocalInvocationID.x; row < p.unknowns; row += 64) {
        square = fma(residual[row] * inverse_diagonal(row), residual[row], square);
    }
    return reduce_sum(square);
}

// residual = rhs - (a + …) x at the start; returns the scale by which the right-hand side is divided.
float begin(uint rhs_base)
{
    uint lane = gl_LocalInvocationID.x;
    float largest = 0.0;
    for (uint row = lane; row < p.unknowns; row += 64) {
        largest = max(largest, abs(load(kRhsArena, rhs_base + row * p.columns)));
    }
    float scale = reduce_max(largest);
    if (kIsCompat == 1 || scale == 0.0) scale = 1.0; // the guards are absolute
    for (uint row = lane; row < p.unknowns; row += 64) {
        float rhs = load(kRhsArena, rhs_base + row * p.columns) / scale;
        float diagonal = a_at(row, row) + shift_of(row);
        residual[row] = rhs;
        direction[row] = kStartsAtZero == 1 ? 0.0 : rhs / diagonal;
        store(kXArena, x_at(row), direction[row]);
    }
    if (kStartsAtZero == 0) {
        apply();
        for (uint row = lane; row < p.unknowns; row += 64) residual[row] -= image[row];
    }
    barrier();
    for (uint row = lane; row < p.unknowns; row += 64) direction[row] = residual[row] * inverse_diagonal(row);
    return scale;
}

void solve(uint kept, uint rhs_base)
{
    uint lane = gl_LocalInvocationID.x;
    uint numbers = kept + 2 * p.unknowns;
    float scale;
    float square;
    float first_square;
    if (p.begins == 1) {
        scale = begin(rhs_base);
        first_square = square = preconditioned_square();
    } else {
        for (uint row = lane; row < p.unknowns; row += 64) {
            residual[row] = activation_floats[kept + row];
            direction[row] = activation_floats[kept + p.unknowns + row];
        }
        scale = activation_floats[numbers];
        square = activation_floats[numbers + 1];
        first_square = activation_floats[numbers + 2];
    }
    bool is_sound = p.begins == 1 || activation_floats[numbers + 3] == 0.0;
    for (uint i = 0; i < p.rounds && is_sound; ++i) {
        if (kIsCompat == 0 && square <= kConverged * first_square) break; // in all lanes alike
        float curvature = apply();
        is_sound = kIsCompat == 1 || (curvature > 0.0 && curvature < kHuge); // false for NaN
        if (!is_sound) break;
        float stride = kIsCompat == 1 ? square / (curvature + kGuard) : square / curvature;
        for (uint row = lane; row < p.unknowns; row += 64) {
            float x = load(kXArena, x_at(row));
            store(kXArena, x_at(row), fma(stride, direction[row], x));
            residual[row] = fma(-stride, image[row], residual[row]);
        }
        float next = preconditioned_square();
        float keep = kIsCompat == 1 ? next / (square + kGuard) : next / square;
        for (uint row = lane; row < p.unknowns; row += 64) {
            direction[row] = fma(keep, direction[row], residual[row] * inverse_diagonal(row));
        }
        square = next;
    }
    is_sound = is_sound && square < kHuge; // false for NaN
    barrier();
    for (uint row = lane; row < p.unknowns; row += 64) {
        activation_floats[kept + row] = residual[row];
        activation_floats[kept + p.unknowns + row] = direction[row];
        float x = load(kXArena, x_at(row));
        if (p.ends == 1) store(kXArena, x_at(row), x * scale);
    }
    if (lane == 0) {
        activation_floats[numbers] = scale;
        activation_floats[numbers + 1] = square;
        activation_floats[numbers + 2] = first_square;
        activation_floats[numbers + 3] = is_sound ? 0.0 : 1.0;
    }
}

void main()
{
    uint column = gl_WorkGroupID.x;
    uint head = gl_WorkGroupID.y;
    uint slot = gl_WorkGroupID.z;
    uint stream = stream_of(p.streams, slot);
    uint problem = stream * p.heads + head;
    uint own = slot * p.heads + head;
    uint report = p.report + 8 * own;
    a_base = p.a + problem * p.unknowns * p.unknowns;
    x_base = p.x + problem * p.unknowns * p.columns + column;
    ridge_base = p.ridge + head * p.unknowns;
    alpha = load(kReportArena, report + kAlpha);
    mean = load(kReportArena, report + kMean);
    if (stream != kNone && load(kReportArena, report + kStatus) == kFailed) { // the whole workgroup alike
        solve(p.kept + (own * p.columns + column) * (2 * p.unknowns + 4),
              p.rhs + problem * p.unknowns * p.columns + column);
    }
}
