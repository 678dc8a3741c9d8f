// Choices among C: probabilities, the most probable, or a draw.
#pragma once

#include "ops/recorder.hpp"

namespace gramian {

/// The numbers are those of shaders/categorical.comp.
enum class Choice : uint32_t { softmax, argmax, sample };

struct Categorical {
    Choice choice = Choice::softmax;
    Tensor x;                    // [slots, T, C]
    Tensor y;                    // [slots, T, C] for softmax, otherwise [slots, T, 1]: an index
    const Tensor* key = nullptr; // [slots, T, 1]: sample; draws differ between keys
    uint64_t seed = 0;
    SlotMap map;
};

/// softmax: y = e^x / sum e^x. argmax: the index of the largest x, of equals the first. sample: index i with
/// probability max(x_i, 0) / sum_j max(x_j, 0), by a number in [0, 1) that depends on the seed, the key and the token's
/// place in its stream alone; all 0: index 0. C up to 65,536. Throws invalid_argument when the shapes disagree.
void categorical(Recorder& recorder, const Categorical& choice);

} // namespace gramian
