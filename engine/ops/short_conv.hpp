// A short causal convolution along the tokens, each channel by itself: what recurrent layers put before their keys.
#pragma once

#include "ops/activation.hpp"
#include "ops/recorder.hpp"

namespace gramian {

struct ShortConv {
    Tensor x;                        // [B, T, C]
    Tensor weight;                   // weights [C, K]; the last tap meets the current token
    const Tensor* bias = nullptr;    // weights [C]
    Tensor y;                        // [B, T, C]
    const Tensor* state = nullptr;   // [streams, K - 1, C]: the last tokens afterwards, the oldest first
    const Tensor* initial = nullptr; // like state, may be state: the tokens before the first; null: zeros
    Activation activation = Activation::identity;
    SlotMap map; // B slots
};

/// y_t = f(bias + sum_j weight[j] x_{t-K+1+j}), channel by channel (Gu & Dao 2023, arXiv:2312.00752, section 3.4).
/// Throws invalid_argument when the shapes disagree.
void short_conv(Recorder& recorder, const ShortConv& conv);

} // namespace gramian
