// Cases of `linear_attention` that the benchmarks share.
#pragma once

#include "ops/cases.hpp"

namespace gramian {

struct RecurrenceSize {
    uint32_t batch = 1;
    uint32_t tokens = 1;
    uint32_t heads = 1;
    uint32_t width = 1;   // D
    uint32_t columns = 1; // E
    bool is_quick = true;
    uint32_t chunk = kNone; // tokens of a chunk, 0: token by token, kNone: as shape and device suggest
    bool is_harsh = false;  // every fifth token decays by e^-500, the others by little
};

/// A published layer ("gla", "delta_net", …) at any size, with a given state; its reference is the equation in float64.
Case linear_attention_case(std::string_view layer, const RecurrenceSize& size);

} // namespace gramian
