// Whole streams as rows: what saving, restoring, copying, snapshots and merging are made of.
#pragma once

#include "ops/recorder.hpp"

namespace gramian {

/// The numbers are those of shaders/state_rows.comp.
enum class StateMove : uint32_t {
    pack,   // row = state
    unpack, // state = row
    add     // state += weight row
};

struct StateRows {
    Tensor state;            // [streams, …]
    Tensor rows;             // [any, row elements], io or state
    uint32_t row_offset = 0; // where this tensor lies in a row
    Tensor moves;            // io words [moves, 2]: stream and row
    Tensor weight;           // io [1]
};

/// Moves one tensor of the streams in `moves`. Words keep their bits, but for the sum of `add`, a fused step.
void state_rows(Recorder& recorder, StateMove move, const StateRows& rows);

} // namespace gramian
