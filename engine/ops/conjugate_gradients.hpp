// Ridge solves by conjugate gradients: for large P, and as Mesa layers were published.
#pragma once

#include "ops/solve_report.hpp"

namespace gramian {

struct ConjugateGradients {
    Tensor a;                      // [streams, H, P, P], symmetric
    Tensor rhs;                    // [streams, H, P, K]: each column is a system of its own
    const Tensor* ridge = nullptr; // [H, P], added to the diagonal
    Tensor x;                      // [streams, H, P, K], another place than rhs
    Tensor report;                 // [slots, H, 8]
    Regularization regularization;
    uint32_t iterations = 30;
    bool is_compat = false;     // as published, MesaNet (arXiv:2506.05233): 1e-5 added to the denominators, exactly
                                // `iterations` rounds, which biases the answer by some 1e-3
    bool starts_at_zero = true; // compat only; otherwise at rhs / diagonal
    SlotMap map;
};

/// x = (a + diag(ridge) + alpha I)^-1 rhs, at most `iterations` rounds: preconditioned by the diagonal, until the
/// preconditioned residual has fallen by 1e-7 (Hestenes & Stiefel 1952), or as published. The report's residual says
/// how far it came; there is no pivot (min_pivot 0) and no retry. trace = 0 gives x = 0 and status no_data; a direction
/// along which the matrix is not positive, or a number that is not finite, x = 0 and status failed. P up to 1,024.
void conjugate_gradients(Recorder& recorder, const ConjugateGradients& solve);

} // namespace gramian
