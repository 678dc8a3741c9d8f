// Parameters of softmax_attention.comp.
#ifdef __cplusplus
#pragma once
#include <cstdint>
namespace gramian::gpu {
using uint = uint32_t;
#endif

struct SoftmaxAttentionParameters {
    uint q;         // [slots, queries, heads, width]
    uint k;         // [streams, keys, heads, width]
    uint v;         // [streams, keys, heads, columns]
    uint o;         // [slots, queries, heads, columns]
    uint total;     // state words [streams]: keys held by the stream, or none: all
    uint streams;   // io words [slots]: stream of a slot, or none
    uint first_row;
    uint queries;   // tokens of a slot
    uint keys;      // held at most
    uint heads;
    uint width;
    uint columns;
    float scale;
    uint is_causal;
    uint window;    // 0: all keys
};

#ifdef __cplusplus
} // namespace gramian::gpu
#endif
