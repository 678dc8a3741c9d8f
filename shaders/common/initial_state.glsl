// The state as it was before this launch, for kernels of software drivers, where a texel buffer is faster to read than
// a storage buffer. No lane reads what another one writes. The includer defines kStateArena and kHasInitial.
#ifdef GRAMIAN_TEXELS
layout(set = 0, binding = 4) uniform textureBuffer state_texels;
#endif

vec4 load_state(uint at)
{
    if (kHasInitial == 0) return vec4(0.0);
#ifdef GRAMIAN_TEXELS
    if (kStateArena == kState) return texelFetch(state_texels, int(at));
#endif
    return load_vector(kStateArena, at);
}
