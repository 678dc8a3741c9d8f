// Keeping tokens: rows put behind those that a stream already holds.
#pragma once

#include "ops/recorder.hpp"

namespace gramian {

struct Append {
    Tensor x;                      // [slots, T, C]
    Tensor z;                      // [streams, capacity, C], state
    const Tensor* total = nullptr; // state words [streams]: set to the rows held afterwards
    SlotMap map;                   // with streams, counts and positions
};

/// z[stream][position + t] = x[slot][t] for the tokens of each slot. Rows past the capacity are dropped: the caller
/// refuses them by name. Throws invalid_argument when the shapes disagree.
void append(Recorder& recorder, const Append& rows);

} // namespace gramian
