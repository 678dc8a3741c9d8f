// What belongs to rows of the state, four rows at a time, for widths that are multiples of four: i counts such fours.
// The includer defines kWidth.
#include "common/recurrence.glsl"

vec4 decay_of(uint i)
{
    vec4 factor = vec4(1.0);
    if (kDecay > 0) {
        vec4 g = kDecay == 2 ? activation_vectors[(p.decay + token_head * kWidth) / 4 + i]
                             : vec4(activation_floats[p.decay + token_head]);
        factor = exp_of(kIsNegExp == 1 ? -exp_of(g) : g);
    }
    return kHasHeadFactor == 1 ? factor * weight_floats[p.head_factor + head] : factor;
}

vec4 beta_of(uint i)
{
    if (kBeta == 0) return vec4(1.0);
    return kBeta == 2 ? activation_vectors[(p.beta + token_head * kWidth) / 4 + i]
                      : vec4(activation_floats[p.beta + token_head]);
}

vec4 features(vec4 x)
{
    return vec4(feature(kFeature, x.x), feature(kFeature, x.y), feature(kFeature, x.z), feature(kFeature, x.w));
}

vec4 key(uint i) { return features(load_vector(kKArena, (p.k + token_head * kWidth) / 4 + i)); }
vec4 query(uint i) { return features(load_vector(kQArena, (p.q + token_head * kWidth) / 4 + i)); }
vec4 written(uint i) { return kWritesPlain == 1 ? key(i) : beta_of(i) * key(i); }
vec4 general(uint tensor, uint i) { return activation_vectors[(tensor + token_head * kWidth) / 4 + i]; }
vec4 erase_read(uint i) { return kRule == 1 ? -beta_of(i) * key(i) : general(p.erase_read, i); }

vec4 erase_write(uint i)
{
    if (kRule == 0) return vec4(0.0);
    return kRule == 1 ? key(i) : general(p.erase_write, i);
}

// u W: what a query read before the write sees of the token itself.
vec4 bonus_of(uint i)
{
    if (kHasBonus == 0) return vec4(0.0);
    return weight_vectors[(p.bonus + head * kWidth) / 4 + i] * written(i);
}
