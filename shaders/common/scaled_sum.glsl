// Sums of exponentials as s 2^e: pairs (e, s) of a whole number, held in a float, and an ordinary float. They do not
// overflow, however large the exponents, and an exponential is needed for what comes in alone, not for each sum that it
// goes into: e^(k + v) is e^k times e^v. Nor do they drift: a power of two scales without rounding, and what adding a
// term rounds off is kept as the fraction of the exponent: an eighth of it, in units of the last bit of s. Without, a
// term that comes again and again would be rounded the same way each time: 1e-3 after 1e5 tokens.
#include "common/exponential.glsl"
#include "common/logarithm.glsl"

// Of an empty sum, while at work: below all others, which end at 1e37. In memory a sum of 0 is empty.
const float kNothing = -1.0e38;

// 2^d for a whole d up to 0; below -126 it is 0. The sum with 2^23 has d + 127 as its last bits; what is less than 2^23,
// or negative, is less as an integer too.
#define POWER_OF_TWO(type, itype, utype) type power_of_two(type d) \
{ return uintBitsToFloat(utype(max(floatBitsToInt(d + 8388735.0), itype(0x4b000000))) << 23); }
POWER_OF_TWO(float, int, uint)
POWER_OF_TWO(vec2, ivec2, uvec2)
POWER_OF_TWO(vec4, ivec4, uvec4)

// e^x = factor 2^exponent, the factor between sqrt(1/2) and sqrt 2; nothing and 0 where x is the logarithm of zero.
// Chosen by mix, not by ?:, which becomes branches: in fours and a loop SwiftShader compiles those for minutes.
float exponent_of(float x)
{
    return mix(roundEven(clamp(x * 1.44269504, -1.0e37, 1.0e37)), kNothing, is_log_of_zero(x));
}

float factor_of(float x, float exponent)
{
    precise float r = fma(exponent, -1.42860677e-6, fma(exponent, -0.693145752, x));
    r = mix(mix(r, -1.0, r < -1.0), 1.0, r > 1.0); // of an x from 2^23 on, its rounding leaves more
    return mix(1.0 + exp_less_1(r), 0.0, exponent == kNothing);
}

vec2 scaled_exp(float x)
{
    float exponent = exponent_of(x);
    return vec2(exponent, factor_of(x, exponent));
}

vec2 exponent_of(vec2 x) { return vec2(exponent_of(x.x), exponent_of(x.y)); }
vec4 exponent_of(vec4 x) { return vec4(exponent_of(x.xy), exponent_of(x.zw)); }
vec2 factor_of(vec2 x, vec2 e) { return vec2(factor_of(x.x, e.x), factor_of(x.y, e.y)); }
vec4 factor_of(vec4 x, vec4 e) { return vec4(factor_of(x.xy, e.xy), factor_of(x.zw, e.zw)); }

// A pair as it lies in memory.
vec2 held(vec2 pair) { return pair.y == 0.0 ? vec2(kNothing, 0.0) : pair; }

// For a sum that is no longer added to.
vec2 whole(vec2 pair) { return vec2(roundEven(pair.x), pair.y); }

// max for kernels that run on processors: it costs their drivers more than a choice, for the sake of what is no number.
vec4 larger(vec4 a, vec4 b) { return mix(a, b, lessThan(a, b)); }

// Adds term 2^x to a pair that is kept, as Kahan does, and returns its exponent without the fraction. A unit of the
// fraction is the power of two in the sum times 2^-20: by its exponent, which no sum is too small or too large for.
const uint kUnitBits = 20 << 23;
#define GATHER(type, larger) type gather(inout type exponent, inout type sum, type x, type term) \
{ \
    type e = roundEven(exponent); \
    type top = larger(e, x); \
    type fade = power_of_two(e - top); \
    type unit = uintBitsToFloat((floatBitsToUint(sum) & 0x7f800000u) - kUnitBits); \
    precise type rest = (exponent - e) * unit; \
    precise type come = fma(rest, fade, term * power_of_two(x - top)); \
    precise type old = sum * fade; \
    precise type next = old + come; \
    precise type left = come - (next - old); \
    type units = uintBitsToFloat(0x7f000000u + kUnitBits - (floatBitsToUint(next) & 0x7f800000u)); \
    precise type kept = fma(left, units, top); \
    exponent = kept; \
    sum = next; \
    return top; \
}
GATHER(float, max)
GATHER(vec4, larger)

// Of two pairs that are not kept.
vec2 scaled_sum(vec2 a, vec2 b)
{
    float top = max(a.x, b.x);
    precise float sum = fma(a.y, power_of_two(a.x - top), b.y * power_of_two(b.x - top));
    return vec2(top, sum);
}

// -infinity where nothing was summed.
float log_of_ratio(vec2 a, vec2 b) { return a.y > 0.0 ? log_of(a.y / b.y, a.x - b.x) : log_of_zero(); }
