// Least-squares attention ("Intention", Garnelo & Czarnecki 2023, arXiv:2305.10203): what is observed is summed into
// G = K^T K and S = K^T V, a ridge solve turns them into W = (G + ridge + alpha I)^-1 S, and a query reads W^T q.
#pragma once

#include "ops/operator.hpp"

namespace gramian {

/// k: [B,N,H,D], v: [B,N,H,E], q: [B,M,H,D], [decay], [beta] [B,N,H], [ridge [H,D]], [state_g, state_s]
/// -> y: [B,M,H,E], state_g: [B,H,D,D], state_s: [B,H,D,E], report: [B,H,8]. D up to 128, E up to 256.
Operator intention_operator();

} // namespace gramian
