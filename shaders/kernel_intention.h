// Parameters of kernel_intention.comp. N keys, M queries, H heads, D key width, E value width.
#ifdef __cplusplus
#pragma once
#include <cstdint>
namespace gramian::gpu {
using uint = uint32_t;
#endif

struct KernelIntentionParameters {
    uint q;         // [B, M, H, D]
    uint k;         // [B, N, H, D]
    uint v;         // [B, N, H, E]
    uint y;         // [B, M, H, E]
    uint report;    // [B, M, H, 8]
    uint workspace; // activations: a system for each workgroup, [N, N + queries] and 4 words
    uint keys;      // N
    uint queries;   // M
    uint together;  // queries that share a system; causal: 1
    uint first;     // system of the first workgroup: its queries begin at first * together
    uint step;      // first column to eliminate
    uint steps;     // columns to eliminate
    uint heads;
    uint width;     // D
    uint columns;   // E
    float scale;
    float alpha;    // absolute, or a multiple of the mean diagonal of softmax(scale K K^T)
};

#ifdef __cplusplus
} // namespace gramian::gpu
#endif
