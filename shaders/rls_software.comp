#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_KHR_shader_subgroup_ballot : require
// Recursive least squares (rls.comp has the equations) on what is there already, for drivers that run a subgroup as one
// vector of a processor. P and W^T stay in a local array for all tokens of the launch. A workgroup is one subgroup and
// owns one stream and head; lane l < 8 owns every eighth four of rows from 4 l on, so what it holds of the key and of P k
// are columns that the others need. Loops over rows, straight lines along them: longer ones take seconds to compile.
#include "common/storage.glsl"
#include "rls.h"

layout(local_size_x_id = 8) in;
layout(constant_id = 0) const uint kKArena = kActivations; // up to 9, the constants are those of rls.comp
layout(constant_id = 1) const uint kVArena = kActivations;
layout(constant_id = 2) const uint kQArena = kActivations;
layout(constant_id = 3) const uint kYArena = kActivations;
layout(constant_id = 4) const uint kRidgeArena = kWeights; // not needed here, nor are 7 and 9
layout(constant_id = 5) const uint kStateArena = kState; // of P, W and the record
layout(constant_id = 6) const uint kReportArena = kActivations;
layout(constant_id = 7) const uint kSpan = 2;
layout(constant_id = 9) const uint kStarts = 0;
layout(constant_id = 10) const uint kGroups = 4; // of four columns: D / 4
layout(constant_id = 11) const uint kSweeps = 1; // of eight fours of rows
layout(constant_id = 12) const uint kReads = 0;  // there is a y
layout(push_constant) uniform Push { RlsParameters p; };

const float kSolved = 0.0;
const float kNoData = 1.0;
const uint kColumnSweeps = (kGroups + 7) / 8;

vec4 rows[kSweeps * 4 * kGroups]; // row i of this lane is row_of(i)
float image[4 * kSweeps];         // of the rows: P k and W^T k
float read[4 * kSweeps];          // P q and W^T q
vec4 key[kColumnSweeps];          // the columns that this lane has
vec4 query[kColumnSweeps];
vec4 x[kGroups]; // what all lanes have of key, query or P k
vec4 y[kGroups];

uint lane;
uint p_base;
uint w_base;
uint token_head;

#define EACH_OF_FOUR [[unroll]] for (uint r = 0; r < 4; ++r)
#define EACH_ROW [[dont_unroll]] for (uint i = 0; i < 4 * kSweeps; ++i)
#define EACH_GROUP [[unroll]] for (uint n = 0; n < kGroups; ++n)
#define EACH_SWEEP [[unroll]] for (uint s = 0; s < kColumnSweeps; ++s)
#define EACH_LANE(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7)

uint same(uint index) { return subgroupBroadcastFirst(index); }
uint row_of(uint i) { return lane < 8 ? 32 * (i / 4) + 4 * lane + i % 4 : kNone; }
bool is_weight(uint row) { return row >= p.width && row < p.width + p.columns; }

void load_rows()
{
    EACH_ROW
    {
        uint row = row_of(i);
        [[dont_unroll]] for (uint n = 0; n < kGroups; ++n) {
            vec4 found = vec4(0.0);
            if (row < p.width) found = load_vector(kStateArena, (p_base + row * p.width) / 4 + n);
            if (is_weight(row)) {
                EACH_OF_FOUR found[r] = load(kStateArena, w_base + (4 * n + r) * p.columns + row - p.width);
            }
            rows[same(i * kGroups + n)] = found;
        }
    }
}

void store_rows()
{
    EACH_ROW
    {
        uint row = row_of(i);
        [[dont_unroll]] for (uint n = 0; n < kGroups; ++n) {
            vec4 kept = rows[same(i * kGroups + n)];
            if (row < p.width) store_vector(kStateArena, (p_base + row * p.width) / 4 + n, kept);
            if (is_weight(row)) {
                EACH_OF_FOUR store(kStateArena, w_base + (4 * n + r) * p.columns + row - p.width, kept[r]);
            }
        }
    }
}

vec4 combine(vec4 sum, vec4 term) { return vec4(sum.xyz + term.xyz, max(sum.w, term.w)); }

// Of what the first eight lanes have, one after the other.
vec4 sum_lanes(vec4 value)
{
    vec4 sum = subgroupBroadcast(value, 0);
#define ADD(c) if (c > 0) sum = combine(sum, subgroupBroadcast(value, c));
    EACH_LANE(ADD)
    return sum;
}

float along(vec4 a, vec4 b, float sum) { return fma(a.w, b.w, fma(a.z, b.z, fma(a.y, b.y, fma(a.x, b.x, sum)))); }

// image = the products of all rows with the key; k . P k.
float project()
{
#define KEY(c) EACH_SWEEP if (8 * s + c < kGroups) x[8 * s + c] = subgroupBroadcast(key[s], c);
    EACH_LANE(KEY)
    EACH_ROW
    {
        uint at = same(i * kGroups);
        float sum = 0.0;
        EACH_GROUP sum = along(rows[at + n], x[n], sum);
        image[same(i)] = sum;
    }
    float part = 0.0;
    EACH_SWEEP EACH_OF_FOUR
    {
        precise float term = key[s][r] * image[4 * s + r];
        part += term;
    }
    return sum_lanes(vec4(part, 0.0, 0.0, 0.0)).x;
}

vec4 image_of(uint s) { return vec4(image[4 * s], image[4 * s + 1], image[4 * s + 2], image[4 * s + 3]); }
float value_of(uint row) { return is_weight(row) ? load(kVArena, p.v + token_head * p.columns + row - p.width) : 0.0; }

// Every row less gain (its product with the key, less v) P k; reads it with the query. What this lane's rows add to
// x: q . P q, y: the squared error that the pair has left, z: |v|^2; w: the largest of their diagonal entries.
vec4 update(float gain, float seen)
{
#define IMAGE(c) EACH_SWEEP if (8 * s + c < kGroups) x[8 * s + c] = subgroupBroadcast(image_of(s), c);
    EACH_LANE(IMAGE)
#define QUERY(c) EACH_SWEEP if (8 * s + c < kGroups && kReads == 1) y[8 * s + c] = subgroupBroadcast(query[s], c);
    EACH_LANE(QUERY)
    vec4 found = vec4(0.0);
    EACH_ROW
    {
        uint row = row_of(i);
        uint at = same(i * kGroups);
        float v = value_of(row);
        float change = image[same(i)] - v;
        float sum = 0.0;
        EACH_GROUP
        {
            precise vec4 turn = change * x[n];
            vec4 next = fma(vec4(-gain), turn, rows[at + n]);
            rows[at + n] = next;
            if (kReads == 1) sum = along(next, y[n], sum);
        }
        read[same(i)] = sum;
        float left = is_weight(row) ? change / (1.0 + seen) : 0.0;
        precise vec2 squares = vec2(left * left, v * v);
        found.yz += squares;
        if (row < p.width) found.w = max(found.w, rows[i * kGroups + row / 4][row % 4]);
        if (kReads == 1 && is_weight(row)) store(kYArena, p.y + token_head * p.columns + row - p.width, sum);
    }
    EACH_SWEEP EACH_OF_FOUR
    {
        precise float term = kReads == 1 ? read[4 * s + r] * query[s][r] : 0.0;
        found.x += term;
    }
    return found;
}

void load_token()
{
    EACH_SWEEP
    {
        uint group = 8 * s + lane;
        bool is_inside = lane < 8 && group < kGroups;
        key[s] = is_inside ? load_vector(kKArena, p.k / 4 + token_head * kGroups + group) : vec4(0.0);
        query[s] = vec4(0.0);
        if (kReads == 1 && is_inside) query[s] = load_vector(kQArena, p.q / 4 + token_head * kGroups + group);
    }
}

void write_report(vec4 found, float status)
{
    uint report = p.report + 8 * token_head;
    uint record = p.record + 4 * (p_base - p.inverse) / (p.width * p.width);
    store(kReportArena, report, found.w > 0.0 ? 1.0 / found.w : 0.0);
    store(kReportArena, report + 1, load(kStateArena, record));
    store(kReportArena, report + 2, load(kStateArena, record + 1));
    store(kReportArena, report + 3, found.z > 0.0 ? sqrt(found.y / found.z) : 0.0);
    store(kReportArena, report + 4, status);
}

// Gives the status after it.
float take_token(float status)
{
    load_token();
    float beta = p.beta == kNone ? 1.0 : activation_floats[p.beta + token_head];
    precise float seen = beta * project();
    if (seen > 0.0 && status == kNoData) status = kSolved;
    vec4 found = update(beta / (1.0 + seen), seen);
    if (p.variance == kNone && p.report == kNone) return status;
    found = sum_lanes(found);
    if (lane == 0 && p.variance != kNone) store(kYArena, p.variance + token_head, found.x);
    if (lane == 0 && p.report != kNone) write_report(found, status);
    return status;
}

void main()
{
    lane = gl_LocalInvocationID.x;
    uint head = gl_WorkGroupID.x;
    uint slot = gl_WorkGroupID.y;
    uint stream = stream_of(p.streams, slot);
    uint given = p.counts == kNone ? p.tokens : io_words[p.counts + slot];
    uint end = min(given, p.first + p.count);
    if (stream == kNone || end <= p.first) return; // there is no barrier
    uint at = stream * p.heads + head;
    p_base = p.inverse + at * p.width * p.width;
    w_base = p.weights + at * p.width * p.columns;
    uint record = p.record + 4 * at;
    float status = load(kStateArena, record + 2);
    load_rows();
    for (uint t = p.first; t < end; ++t) {
        token_head = (slot * p.tokens + t) * p.heads + head;
        status = take_token(status);
    }
    store_rows();
    if (lane == 0) store(kStateArena, record + 2, status);
}
