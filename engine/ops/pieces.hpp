// The pieces of a sequence that the attribute `chunks` cuts, and the states after each of them.
#pragma once

#include "ops/operator.hpp"

namespace gramian {

/// Lengths of the pieces: `chunks`, or all tokens at once. Throws (with the attributes' status) when they do not sum to
/// `tokens`.
std::vector<uint32_t> pieces_of(const Attributes& attributes, uint32_t tokens);

/// Piece `index` of a tensor whose first extent counts pieces.
Tensor piece_of(const Tensor& all, uint32_t index);

} // namespace gramian
