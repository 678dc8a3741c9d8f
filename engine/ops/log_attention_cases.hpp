// Cases of `log_attention` that the benchmarks share.
#pragma once

#include "ops/cases.hpp"

namespace gramian {

struct LogAttentionSize {
    uint32_t batch = 1;
    uint32_t tokens = 1;
    uint32_t heads = 1;
    uint32_t width = 1;   // D
    uint32_t columns = 1; // E
    bool is_signed = false;
};

/// Causal, from an empty state; its reference is the equation in float64. Answers alone are expected.
Case log_attention_case(const LogAttentionSize& size);

} // namespace gramian
