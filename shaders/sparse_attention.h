// Parameters of sparse_pairs.comp and sparse_answer.comp.
#include "softmax_attention.h"
#ifdef __cplusplus
#pragma once
#include <cstdint>
namespace gramian::gpu {
using uint = uint32_t;
#endif

struct SparseAttentionParameters {
    SoftmaxAttentionParameters pairs;
    uint seen;    // N: keys that a query sees at most
    uint logits;  // activations [rows, heads, N] of this launch
    uint values;  // activations [rows, heads, N, columns]
    uint indices; // activations [rows, heads, R]
    uint chosen;  // activations [rows, heads, R]: weights
    uint budget;  // R
};

#ifdef __cplusplus
} // namespace gramian::gpu
#endif
