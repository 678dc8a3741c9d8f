#version 450
#extension GL_GOOGLE_include_directive : require
// What stands for a chunk of tokens: the means of its queries and of its keys, each through a linear map and a layer
// norm, and their sum mu. Tokens outside of the sequence count in the means as zeros. A workgroup owns a chunk and
// head, a lane some channels. In causal order only chunks whose last token is known are taken.
#include "common/storage.glsl"
#include "chunk_means.h"

layout(local_size_x = 64) in;
const uint kMeans = 0;      // no maps
const uint kLinear = 1;     // no norms
const uint kNormalized = 2;
const uint kKeysOnly = 3;   // mu = 0, keys normalised
layout(constant_id = 0) const uint kQArena = kActivations;
layout(constant_id = 1) const uint kKArena = kActivations;
layout(constant_id = 2) const uint kChunkArena = kActivations;
layout(constant_id = 3) const uint kForm = kNormalized;
layout(constant_id = 4) const uint kIsCausal = 0;
layout(constant_id = 5) const uint kWidth = 64;
layout(push_constant) uniform Push { ChunkMeansParameters p; };

const float kEpsilon = 1.0e-5; // of the layer norms
shared float mean[kWidth];
shared float mapped[kWidth];
shared float mapped_q[kWidth];

// Member n of a chunk, by its place in the sequence; kNone where there is none.
uint token_of(uint chunk, uint n, uint all)
{
    if (p.grid > 0) {
        uint across = p.grid / p.chunk;
        return (chunk / across * p.chunk + n / p.chunk) * p.grid + chunk % across * p.chunk + n % p.chunk;
    }
    uint past = chunk * p.chunk + n; // counted from `overlap` tokens before the sequence
    return past < p.overlap || past - p.overlap >= all ? kNone : past - p.overlap;
}

// mapped = layer_norm(W mean + b). `width` is 0 where there is nothing to do.
void map_mean(uint lane, uint width, uint weight, uint bias, uint norm_weight, uint norm_bias)
{
    barrier();
    for (uint i = lane; i < width; i += 64) {
        float sum = mean[i];
        if (kForm != kMeans) {
            sum = weight_floats[bias + i];
            for (uint j = 0; j < width; ++j) sum = fma(weight_floats[weight + j * p.width + i], mean[j], sum);
        }
        mapped[i] = sum;
    }
    barrier();
    if (kForm == kMeans || kForm == kLinear) return; // a constant: all lanes leave, or none
    float center = 0.0;
    for (uint j = 0; j < width; ++j) center += mapped[j];
    center /= float(p.width);
    float squares = 0.0;
    for (uint j = 0; j < width; ++j) {
        float difference = mapped[j] - center;
        squares = fma(difference, difference, squares);
    }
    float factor = 1.0 / sqrt(squares / float(p.width) + kEpsilon);
    barrier();
    for (uint i = lane; i < width; i += 64) {
        float unit = (mapped[i] - center) * factor;
        mapped[i] = fma(unit, weight_floats[norm_weight + i], weight_floats[norm_bias + i]);
    }
}

void main()
{
    uint lane = gl_LocalInvocationID.x;
    uint row = p.first_row + gl_WorkGroupID.x;
    uint head = gl_WorkGroupID.y;
    uint slot = row / p.places;
    uint place = row % p.places;
    uint stream = readable_stream_of(p.streams, slot);
    uint held = p.held == kNone ? 0 : state_words[p.held + stream * p.heads + head];
    uint count = p.counts == kNone ? p.tokens : io_words[p.counts + slot];
    uint chunk = held / p.chunk + place;
    bool is_known = true;
    if (kIsCausal == 1) {
        is_known = (chunk + 1) * p.chunk <= held + count && chunk < p.chunks && stream_of(p.streams, slot) != kNone;
    }
    uint width = is_known ? p.width : 0;
    uint members = p.grid > 0 ? p.chunk * p.chunk : p.chunk + 2 * p.overlap;
    uint at = (row * p.heads + head) * p.width;
    for (uint side = kForm == kKeysOnly ? 1 : 0; side < 2; ++side) {
        for (uint i = lane; i < width; i += 64) {
            float sum = 0.0;
            if (place == 0 && p.held != kNone) {
                sum = state_floats[(side == 0 ? p.sum_q : p.sum_k) + (stream * p.heads + head) * p.width + i];
            }
            for (uint n = 0; n < members; ++n) {
                uint s = token_of(chunk, n, held + p.tokens);
                if (s == kNone || s < held) continue;
                uint from = ((slot * p.tokens + s - held) * p.heads + head) * p.width + i;
                sum += side == 0 ? load(kQArena, p.q + from) : load(kKArena, p.k + from);
            }
            mean[i] = sum / float(members);
        }
        if (side == 0) {
            map_mean(lane, width, p.q_weight, p.q_bias, p.q_norm_weight, p.q_norm_bias);
            for (uint i = lane; i < width; i += 64) mapped_q[i] = mapped[i];
        } else {
            map_mean(lane, width, p.k_weight, p.k_bias, p.k_norm_weight, p.k_norm_bias);
        }
        barrier();
    }
    for (uint i = lane; i < width; i += 64) {
        store(kChunkArena, p.chunk_k + ((stream * p.chunks + chunk) * p.heads + head) * p.width + i, mapped[i]);
        activation_floats[p.mu + at + i] = kForm == kKeysOnly ? 0.0 : p.factor * (mapped_q[i] + mapped[i]);
        if (p.mean_q != kNone) activation_floats[p.mean_q + at + i] = mapped_q[i];
    }
}
