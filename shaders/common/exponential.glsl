// e^x to a rounding or two. Vulkan lets exp be off by 3 + 2 |x| units in the last place, and a decay acts on a state
// again with every token: an error of 1e-7 would grow to 1e-4 over a memory of 1,000 tokens.

// e^r - 1 for |r| <= log(2) / 2, where the first term of the series left out is below 6e-9.
float exp_less_1(float r)
{
    float series = 1.0 / 6.0 + r * (1.0 / 24.0 + r * (1.0 / 120.0 + r * (1.0 / 720.0 + r * (1.0 / 5040.0))));
    precise float part = fma(r * r, fma(r, series, 0.5), r);
    return part;
}

// 2^k e^r; log 2 has two parts, so that r is exact. Below 2^-126 it is 0, and above the largest float that.
float exp_of(float x)
{
    float k = roundEven(clamp(x, -88.0, 88.0) * 1.44269504);
    precise float r = fma(k, -1.42860677e-6, fma(k, -0.693145752, clamp(x, -88.0, 88.0)));
    precise float result = (1.0 + exp_less_1(r)) * uintBitsToFloat(uint(int(k) + 127) << 23);
    return x < -87.0 ? 0.0 : result;
}

vec4 exp_of(vec4 x) { return vec4(exp_of(x.x), exp_of(x.y), exp_of(x.z), exp_of(x.w)); }
