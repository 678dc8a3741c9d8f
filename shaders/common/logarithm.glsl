// Logarithms by series. Vulkan promises log only to 2^-21 absolute for arguments near 1, and GLSL has no log1p.

// log(1 + y) for 0 <= y <= 1: 2 atanh(y / (2 + y)); with s <= 1/3 the first term left out is below 2e-8 of the result.
float log1p(float y)
{
    float s = y / (2.0 + y);
    float q = s * s;
    float series = 1.0 / 9.0 + q * (1.0 / 11.0 + q * (1.0 / 13.0));
    return 2.0 * s * (1.0 + q * (1.0 / 3.0 + q * (0.2 + q * (1.0 / 7.0 + q * series))));
}

// log(x 2^exponent) for a positive, finite, normal x = 2^e m with m between sqrt(1/2) and sqrt 2, and a whole exponent:
// (e + exponent) log 2 + 2 atanh((m - 1) / (m + 1)). s <= 0.172: the first term left out is below 3e-9 of the second
// part. log 2 has two parts, so that small multiples of it are exact.
float log_of(float x, float exponent)
{
    int e = int(floatBitsToUint(x) - 0x3f3504f3u) >> 23;
    float m = uintBitsToFloat(floatBitsToUint(x) - (uint(e) << 23));
    float s = (m - 1.0) / (m + 1.0);
    float q = s * s;
    float part = 2.0 * s * (1.0 + q * (1.0 / 3.0 + q * (0.2 + q * (1.0 / 7.0 + q * (1.0 / 9.0)))));
    float twos = float(e) + exponent;
    return fma(twos, 0.693145752, fma(twos, 1.42860677e-6, part));
}

// An infinity is tested by its bits: what a device does with one is not promised.
const uint kMinusInfinity = 0xff800000u;
bool is_log_of_zero(float x) { return floatBitsToUint(x) == kMinusInfinity; }
float log_of_zero() { return uintBitsToFloat(kMinusInfinity); }
