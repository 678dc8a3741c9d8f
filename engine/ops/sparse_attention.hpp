// Softmax attention that answers with at most R of the pairs that a query sees, chosen by `value_aware_sparse`.
#pragma once

#include "ops/softmax_attention.hpp"
#include "ops/value_aware.hpp"

namespace gramian {

/// o = sum of at most `budget` weights times values, for every query and head of the attention: p = softmax over the
/// keys that it sees, then value_aware_sparse. Gupta & Berant 2021 (arXiv:2103.09857). Keys that a query does not see
/// are never chosen, and its bits do not depend on how the sequence is cut. Throws as softmax_attention and
/// value_aware_sparse do.
void sparse_attention(Recorder& recorder, const SoftmaxAttention& attention, uint32_t budget, SparseMethod method);

} // namespace gramian
