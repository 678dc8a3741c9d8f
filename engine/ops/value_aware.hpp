// Attention with few keys, chosen with an eye on the values, and the least squares on the simplex behind it.
#pragma once

#include "ops/recorder.hpp"

namespace gramian {

enum class SparseMethod : uint32_t { oblivious, topk_refit, frank_wolfe, forward, exact };

/// Points that `simplex_solve` and the methods that solve again take at most.
inline constexpr uint32_t kMostPoints = 64;

/// w >= 0 with sum 1 that minimises |target - w^T v|, and that length.  v: [B, R, E]; target: [B, E]; weights: [B, R];
/// error: [B].  R up to 64, E up to 1,024, B up to 65,535.  Throws unsupported beyond.
void simplex_solve(Recorder& recorder, const Tensor& v, const Tensor& target, const Tensor& weights,
                   const Tensor& error);

struct ValueAwareSparse {
    const Tensor* logits = nullptr; // [B, N]: p is their softmax; or
    const Tensor* p = nullptr;      // [B, N]: weights that sum to 1, used as given
    Tensor v;                       // [B, N, E]
    uint32_t budget = 1;            // R
    SparseMethod method = SparseMethod::oblivious;
    Tensor indices; // [B, R]: keys in ascending order, -1 in unused slots
    Tensor weights; // [B, R]
    Tensor error;   // [B]: |o - o~|
};

/// At most R of the N keys and weights on the simplex whose answer o~ stands for o = p^T v.  Gupta & Berant 2021
/// (arXiv:2103.09857); oblivious: the largest p, scaled; topk_refit: the same keys, solved for; frank_wolfe and
/// forward: greedy, from the nearest v, key by key (the steepest one; the one that lowers the solved error most);
/// exact: by Caratheodory's theorem, needs R > E. The greedy ones are not optimal. Throws invalid_argument for shapes
/// that disagree, unsupported for E or R beyond what `simplex_solve` takes.
void value_aware_sparse(Recorder& recorder, const ValueAwareSparse& sparse);

} // namespace gramian
