// What the files of causal `intention` cases share: the reference of every token.
#pragma once

#include "ops/cases.hpp"

namespace gramian {

struct CausalRow {
    const char* name;
    const char* attributes;
    uint32_t batch;
    uint32_t tokens;
    uint32_t heads;
    uint32_t width;
    uint32_t columns;
    uint32_t extras = 0; // what is given beside k, v and q
    bool is_quick = true;
};

/// What the reference gives, and the worst condition number that it met.
struct CausalReference {
    std::vector<double> y, variance, g, s, retries, status;
    double condition = 1;
};

/// The context form over each prefix of the problem's inputs: solves the reference's own way, token by token.
CausalReference causal_reference(const Problem& problem, const CausalRow& row);

} // namespace gramian
