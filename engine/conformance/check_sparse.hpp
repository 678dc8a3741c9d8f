// What an answer of `value_aware_sparse` has to be in itself, whatever reference there is.
#pragma once

#include "ops/cases.hpp"

namespace gramian {

/// The distances |o - o~| of the answer's own keys and weights, in float64: [B]. Throws Error(internal), naming problem
/// and slot, unless weights are >= 0 and sum to 1 within 1e-6, at most the budget's keys are used, whole numbers in
/// ascending order below N, and unused slots come last with index -1 and weight 0.
std::vector<double> sparse_errors(const std::vector<NamedArray>& inputs, const std::vector<NamedArray>& outputs,
                                  uint32_t budget);

/// How the answer of a case fails: by `sparse_errors`, or because the error that it claims, or the one expected, is not
/// that of its keys and weights. Empty when it holds.
std::string check_sparse(const Case& test, const Problem& problem, const std::vector<NamedArray>& outputs);

} // namespace gramian
