#version 450
#extension GL_GOOGLE_include_directive : require
// y = p^T (M + alpha I)^-1 V with M = softmax(scale K K^T) and p = softmax(scale K q), row by row. M is not symmetric, so
// (M + alpha I)^T z = p is solved by elimination with pivoting (Gauss and Jordan), the p of some queries as further
// columns, and y = V^T z. One system a workgroup; a lane owns columns of it, so that no lane reads what another has
// written to a buffer: the column at hand crosses lanes in shared memory.
#include "common/storage.glsl"
#include "kernel_intention.h"

layout(local_size_x = 64) in;
layout(constant_id = 0) const uint kQArena = kActivations;
layout(constant_id = 1) const uint kKArena = kActivations;
layout(constant_id = 2) const uint kVArena = kActivations;
layout(constant_id = 3) const uint kYArena = kActivations;
layout(constant_id = 4) const uint kReportArena = kActivations;
layout(constant_id = 5) const uint kIsCausal = 0;   // query t sees the keys up to t
layout(constant_id = 6) const uint kIsRelative = 0; // alpha is a multiple of the mean diagonal of M
layout(constant_id = 7) const uint kKeys = 1;       // N
layout(constant_id = 8) const uint kPhase = 0;      // 0: write the system down, 1: eliminate, 2: answer
layout(push_constant) uniform Push { KernelIntentionParameters p; };

// The numbers are those of gramian::SolveStatus.
const float kSolved = 0.0;
const float kFailed = 2.0;
const float kPivotBound = 4.0 / 16777216.0; // 4 * 2^-24: below it, rounding decides the pivot
shared float column_of[kKeys];
shared float reduced[64];
shared uint pivot_row;

uint head;
uint batch;
uint first_query;
uint keys;    // that the queries see
uint stride;  // columns of the system
uint base;
uint tail;    // behind it: the smallest pivot, alpha

float get(uint row, uint column) { return activation_floats[base + row * stride + column]; }
void put(uint row, uint column, float value) { activation_floats[base + row * stride + column] = value; }

float reduce_sum(float value)
{
    uint lane = gl_LocalInvocationID.x;
    barrier();
    reduced[lane] = value;
    for (uint half_of = 32; half_of > 0; half_of /= 2) {
        barrier();
        if (lane < half_of) reduced[lane] += reduced[lane + half_of];
    }
    barrier();
    return reduced[0];
}

float score(uint arena, uint at, uint key)
{
    uint k = p.k + ((batch * p.keys + key) * p.heads + head) * p.width;
    float sum = 0.0;
    uint i = 0;
    for (; i + 4 <= p.width; i += 4) {
        sum = fma(load(arena, at + i), load(kKArena, k + i), sum);
        sum = fma(load(arena, at + i + 1), load(kKArena, k + i + 1), sum);
        sum = fma(load(arena, at + i + 2), load(kKArena, k + i + 2), sum);
        sum = fma(load(arena, at + i + 3), load(kKArena, k + i + 3), sum);
    }
    for (; i < p.width; ++i) sum = fma(load(arena, at + i), load(kKArena, k + i), sum);
    return p.scale * sum;
}

// A column of the system: the softmax of what the vector at `at` says to the keys.
void write_softmax(uint arena, uint at, uint column)
{
    float largest = -3.4e38;
    for (uint key = 0; key < keys; ++key) {
        float s = score(arena, at, key);
        put(key, column, s);
        largest = max(largest, s);
    }
    float sum = 0.0;
    for (uint key = 0; key < keys; ++key) {
        float e = exp(get(key, column) - largest);
        put(key, column, e);
        sum += e;
    }
    for (uint key = 0; key < keys; ++key) put(key, column, get(key, column) / sum);
}

void write_system(uint queries)
{
    uint lane = gl_LocalInvocationID.x;
    float diagonals = 0.0;
    for (uint j = lane; j < keys; j += 64) {
        write_softmax(kKArena, p.k + ((batch * p.keys + j) * p.heads + head) * p.width, j);
        diagonals += get(j, j);
    }
    float mean = reduce_sum(diagonals) / float(keys);
    float alpha = kIsRelative == 1 ? p.alpha * mean : p.alpha;
    for (uint j = lane; j < keys; j += 64) put(j, j, get(j, j) + alpha);
    for (uint c = lane; c < queries; c += 64) {
        write_softmax(kQArena, p.q + ((batch * p.queries + first_query + c) * p.heads + head) * p.width, keys + c);
    }
    if (lane == 0) {
        activation_floats[tail] = 3.4e38;
        activation_floats[tail + 1] = alpha;
        activation_floats[tail + 2] = kPivotBound * (mean + alpha);
    }
}

// The lane that owns column `step` publishes it, and the row from `step` on where it is largest.
void publish(uint step)
{
    if (gl_LocalInvocationID.x != step % 64) return; // no barrier follows in here
    float largest = -1.0;
    for (uint row = 0; row < keys; ++row) {
        float value = get(row, step);
        column_of[row] = value;
        if (row >= step && abs(value) > largest) {
            largest = abs(value);
            pivot_row = row;
        }
    }
}

void eliminate(uint queries)
{
    uint lane = gl_LocalInvocationID.x;
    float least = activation_floats[tail];
    uint end = min(p.step + p.steps, keys);
    for (uint step = p.step; step < end; ++step) {
        barrier();
        if (lane == step % 64) pivot_row = step;
        publish(step);
        barrier();
        uint chosen = pivot_row;
        float pivot = column_of[chosen];
        float other = column_of[step]; // what the chosen row's place receives
        least = abs(pivot) < least || !(abs(pivot) < 3.0e38) ? abs(pivot) : least;
        for (uint j = lane + (step + 64 - lane) / 64 * 64; j < keys + queries; j += 64) { // from step + 1 on
            float swapped = get(chosen, j) / pivot;
            put(chosen, j, get(step, j));
            put(step, j, swapped);
            for (uint row = 0; row < keys; ++row) {
                float factor = row == chosen ? other : column_of[row];
                if (row != step) put(row, j, fma(-factor, swapped, get(row, j)));
            }
        }
    }
    barrier();
    if (lane == 0) activation_floats[tail] = least;
}

void answer(uint queries)
{
    uint lane = gl_LocalInvocationID.x;
    float least = activation_floats[tail];
    bool good = least > activation_floats[tail + 2] && least < 3.0e38;
    for (uint c = 0; c < queries; ++c) {
        barrier();
        for (uint key = lane; key < keys; key += 64) column_of[key] = get(key, keys + c);
        float part = 0.0;
        for (uint key = lane; key < keys; key += 64) part += column_of[key];
        // Every row of M sums to 1, so that all equations together say that (1 + alpha) sum(z) = 1.
        float left = abs(1.0 - (1.0 + activation_floats[tail + 1]) * reduce_sum(part));
        uint at = (batch * p.queries + first_query + c) * p.heads + head;
        for (uint e = lane; e < p.columns; e += 64) {
            float sum = 0.0;
            for (uint key = 0; key < keys && good; ++key) {
                sum = fma(column_of[key], load(kVArena, p.v + ((batch * p.keys + key) * p.heads + head) * p.columns + e), sum);
            }
            store(kYArena, p.y + at * p.columns + e, sum);
        }
        if (lane == 0) {
            store(kReportArena, p.report + 8 * at, least);
            store(kReportArena, p.report + 8 * at + 1, activation_floats[tail + 1]);
            store(kReportArena, p.report + 8 * at + 2, 0.0);
            store(kReportArena, p.report + 8 * at + 3, good ? left : 0.0);
            store(kReportArena, p.report + 8 * at + 4, good ? kSolved : kFailed);
        }
    }
}

void main()
{
    uint system = p.first + gl_WorkGroupID.x;
    head = gl_WorkGroupID.y;
    batch = gl_WorkGroupID.z;
    first_query = system * p.together;
    keys = kIsCausal == 1 ? first_query + 1 : p.keys;
    stride = p.keys + p.together;
    uint words = p.keys * stride + 4;
    base = p.workspace + ((gl_WorkGroupID.z * p.heads + head) * gl_NumWorkGroups.x + gl_WorkGroupID.x) * words;
    tail = base + p.keys * stride;
    uint queries = min(p.together, p.queries - first_query);
    if (kPhase == 0) write_system(queries);
    if (kPhase == 1) eliminate(queries);
    if (kPhase == 2) answer(queries);
}
