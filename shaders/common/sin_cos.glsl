// Sine and cosine that every device computes alike.
// sin and cos of any x of a few thousand. A device promises its own only to 2^-11 absolute. Range reduction by pi/2 in
// three parts (Cody & Waite), then Taylor polynomials on [-pi/4, pi/4], whose next terms are below 4e-9.
vec2 sin_cos(float x)
{
    float n = floor(x * 0.636619772 + 0.5);
    float r = fma(n, -1.5703125, x);
    r = fma(n, -4.83751296997e-4, r);
    r = fma(n, -7.54978995489e-8, r);
    float q = r * r;
    float s = r * (1.0 + q * (-1.0 / 6.0 + q * (1.0 / 120.0 + q * (-1.0 / 5040.0 + q * (1.0 / 362880.0)))));
    float c = 1.0 + q * (-0.5 + q * (1.0 / 24.0 + q * (-1.0 / 720.0 + q * (1.0 / 40320.0 - q * (1.0 / 3628800.0)))));
    uint quadrant = uint(int(n)) & 3u;
    vec2 turned = (quadrant & 1u) == 1u ? vec2(c, -s) : vec2(s, c);
    return quadrant >= 2u ? -turned : turned;
}
