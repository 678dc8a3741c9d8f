// Operators that work on the vector of each token by itself: linear layers, activations, gates, norms, shapes.
#pragma once

#include "ops/operator.hpp"

namespace gramian {

/// x: [rows, C] -> y: [rows, C'] each.
std::vector<Operator> row_operators();

} // namespace gramian
