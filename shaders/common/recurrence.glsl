// What the kernels of the general linear recurrence share: its settings, its parameters, and where a token lies.
#include "common/storage.glsl"
#include "common/exponential.glsl"
#include "common/feature.glsl"
#include "linear_attention.h"

layout(constant_id = 0) const uint kQArena = kActivations;
layout(constant_id = 1) const uint kKArena = kActivations;
layout(constant_id = 2) const uint kVArena = kActivations;
layout(constant_id = 3) const uint kOArena = kActivations;
layout(constant_id = 4) const uint kStateArena = kActivations;
layout(constant_id = 5) const uint kColumns = 64; // columns a workgroup: a power of two up to 64
layout(constant_id = 6) const uint kHasInitial = 1;
layout(constant_id = 7) const uint kFeature = kFeatureIdentity;
layout(constant_id = 8) const uint kDecay = 0; // 0: none, 1: a number a head, 2: a number a key feature
layout(constant_id = 9) const uint kIsNegExp = 0;
layout(constant_id = 10) const uint kHasHeadFactor = 0;
layout(constant_id = 11) const uint kBeta = 0; // as kDecay
layout(constant_id = 12) const uint kRule = 0; // 0: none, 1: delta, 2: general
layout(constant_id = 13) const uint kErasesPre = 0;
layout(constant_id = 14) const uint kWritesPlain = 0;
layout(constant_id = 15) const uint kReadsBefore = 0;
layout(constant_id = 16) const uint kHasGain = 0;
layout(constant_id = 17) const uint kHasBonus = 0;
layout(constant_id = 18) const uint kNormalize = 0;
layout(push_constant) uniform Push { LinearAttentionParameters p; };

uint token_head; // (slot T + token) H + head
uint head;

// Tokens of this launch that the slot has.
uint count_of(uint slot, uint stream)
{
    uint end = stream == kNone ? 0 : p.counts == kNone ? p.tokens : io_words[p.counts + slot];
    return min(p.count, end > p.first ? end - p.first : 0);
}
