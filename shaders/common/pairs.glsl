// The arenas by two floats: for lanes that own two adjacent columns. `index` counts pairs.
layout(set = 0, binding = 0, std430) readonly buffer WeightPairs { vec2 weight_pairs[]; };
layout(set = 0, binding = 1, std430) buffer StatePairs { vec2 state_pairs[]; };
layout(set = 0, binding = 2, std430) buffer ActivationPairs { vec2 activation_pairs[]; };
layout(set = 0, binding = 3, std430) buffer IoPairs { vec2 io_pairs[]; };

vec2 load_pair(uint arena, uint index)
{
    if (arena == kWeights) return weight_pairs[index];
    if (arena == kState) return state_pairs[index];
    if (arena == kActivations) return activation_pairs[index];
    return io_pairs[index];
}

void store_pair(uint arena, uint index, vec2 value)
{
    if (arena == kState) state_pairs[index] = value;
    if (arena == kActivations) activation_pairs[index] = value;
    if (arena == kIo) io_pairs[index] = value;
}
