// Reading a matrix state with queries: what a solved least-squares head and linear attention answer.
#pragma once

#include "ops/activation.hpp"
#include "ops/recorder.hpp"

namespace gramian {

struct StateRead {
    Tensor q;                  // [slots, T, H, D]
    Tensor s;                  // [streams, H, D, E]
    const Tensor* z = nullptr; // [streams, H, D], in the arena of s: divide by scale z . f(q) + epsilon
    Tensor y;                  // [slots, T, H, E]
    Feature feature = Feature::identity;
    float scale = 1;
    float epsilon = 0;
    float denominator_min = 0; // the denominator is kept at least this far from 0, with its sign
    SlotMap map;
};

/// y = scale S^T f(q), divided by the denominator if z is given (Katharopoulos et al. 2020, eq. 9).
/// Throws invalid_argument when the shapes disagree.
void state_read(Recorder& recorder, const StateRead& read);

/// Columns of a matrix that a workgroup of 64 owns: the smallest power of two that holds them, at most 64.
uint32_t columns_per_group(uint32_t columns);

} // namespace gramian
