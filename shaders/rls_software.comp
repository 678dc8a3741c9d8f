#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_KHR_shader_subgroup_ballot : require
// Recursive least squares (rls.comp has the equations) on what is there already, for drivers that run a subgroup as one
// vector of a processor. P and W^T stay in a local array for all tokens of the launch. A workgroup is one subgroup and
// owns one stream and head; lane l < 8 owns every eighth four of rows of P from 4 l on, so what it holds of the key and of
// P k are columns that the others need, and every eighth row of W^T from l on. One pass over the rows updates them, reads
// them and meets them with the next key. Loops over rows, straight lines along them: longer ones take seconds to compile.
#include "common/storage.glsl"
#include "rls.h"

layout(local_size_x_id = 8) in;
layout(constant_id = 0) const uint kKArena = kActivations; // up to 9, the constants are those of rls.comp
layout(constant_id = 1) const uint kVArena = kActivations;
layout(constant_id = 2) const uint kQArena = kActivations;
layout(constant_id = 3) const uint kYArena = kActivations;
layout(constant_id = 4) const uint kRidgeArena = kWeights; // not needed here, nor is 9
layout(constant_id = 5) const uint kStateArena = kState; // of P, W and the record
layout(constant_id = 6) const uint kReportArena = kActivations;
layout(constant_id = 7) const uint kSpan = 2;
layout(constant_id = 9) const uint kStarts = 0;
layout(constant_id = 10) const uint kGroups = 4; // of four columns: D / 4
layout(constant_id = 11) const uint kReads = 0;  // there is a y
layout(push_constant) uniform Push { RlsParameters p; };

const float kSolved = 0.0;
const float kNoData = 1.0;
const uint kSweeps = (kGroups + 7) / 8;              // of eight lanes with four rows each over those of P
const uint kColumns = kSpan - 4 * kGroups;           // E
const uint kRows = 4 * kSweeps + (kColumns + 7) / 8; // of a lane

vec4 rows[kRows * kGroups]; // those of P, then those of W^T
float image[kRows];         // of the rows: P k and W^T k
float changes[kRows];       // of the rows: their product with the key, less v
float read[kRows];          // of the rows: P q and W^T q
float diagonal[kRows];      // of P; nothing in the rows of W^T
vec4 key[kSweeps];          // the columns that this lane has
vec4 query[kSweeps];
vec4 x[kGroups]; // what all lanes have of P k, query and next key
vec4 y[kGroups];
vec4 z[kGroups];

uint lane;
uint p_base;
uint w_base;
uint token_head;
vec2 record; // alpha, retries

#define EACH_OF_FOUR [[unroll]] for (uint r = 0; r < 4; ++r)
#define EACH_KEY_ROW [[dont_unroll]] for (uint i = 0; i < 4 * kSweeps; ++i)
#define EACH_ROW [[dont_unroll]] for (uint i = 0; i < kRows; ++i)
#define EACH_WEIGHT_ROW [[dont_unroll]] for (uint i = 4 * kSweeps; i < kRows; ++i)
#define EACH_GROUP [[unroll]] for (uint n = 0; n < kGroups; ++n)
#define EACH_SWEEP [[unroll]] for (uint s = 0; s < kSweeps; ++s)
#define EACH_LANE(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7)
#define SPREAD(from, to, c) EACH_SWEEP if (8 * s + c < kGroups) to[8 * s + c] = subgroupBroadcast(from, c);

uint same(uint index) { return subgroupBroadcastFirst(index); }
uint row_of(uint i) { return 32 * (i / 4) + 4 * lane + i % 4; } // of P
uint column_of(uint i) { return 8 * (i - 4 * kSweeps) + lane; } // of W
bool has_row(uint i) { return lane < 8 && row_of(i) < p.width; }
bool has_column(uint i) { return lane < 8 && column_of(i) < kColumns; }

void load_rows()
{
    EACH_KEY_ROW
    {
        uint base = p_base + row_of(i) * p.width;
        [[dont_unroll]] for (uint n = 0; n < kGroups; ++n) {
            rows[same(i * kGroups + n)] = has_row(i) ? load_vector(kStateArena, base / 4 + n) : vec4(0.0);
        }
        diagonal[same(i)] = has_row(i) ? load(kStateArena, base + row_of(i)) : 0.0;
    }
    EACH_WEIGHT_ROW
    {
        [[dont_unroll]] for (uint n = 0; n < kGroups; ++n) {
            vec4 found = vec4(0.0);
            uint at = w_base + 4 * n * p.columns + column_of(i);
            if (has_column(i)) EACH_OF_FOUR found[r] = load(kStateArena, at + r * p.columns);
            rows[same(i * kGroups + n)] = found;
        }
    }
}

void store_rows()
{
    EACH_KEY_ROW
    {
        uint base = p_base + row_of(i) * p.width;
        [[dont_unroll]] for (uint n = 0; n < kGroups; ++n) {
            vec4 kept = rows[same(i * kGroups + n)];
            if (has_row(i)) store_vector(kStateArena, base / 4 + n, kept);
        }
    }
    EACH_WEIGHT_ROW
    {
        [[dont_unroll]] for (uint n = 0; n < kGroups; ++n) {
            vec4 kept = rows[same(i * kGroups + n)];
            uint at = w_base + 4 * n * p.columns + column_of(i);
            if (has_column(i)) EACH_OF_FOUR store(kStateArena, at + r * p.columns, kept[r]);
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

void load_key(uint at)
{
    EACH_SWEEP
    {
        uint group = 8 * s + lane;
        bool is_inside = lane < 8 && group < kGroups;
        key[s] = is_inside ? load_vector(kKArena, p.k / 4 + at * kGroups + group) : vec4(0.0);
    }
}

void load_query()
{
    EACH_SWEEP
    {
        uint group = 8 * s + lane;
        bool is_inside = kReads == 1 && lane < 8 && group < kGroups;
        query[s] = is_inside ? load_vector(kQArena, p.q / 4 + token_head * kGroups + group) : vec4(0.0);
    }
}

// image = the products of all rows with the key that was loaded.
void project()
{
#define KEY(c) SPREAD(key[s], z, c)
    EACH_LANE(KEY)
    EACH_ROW
    {
        uint at = same(i * kGroups);
        float sum = 0.0;
        EACH_GROUP sum = along(rows[at + n], z[n], sum);
        image[same(i)] = sum;
    }
}

// k . P k, with the key whose image is there.
float dot_image()
{
    float part = 0.0;
    EACH_SWEEP EACH_OF_FOUR
    {
        precise float term = key[s][r] * image[4 * s + r];
        part += term;
    }
    return sum_lanes(vec4(part, 0.0, 0.0, 0.0)).x;
}

// Sets changes. Gives the squared error that the pair has left, and |v|^2, in the order of sums over rows in rls.comp.
vec2 compare(float seen)
{
    vec2 chains[8];
    [[unroll]] for (uint c = 0; c < 8; ++c) chains[c] = vec2(0.0);
    [[unroll]] for (uint i = 0; i < 4 * kSweeps; ++i) changes[i] = image[i];
    [[unroll]] for (uint i = 4 * kSweeps; i < kRows; ++i) {
        float v = has_column(i) ? load(kVArena, p.v + token_head * p.columns + column_of(i)) : 0.0;
        float change = image[i] - v;
        float left = change / (1.0 + seen);
        precise vec2 squares = vec2(left * left, v * v);
        changes[i] = change;
#define CHAIN(c)                                                                                                       \
    if (8 * (i - 4 * kSweeps) + c < kColumns)                                                                          \
        chains[(4 * kGroups + 8 * (i - 4 * kSweeps) + c) / 4 % 8] += subgroupBroadcast(squares, c);
        EACH_LANE(CHAIN)
    }
    vec2 sum = chains[0];
    [[unroll]] for (uint c = 1; c < 8; ++c) sum += chains[c];
    return sum;
}

vec4 image_of(uint s) { return vec4(image[4 * s], image[4 * s + 1], image[4 * s + 2], image[4 * s + 3]); }

// Every row less gain change P k, read with the query; image is then of the next key. Gives the largest diagonal entry of
// P among the rows of this lane.
float update(float gain)
{
#define IMAGE(c) SPREAD(image_of(s), x, c)
    EACH_LANE(IMAGE)
#define QUERY(c) SPREAD(query[s], y, c)
    EACH_LANE(QUERY)
    EACH_LANE(KEY)
    float largest = 0.0;
    EACH_ROW
    {
        uint at = same(i * kGroups);
        float change = changes[same(i)];
        vec2 sums = vec2(0.0);
        EACH_GROUP
        {
            precise vec4 turn = change * x[n];
            vec4 next = fma(vec4(-gain), turn, rows[at + n]);
            rows[at + n] = next;
            if (kReads == 1) sums.x = along(next, y[n], sums.x);
            sums.y = along(next, z[n], sums.y);
        }
        precise float turn = change * change;
        float entry = fma(-gain, turn, diagonal[same(i)]);
        diagonal[same(i)] = entry;
        if (i < 4 * kSweeps && has_row(i)) largest = max(largest, entry);
        read[same(i)] = sums.x;
        image[same(i)] = sums.y;
    }
    return largest;
}

// Writes y. Gives q . P q of this lane's columns.
float answer()
{
    float part = 0.0;
    EACH_SWEEP EACH_OF_FOUR
    {
        precise float term = read[4 * s + r] * query[s][r];
        part += term;
    }
    [[unroll]] for (uint i = 4 * kSweeps; i < kRows; ++i) {
        if (has_column(i)) store(kYArena, p.y + token_head * p.columns + column_of(i), read[i]);
    }
    return part;
}

// A word a lane.
void write_report(vec4 found, float status)
{
    float word = found.w > 0.0 ? 1.0 / found.w : 0.0;
    if (lane == 1) word = record.x;
    if (lane == 2) word = record.y;
    if (lane == 3) word = found.z > 0.0 ? sqrt(found.y / found.z) : 0.0;
    if (lane == 4) word = status;
    if (lane < 5 && p.report != kNone) store(kReportArena, p.report + 8 * token_head + lane, word);
}

// Gives the status after it.
float take_token(float status, uint next)
{
    load_query();
    float beta = p.beta == kNone ? 1.0 : activation_floats[p.beta + token_head];
    precise float seen = beta * dot_image();
    if (seen > 0.0 && status == kNoData) status = kSolved;
    vec2 squares = compare(seen);
    load_key(next);
    float largest = update(beta / (1.0 + seen));
    float variance = kReads == 1 ? answer() : 0.0;
    vec4 found = sum_lanes(vec4(variance, 0.0, 0.0, largest));
    found.yz = squares;
    if (lane == 0 && p.variance != kNone) store(kYArena, p.variance + token_head, found.x);
    write_report(found, status);
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
    uint record_base = p.record + 4 * at;
    record = vec2(load(kStateArena, record_base), load(kStateArena, record_base + 1));
    float status = load(kStateArena, record_base + 2);
    load_rows();
    token_head = (slot * p.tokens + p.first) * p.heads + head;
    load_key(token_head);
    project();
    for (uint t = p.first; t < end; ++t) {
        uint next = t + 1 < end ? token_head + p.heads : token_head; // the last key meets the rows twice, in vain
        status = take_token(status, next);
        token_head = next;
    }
    store_rows();
    if (lane == 0) store(kStateArena, record_base + 2, status);
}
