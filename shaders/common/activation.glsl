// Pointwise functions by kind; the numbers are those of gramian::Activation. Includes logarithm.glsl.
#include "logarithm.glsl"

const uint kIdentity = 0;
const uint kRelu = 1;
const uint kTanh = 2;
const uint kSigmoid = 3;
const uint kSilu = 4;
const uint kGelu = 5;
const uint kGeluTanh = 6;
const uint kElu = 7;
const uint kSoftplus = 8;
const uint kExp = 9;
const uint kCos = 10;

#include "sin_cos.glsl"

// By e^-|x|, which never overflows: what an infinity would do afterwards is not promised.
float sigmoid(float x)
{
    float e = exp(-abs(x));
    return (x < 0.0 ? e : 1.0) / (1.0 + e);
}

// e^x - 1 without cancellation: near 0 by its series, elsewhere by exp.
float expm1(float x)
{
    float series = x * (1.0 + x * (0.5 + x * (1.0 / 6.0 + x * (1.0 / 24.0 + x * (1.0 / 120.0)))));
    return abs(x) < 0.125 ? series : exp(x) - 1.0;
}

float softplus(float x) { return max(x, 0.0) + log1p(exp(-abs(x))); }

// tanh by exponentials of negative arguments, which cannot overflow; near 0 by its series, which does not cancel.
float tanh_safe(float x)
{
    float q = x * x;
    float series = x * (1.0 - q * (1.0 / 3.0 - q * (2.0 / 15.0 - q * (17.0 / 315.0 - q * (62.0 / 2835.0)))));
    float e = exp(-2.0 * abs(x));
    return abs(x) < 0.25 ? series : sign(x) * (1.0 - e) / (1.0 + e);
}

// The normal distribution function. erf by Abramowitz & Stegun 7.1.26: at most 1.5e-7 off.
float normal_cdf(float x)
{
    float z = abs(x) * 0.70710678;
    float t = 1.0 / (1.0 + 0.3275911 * z);
    float poly = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
    float tail = 0.5 * poly * exp(-z * z);
    return x < 0.0 ? tail : 1.0 - tail;
}

float gelu_tanh(float x) { return 0.5 * x * (1.0 + tanh_safe(0.7978845608 * (x + 0.044715 * x * x * x))); }

float activate(uint kind, float x)
{
    if (kind == kRelu) return max(x, 0.0);
    if (kind == kTanh) return tanh_safe(x);
    if (kind == kSigmoid) return sigmoid(x);
    if (kind == kSilu) return x * sigmoid(x);
    if (kind == kGelu) return x * normal_cdf(x);
    if (kind == kGeluTanh) return gelu_tanh(x);
    if (kind == kElu) return x > 0.0 ? x : expm1(x);
    if (kind == kSoftplus) return softplus(x);
    if (kind == kExp) return exp(x);
    if (kind == kCos) return sin_cos(x).y;
    return x;
}
