// What the linear_attention_chunk kernels share: constants, the tokens of a chunk, and the cell of a chunk, in which
// one kernel leaves for the next what a chunk needs. G_r is the sum of the log decays of the chunk up to its token r.
// Includes feature.glsl; storage.glsl comes before.
#include "feature.glsl"
#include "../linear_attention_chunk.h"

layout(local_size_x = 64) in;
layout(constant_id = 0) const uint kQArena = kActivations;
layout(constant_id = 1) const uint kKArena = kActivations;
layout(constant_id = 2) const uint kVArena = kActivations;
layout(constant_id = 3) const uint kOArena = kActivations;
layout(constant_id = 4) const uint kStateArena = kActivations;
layout(constant_id = 5) const uint kFeature = kFeatureIdentity;
layout(constant_id = 6) const uint kDecay = 0; // 0: none, 1: a number a head, 2: a number a key feature
layout(constant_id = 7) const uint kIsNegExp = 0;
layout(constant_id = 8) const uint kHasHeadDecay = 0;
layout(constant_id = 9) const uint kBeta = 0;  // as kDecay
layout(constant_id = 10) const uint kRule = 0; // 0: none, 1: delta, 2: general
layout(constant_id = 11) const uint kErasesPre = 0;
layout(constant_id = 12) const uint kWritesPlain = 0;
layout(constant_id = 13) const uint kReadsBefore = 0;
layout(constant_id = 14) const uint kHasGain = 0;
layout(constant_id = 15) const uint kHasBonus = 0;
layout(constant_id = 16) const uint kHasInitial = 1;
layout(constant_id = 17) const uint kChunk = 16;   // C
layout(constant_id = 18) const uint kWidth = 64;   // F
layout(constant_id = 19) const uint kColumns = 16; // columns of a workgroup: a power of two up to 64
layout(push_constant) uniform Push { LinearAttentionChunkParameters p; };

// Parts of a cell, in floats.
const uint kRows = kChunk * kWidth;
const uint kSum = 0;                                 // [C, F]: G_r
const uint kSumRest = kRows;                         // [C, F]: what its rounding lost
const uint kQueries = 2 * kRows;                     // [C, F]: q e^G, what a query reads of the chunk's first state
const uint kErasers = 3 * kRows;                     // [C, F]: a e^G
const uint kWrites = 4 * kRows;                      // [C, F]: w e^(G_last - G), what a token adds to the last state
const uint kEraseWrites = 5 * kRows;                 // [C, F]: b e^(G_last - G)
const uint kScores = 6 * kRows;                      // [4, C, C]: q.w, q.b, a.w, a.b, each with its decay
const uint kFactors = kScores + 4 * kChunk * kChunk; // [F]: e^G_last
const uint kBorder = kFactors + kWidth;              // [F, E]: the state before the chunk

const uint kScoreQueryWrite = 0;
const uint kScoreQueryErase = 1;
const uint kScoreEraseWrite = 2;
const uint kScoreEraseErase = 3;

uint head;
uint slot;

uint cell_of(uint chunk)
{
    uint size = kBorder + (kWidth + kChunk) * p.columns; // behind the border: what the tokens erased, [C, E]
    return p.cells + ((slot * p.heads + head) * p.chunks + chunk) * size;
}

uint erased_in(uint cell) { return cell + kBorder + kWidth * p.columns; }
uint score_in(uint cell, uint kind, uint r, uint s) { return cell + kScores + ((kind * kChunk + r) * kChunk + s); }

// Tokens of a chunk: C, fewer in the last one, none beyond it or in an idle slot.
uint tokens_of(uint chunk)
{
    uint start = p.first + chunk * kChunk;
    uint end = p.counts == kNone ? p.tokens : io_words[p.counts + slot];
    if (stream_of(p.streams, slot) == kNone) end = 0;
    end = min(end, p.first + p.count);
    return end > start ? min(kChunk, end - start) : 0;
}

// (slot T + token) H + head
uint token_head_of(uint chunk, uint r) { return (slot * p.tokens + p.first + chunk * kChunk + r) * p.heads + head; }

float beta_of(uint token_head, uint i)
{
    if (kBeta == 0) return 1.0;
    return activation_floats[p.beta + (kBeta == 2 ? token_head * kWidth + i : token_head)];
}

float key(uint token_head, uint i) { return feature(kFeature, load(kKArena, p.k + token_head * kWidth + i)); }
float query(uint token_head, uint i) { return feature(kFeature, load(kQArena, p.q + token_head * kWidth + i)); }

float written(uint token_head, uint i)
{
    return kWritesPlain == 1 ? key(token_head, i) : beta_of(token_head, i) * key(token_head, i);
}

float erase_read(uint token_head, uint i)
{
    if (kRule == 0) return 0.0;
    if (kRule == 1) return -beta_of(token_head, i) * key(token_head, i);
    return activation_floats[p.erase_read + token_head * kWidth + i];
}

float erase_write(uint token_head, uint i)
{
    if (kRule == 0) return 0.0;
    return kRule == 1 ? key(token_head, i) : activation_floats[p.erase_write + token_head * kWidth + i];
}

float value(uint token_head, uint column)
{
    float v = load(kVArena, p.v + token_head * p.columns + column);
    return kHasGain == 1 ? v * activation_floats[p.value_gain + token_head * p.columns + column] : v;
}
