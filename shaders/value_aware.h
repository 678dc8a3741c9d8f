// Parameters of the kernels of value-aware sparse attention. B problems, N keys, E value columns, S slots of a support.
#ifdef __cplusplus
#pragma once
#include <cstdint>
namespace gramian::gpu {
using uint = uint32_t;
#endif

struct ValueAwareParameters {
    uint logits;  // activations [B, N], or none: p is given
    uint p;       // activations [B, N]: weights that sum to 1
    uint v;       // activations [B, N, E]
    uint target;  // activations [B, E]
    uint support; // activations [B, S]: numbers of keys, -1 in a free slot; none: slot i holds key i
    uint weights; // activations [B, S]
    uint gram;    // activations [B, S, S]: inner products of the support, relative to the target
    uint inverse; // activations [B, E + 1, E + 1]: of the basis of `caratheodory`
    uint scores;  // activations [B, N]: squared error with that key in the support
    uint indices; // activations [B, R], output
    uint chosen;  // activations [B, R], output: weights
    uint error;   // activations [B], output, or none
    uint keys;    // N
    uint columns; // E
    uint slots;   // S
    uint budget;  // R
    uint first;   // key, of this launch
    uint count;   // keys or iterations of this launch
};

#ifdef __cplusplus
} // namespace gramian::gpu
#endif
