// The four arenas that every kernel sees. A tensor is an arena, fixed by a specialisation constant where it may
// differ, and an element offset from the push constants.
layout(set = 0, binding = 0, std430) readonly buffer WeightFloats { float weight_floats[]; };
layout(set = 0, binding = 0, std430) readonly buffer WeightVectors { vec4 weight_vectors[]; };
layout(set = 0, binding = 1, std430) buffer StateFloats { float state_floats[]; };
layout(set = 0, binding = 1, std430) buffer StateWords { uint state_words[]; };
layout(set = 0, binding = 1, std430) buffer StateVectors { vec4 state_vectors[]; };
layout(set = 0, binding = 2, std430) buffer ActivationFloats { float activation_floats[]; };
layout(set = 0, binding = 2, std430) buffer ActivationVectors { vec4 activation_vectors[]; };
layout(set = 0, binding = 3, std430) buffer IoFloats { float io_floats[]; };
layout(set = 0, binding = 3, std430) buffer IoWords { uint io_words[]; };
layout(set = 0, binding = 3, std430) buffer IoVectors { vec4 io_vectors[]; };

const uint kWeights = 0;
const uint kState = 1;
const uint kActivations = 2;
const uint kIo = 3;
const uint kNone = 0xffffffffu; // an offset that says: not given

float load(uint arena, uint index)
{
    if (arena == kWeights) return weight_floats[index];
    if (arena == kState) return state_floats[index];
    if (arena == kActivations) return activation_floats[index];
    return io_floats[index];
}

// Four consecutive floats; `index` counts vectors.
vec4 load_vector(uint arena, uint index)
{
    if (arena == kWeights) return weight_vectors[index];
    if (arena == kState) return state_vectors[index];
    if (arena == kActivations) return activation_vectors[index];
    return io_vectors[index];
}

void store_vector(uint arena, uint index, vec4 value)
{
    if (arena == kState) state_vectors[index] = value;
    if (arena == kActivations) activation_vectors[index] = value;
    if (arena == kIo) io_vectors[index] = value;
}

void store(uint arena, uint index, float value)
{
    if (arena == kState) state_floats[index] = value;
    if (arena == kActivations) activation_floats[index] = value;
    if (arena == kIo) io_floats[index] = value;
}

// The stream that a slot stands for: an entry of the io arena, or the slot itself.
uint stream_of(uint streams, uint slot) { return streams == kNone ? slot : io_words[streams + slot]; }

// The same for kernels that only read: an idle slot reads stream 0, and nobody reads what it makes of it.
uint readable_stream_of(uint streams, uint slot)
{
    uint stream = stream_of(streams, slot);
    return stream == kNone ? 0 : stream;
}
