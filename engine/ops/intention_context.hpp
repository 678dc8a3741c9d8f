// Intention over a context: all pairs are summed up, solved, and then read by any number of queries.
#pragma once

#include "ops/intention_causal.hpp"
#include "ops/operator.hpp"

namespace gramian {

/// G = K^T K and S = K^T V, weighted: [streams, H, D, D] and [streams, H, D, E].
struct IntentionSums {
    Tensor g;
    Tensor s;
    const Tensor* initial_g = nullptr; // what was there before, may be g; null: zeros
    const Tensor* initial_s = nullptr;
};

/// Adds the pairs k and v of `in`, with its decay and beta.
void accumulate_sums(Recorder& recorder, const IntentionSettings& settings, const Tensors& in,
                     const IntentionSums& sums, const SlotMap& map);

/// w = (G + diag(ridge) + alpha I)^-1 S by `ridge_solve`.  w: like S; report: [slots, H, 8].
void settle_sums(Recorder& recorder, const IntentionSettings& settings, const Tensors& in, const IntentionSums& sums,
                 const Tensor& w, const Tensor& report, const SlotMap& map);

/// y = w^T q.
void read_solution(Recorder& recorder, const Tensor& q, const Tensor& w, const Tensor& y, const SlotMap& map);

/// Room for what qr and rls carry during one call.  s: the shape of S.
SolverState make_kept(Recorder& recorder, const IntentionSettings& settings, const Shape& s);

/// The whole operator with all its outputs, each as `intention` names it; every solver.
void context_intention(Recorder& recorder, const IntentionSettings& settings, const Tensors& in, const Tensors& out);

} // namespace gramian
