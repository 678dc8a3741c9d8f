// What the two kernels of log-space attention for software drivers do with four rows, and with four columns of a row.
// Sums over rows are sums over the rows that a lane has in log_attention_software.comp, in order, then over the lanes
// in order, so that both kernels come to the same bits.
#include "common/storage.glsl"
#include "common/scaled_sum.glsl"
#include "log_attention.h"

layout(constant_id = 0) const uint kQArena = kActivations;
layout(constant_id = 1) const uint kKArena = kActivations;
layout(constant_id = 2) const uint kVArena = kActivations;
layout(constant_id = 3) const uint kYArena = kActivations;
layout(constant_id = 4) const uint kStateArena = kActivations;
layout(constant_id = 5) const uint kInvocations = 32;
layout(constant_id = 6) const uint kWidth = 64; // D
layout(constant_id = 7) const uint kHasInitial = 1;
layout(constant_id = 8) const uint kIsSigned = 0;
layout(push_constant) uniform Push { LogAttentionParameters p; };

#include "common/initial_state.glsl"

// Of four rows: e^k and e^q as exponents and factors, Z, and signed what S keeps, what it gains of v and, once the total
// is known, what of it is read.
struct Rows {
    vec4 key_exponents;
    vec4 key_factors;
    vec4 query_exponents;
    vec4 query_factors;
    vec4 z_exponents;
    vec4 z_sums;
    vec4 fades;
    vec4 gains;
    vec4 weights;
};

// at: of the four rows, in fours.
void load_z(inout Rows rows, uint at)
{
    rows.z_exponents = load_state(at);
    rows.z_sums = load_state(at + kWidth / 4);
    rows.z_exponents = mix(rows.z_exponents, vec4(kNothing), equal(rows.z_sums, vec4(0.0)));
}

void store_z(Rows rows, uint at)
{
    store_vector(kStateArena, at, rows.z_exponents);
    store_vector(kStateArena, at + kWidth / 4, rows.z_sums);
}

// Z one token further.
void take_keys(inout Rows rows, vec4 k, vec4 q)
{
    rows.key_exponents = exponent_of(k);
    rows.key_factors = factor_of(k, rows.key_exponents);
    rows.query_exponents = exponent_of(q);
    rows.query_factors = factor_of(q, rows.query_exponents);
    if (kIsSigned == 0) {
        gather(rows.z_exponents, rows.z_sums, rows.key_exponents, rows.key_factors);
        return;
    }
    vec4 top = max(rows.z_exponents, rows.key_exponents);
    rows.fades = power_of_two(rows.z_exponents - top);
    rows.gains = rows.key_factors * power_of_two(rows.key_exponents - top);
    precise vec4 sums = fma(rows.z_sums, rows.fades, rows.gains);
    rows.z_exponents = top;
    rows.z_sums = sums;
}

// sum e^q_i Z_i
vec2 total_of(Rows rows)
{
    vec4 exponents = rows.query_exponents + roundEven(rows.z_exponents);
    float top = max(max(exponents.x, exponents.y), max(exponents.z, exponents.w));
    vec4 weights = rows.query_factors * power_of_two(exponents - top);
    precise float sum = rows.z_sums.x * weights.x;
    sum = fma(rows.z_sums.y, weights.y, sum);
    sum = fma(rows.z_sums.z, weights.z, sum);
    sum = fma(rows.z_sums.w, weights.w, sum);
    return vec2(top, sum);
}

// total: of all rows.
vec4 weights_of(Rows rows, vec2 total)
{
    return rows.query_factors * power_of_two(rows.query_exponents + rows.z_exponents - total.x);
}

// Signed: what is left of `old` and comes in, and the sum of what is read.
vec4 next_sums(vec4 old, float fade, float gain, float weight, vec4 v, inout vec4 part)
{
    precise vec4 next = fma(vec4(gain), v, fade * old);
    precise vec4 sum = fma(vec4(weight), next, part);
    part = sum;
    return next;
}

// Pairs of four columns.
struct Pairs {
    vec4 exponents;
    vec4 sums;
};

// Values as e^(log v), or plain.
Pairs values_of(vec4 v)
{
    if (kIsSigned == 1) return Pairs(vec4(0.0), v);
    vec4 exponents = exponent_of(v);
    return Pairs(exponents, factor_of(v, exponents));
}

Pairs added(Pairs a, Pairs b)
{
    vec4 top = larger(a.exponents, b.exponents);
    precise vec4 sums = fma(a.sums, power_of_two(a.exponents - top), b.sums * power_of_two(b.exponents - top));
    return Pairs(top, sums);
}

vec4 answer_of(Pairs read, vec2 total)
{
    if (kIsSigned == 1) return total.y == 0.0 ? vec4(0.0) : read.sums / total.y; // nothing seen: 0
    return vec4(log_of_ratio(vec2(read.exponents.x, read.sums.x), total),
                log_of_ratio(vec2(read.exponents.y, read.sums.y), total),
                log_of_ratio(vec2(read.exponents.z, read.sums.z), total),
                log_of_ratio(vec2(read.exponents.w, read.sums.w), total));
}
