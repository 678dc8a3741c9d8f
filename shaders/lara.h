// Parameters of lara.comp.
#ifdef __cplusplus
#pragma once
#include <cstdint>
namespace gramian::gpu {
using uint = uint32_t;
#endif

struct LaraParameters {
    uint q;         // [slots, tokens, heads, width]
    uint o;         // likewise
    uint mean_q;    // activations [slots, landmarks, heads, width]
    uint mu;        // likewise
    uint values;    // likewise: sum of softmax(prm(k; mu)) v
    uint key_sums;  // activations [slots, landmarks, heads, 2]: largest score and sum, of prm(k; mu) over the tokens
    uint mean_sums; // likewise, of scale mean_q . q over the tokens
    uint mu_sums;   // likewise, of prm(mu'; mu) over the landmarks
    uint first_row;
    uint tokens;
    uint heads;
    uint width;
    uint landmarks;
    float scale;
    float alpha;
};

#ifdef __cplusplus
} // namespace gramian::gpu
#endif
