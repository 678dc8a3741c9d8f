// Four rows of the input of a linear layer, staged in shared memory by a workgroup of 64 and, if so wished, normalised
// before. The includer declares kXArena, kNorm and the parameters p: x, rows, width, and gain and shift of the norm.
const uint kRows = 4;
const uint kChunk = 64; // vectors of x staged at a time: 256 inputs
const uint kNoNorm = 3;
shared vec4 staged[kRows * kChunk];

#define Rows vec4
#define partial staged
#include "common/norm.glsl"

uint row; // the first of the four

float load_input(uint r, uint channel)
{
    return row + r < p.rows ? load(kXArena, p.x + (row + r) * p.width + channel) : 0.0;
}

vec4 load_rows(uint channel)
{
    return vec4(load_input(0, channel), load_input(1, channel), load_input(2, channel), load_input(3, channel));
}

// As in norm.comp, to the bit; 0 behind the last channel.
vec4 normalize_inputs(vec4 x, uint input_0, float mean, float factor)
{
    precise vec4 y = (x - mean) * factor;
    if (p.gain != kNone) y *= weight_vectors[(p.gain + input_0) / 4];
    if (p.shift != kNone) y += weight_vectors[(p.shift + input_0) / 4];
    return mix(vec4(0.0), y, lessThan(uvec4(0, 1, 2, 3) + input_0, uvec4(p.width)));
}

vec4 load_inputs(uint r, uint input_0, float mean, float factor)
{
    vec4 x = vec4(0.0);
    if (row + r < p.rows) {
        uint at = p.x + (row + r) * p.width + input_0;
        if (input_0 < p.width) x.x = load(kXArena, at);
        if (input_0 + 1 < p.width) x.y = load(kXArena, at + 1);
        if (input_0 + 2 < p.width) x.z = load(kXArena, at + 2);
        if (input_0 + 3 < p.width) x.w = load(kXArena, at + 3);
        if (kNorm < kNoNorm && input_0 < p.width) x = normalize_inputs(x, input_0, mean, factor);
    }
    return x;
}

// A chunk of vectors from the given one on. mean, factor: of every row.
void stage_inputs(uint first, vec4 mean, vec4 factor)
{
    uint lane = gl_LocalInvocationID.x;
    uint input_0 = 4 * (first + lane);
    barrier();
    staged[lane] = load_inputs(0, input_0, mean.x, factor.x);
    staged[kChunk + lane] = load_inputs(1, input_0, mean.y, factor.y);
    staged[2 * kChunk + lane] = load_inputs(2, input_0, mean.z, factor.z);
    staged[3 * kChunk + lane] = load_inputs(3, input_0, mean.w, factor.w);
    barrier();
}

// One chain of fused steps in the order of the inputs: the same bits for any number of rows.
float accumulate(float sum, vec4 w, vec4 x) { return fma(w.w, x.w, fma(w.z, x.z, fma(w.y, x.y, fma(w.x, x.x, sum)))); }
