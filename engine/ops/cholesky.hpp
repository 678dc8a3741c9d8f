// The Cholesky factor of matrices of any size, in panels of 32 columns.
#pragma once

#include "ops/solve_report.hpp"

namespace gramian {

struct Cholesky {
    Tensor a;                      // [streams, H, P, P], symmetric; the lower triangle is read
    const Tensor* ridge = nullptr; // [H, P], added to the diagonal
    Tensor l;                      // activations [slots, H, P, P], another place than a
    Tensor report;                 // [slots, H, 8], opened by begin_solve
    bool is_upper = false;         // l is the transpose of the lower factor
    SlotMap map;
};

/// l l^T = a + diag(ridge) + alpha I with the alpha of the report; zeros in the other triangle. A pivot fails if it is
/// not finite or <= 4 * 2^-24 of its diagonal entry; the status becomes solved where none does. Problems that are
/// settled already are left alone. P up to 1,024.
void cholesky(Recorder& recorder, const Cholesky& factor);

/// As `cholesky`, and where it fails again with a larger alpha: at most six times, without coming back to the host.
void cholesky_with_retries(Recorder& recorder, const Cholesky& factor);

} // namespace gramian
