// Running sums of outer products: the statistics of least squares and the state of linear attention.
#pragma once

#include "ops/activation.hpp"
#include "ops/recorder.hpp"

namespace gramian {

struct OuterSum {
    Tensor x;                        // [slots, T, H, D]
    const Tensor* y = nullptr;       // [slots, T, H, E]; null: ones, E = 1, and z sums f(x)
    const Tensor* beta = nullptr;    // [slots, T, H], activations
    const Tensor* decay = nullptr;   // [slots, T, H], activations: log decay
    float forget = 1;                // factor a token
    const Tensor* initial = nullptr; // the sums so far, shaped like z and in its arena; may be z; null: zeros
    Tensor z;                        // [streams, H, D, E]
    const Tensor* history = nullptr; // activations [slots, count, H, D, E]: z after each token
    Feature feature = Feature::identity;
    SlotMap map;
    uint32_t first = 0;          // tokens first .. first + count - 1 of the T
    uint32_t count = UINT32_MAX; // or as many as there are
};

/// For every token in order: z = e^decay forget z + beta f(x) y^T.
/// Throws invalid_argument when the shapes disagree, unsupported for a history of more than 14,000 tokens.
void outer_sum(Recorder& recorder, const OuterSum& sum);

} // namespace gramian
