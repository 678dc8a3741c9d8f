#version 450
#extension GL_GOOGLE_include_directive : require
// The general linear recurrence, any size: one stream and head a workgroup, token after token, the state in memory.
//
//     R = e^g S;  e = R^T a (post) or S^T a (pre);  S' = R + b e^T + W (w * v)^T;  o = scale S'^T q
//
// with W = beta k or k. kColumns lanes own a column of S each, the other lanes share its rows, so that a lane always
// meets the elements that it wrote itself. Normalised, z lies in shared memory and the workgroup goes through the
// columns in blocks; otherwise blocks of columns are workgroups of their own.
#include "common/recurrence.glsl"

layout(local_size_x = 64) in;

const uint kMaxWidth = 1024;
shared vec2 parts[64];
shared float z[kNormalize == 1 ? kMaxWidth : 1];

float decay_of(uint i)
{
    float factor = 1.0;
    if (kDecay > 0) {
        uint at = kDecay == 2 ? token_head * p.width + i : token_head;
        float g = activation_floats[p.decay + at];
        factor = exp_of(kIsNegExp == 1 ? -exp_of(g) : g);
    }
    return kHasHeadFactor == 1 ? factor * weight_floats[p.head_factor + head] : factor;
}

float beta_of(uint i)
{
    if (kBeta == 0) return 1.0;
    return activation_floats[p.beta + (kBeta == 2 ? token_head * p.width + i : token_head)];
}

float key(uint i) { return feature(kFeature, load(kKArena, p.k + token_head * p.width + i)); }
float query(uint i) { return feature(kFeature, load(kQArena, p.q + token_head * p.width + i)); }
float written(uint i) { return kWritesPlain == 1 ? key(i) : beta_of(i) * key(i); }

float erase_read(uint i)
{
    return kRule == 1 ? -beta_of(i) * key(i) : activation_floats[p.erase_read + token_head * p.width + i];
}

float erase_write(uint i)
{
    return kRule == 1 ? key(i) : activation_floats[p.erase_write + token_head * p.width + i];
}

float value(uint column)
{
    float v = column < p.columns ? load(kVArena, p.v + token_head * p.columns + column) : 0.0;
    if (kHasGain == 1 && column < p.columns) v *= activation_floats[p.value_gain + token_head * p.columns + column];
    return v;
}

// x: the sum over the lanes that share a column, y: over all lanes; in every one of them.
vec2 sum_over_lanes(vec2 part)
{
    uint lane = gl_LocalInvocationID.x;
    barrier();
    parts[lane] = part;
    for (uint stride = 32; stride > 0; stride /= 2) {
        barrier();
        if (lane < stride) parts[lane].y += parts[lane + stride].y;
        if (lane < stride && stride >= kColumns) parts[lane].x += parts[lane + stride].x;
    }
    barrier();
    return vec2(parts[lane % kColumns].x, parts[0].y);
}

float bounded_denominator(float d)
{
    float sign_of = d < 0.0 ? -1.0 : 1.0;
    return abs(d) < p.denominator_min ? sign_of * p.denominator_min : d;
}

// z' and this lane's share of z . q; a row of z is met by one lane only.
float take_token_z()
{
    float part = 0.0;
    for (uint i = gl_LocalInvocationID.x; i < p.width; i += 64) {
        float w = written(i);
        float next = fma(decay_of(i), z[i], w);
        float bonus = kHasBonus == 1 ? weight_floats[p.bonus + head * p.width + i] : 0.0;
        part = fma(query(i), kReadsBefore == 1 ? fma(bonus, w, z[i]) : next, part);
        z[i] = next;
    }
    return part;
}

// e of this column: what the state answers to a.
float read_erased(uint from, bool has_state)
{
    float part = 0.0;
    for (uint i = gl_LocalInvocationID.x / kColumns; i < p.width && has_state; i += 64 / kColumns) {
        float s = load(kStateArena, from + i * p.columns);
        part = fma(erase_read(i), kErasesPre == 1 ? s : decay_of(i) * s, part);
    }
    return sum_over_lanes(vec2(part, 0.0)).x;
}

// One token for one block of columns. `from`, `to`: this column of the state before and after; has_state: it is not 0.
void take_token(uint from, uint to, uint column, bool has_state)
{
    bool has_column = column < p.columns;
    float erased = 0.0;
    if (kRule > 0) erased = read_erased(from, has_column && has_state);
    float v = value(column);
    float part = 0.0;
    for (uint i = gl_LocalInvocationID.x / kColumns; i < p.width && has_column; i += 64 / kColumns) {
        float s = has_state ? load(kStateArena, from + i * p.columns) : 0.0;
        float w = written(i);
        float next = fma(w, v, decay_of(i) * s);
        if (kRule > 0) next = fma(erase_write(i), erased, next);
        store(kStateArena, to + i * p.columns, next);
        float bonus = kHasBonus == 1 ? weight_floats[p.bonus + head * p.width + i] : 0.0;
        part = fma(query(i), kReadsBefore == 1 ? fma(bonus * w, v, s) : next, part);
    }
    vec2 read = sum_over_lanes(vec2(part, kNormalize == 1 ? take_token_z() : 0.0));
    float o = p.scale * read.x;
    if (kNormalize == 1) o /= bounded_denominator(p.scale * read.y + p.epsilon);
    if (has_column && gl_LocalInvocationID.x < kColumns) store(kOArena, p.o + token_head * p.columns + column, o);
}

void take_block(uint slot, uint block)
{
    uint lane = gl_LocalInvocationID.x;
    uint stream = stream_of(p.streams, slot);
    uint count = count_of(slot, stream);
    uint state_head = stream * p.heads + head;
    uint column = block * kColumns + lane % kColumns;
    uint at = state_head * p.width * p.columns + column;
    uint at_z = state_head * p.width;
    if (kNormalize == 1) {
        for (uint i = lane; i < p.width; i += 64) {
            z[i] = kHasInitial == 1 && count > 0 ? load(kStateArena, p.initial_z + at_z + i) : 0.0;
        }
    }
    for (uint t = 0; t < count; ++t) {
        token_head = (slot * p.tokens + p.first + t) * p.heads + head;
        take_token((t == 0 ? p.initial : p.state) + at, p.state + at, column, t > 0 || kHasInitial == 1);
    }
    if (kNormalize == 1 && count > 0 && (block + 1) * kColumns >= p.columns) {
        for (uint i = lane; i < p.width; i += 64) store(kStateArena, p.state_z + at_z + i, z[i]);
    }
}

void main()
{
    head = gl_WorkGroupID.y;
    uint slot = gl_WorkGroupID.z;
    if (kNormalize == 1) {
        for (uint block = 0; block * kColumns < p.columns; ++block) take_block(slot, block);
    } else {
        take_block(slot, gl_WorkGroupID.x);
    }
}
