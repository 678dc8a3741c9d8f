// Linear attention (Katharopoulos et al. 2020, arXiv:2006.16236) over what a stream was shown: the state is
// S = sum f(k) v^T and, normalised, z = sum f(k); a query reads scale S^T f(q).
#pragma once

#include "ops/operator.hpp"

namespace gramian {

/// q, k: [B,T,H,D], v: [B,T,H,E], [decay, beta [B,T,H]] -> o: [B,T,H,E].
Operator linear_attention_operator();

} // namespace gramian
