// Parameters of softmax_attention.comp.
#ifdef __cplusplus
#pragma once
#include <cstdint>
namespace gramian::gpu {
using uint = uint32_t;
#endif

struct SoftmaxAttentionParameters {
    uint q;         // [slots, tokens, heads, width]
    uint k;         // [streams, keys, heads, width]; with a ring: the new pairs, like q
    uint v;         // [streams, keys, heads, columns]
    uint o;         // [slots, tokens, heads, columns]
    uint total;     // state words: keys held by each stream [streams], or none: all; with a ring: [streams, 2]
    uint streams;   // io words [slots]: stream of a slot, or none
    uint first_row;
    uint queries;   // of a slot in this launch
    uint keys;      // held at most
    uint heads;
    uint width;
    uint columns;
    float scale;
    uint is_causal;
    uint window;    // 0: all keys
    uint ring_k;    // [streams, keys, heads, width]: older pairs; pair n lies in row n % keys
    uint ring_v;    // [streams, keys, heads, columns]
    uint position;  // of token `first`, where no total says it
    uint tokens;    // of a slot, in q
    uint first;     // token of a slot
};

#ifdef __cplusplus
} // namespace gramian::gpu
#endif
