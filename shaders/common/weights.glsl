// Weights of a matrix, in fp32 or, in the variant `halves`, two halves a word: half the bytes, and the same sums in
// fp32. A half lies there times 1,024, so that none is a denormal, which a device may read as 0; sums over weights are
// kept in that unit, which rounds nothing. unpackHalf2x16 takes a word apart on every device. 16-bit storage would load
// the same bytes, and 14 GPU compilers make the same of it, but for at most 3 of 690 instructions: not worth a variant.
#ifdef GRAMIAN_HALVES
layout(set = 0, binding = 0, std430) readonly buffer WeightWords { uint weight_words[]; };
layout(set = 0, binding = 0, std430) readonly buffer WeightPairs { uvec2 weight_pairs[]; };

// Vector `index` of four weights, from an offset of the weights arena on; in units, as load_weight.
vec4 load_weights(uint weight, uint index)
{
    uvec2 halves = weight_pairs[weight / 2 + index];
    return vec4(unpackHalf2x16(halves.x), unpackHalf2x16(halves.y));
}

float load_weight(uint weight, uint index)
{
    vec2 both = unpackHalf2x16(weight_words[weight + index / 2]);
    return index % 2 == 0 ? both.x : both.y;
}

vec4 to_weight_units(vec4 value) { return value * 1024.0; }
vec4 from_weight_units(vec4 value) { return value * (1.0 / 1024.0); }
#else
vec4 load_weights(uint weight, uint index) { return weight_vectors[weight / 4 + index]; }
float load_weight(uint weight, uint index) { return weight_floats[weight + index]; }
vec4 to_weight_units(vec4 value) { return value; }
vec4 from_weight_units(vec4 value) { return value; }
#endif
