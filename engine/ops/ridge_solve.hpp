// Small regularised least squares: many problems, each by Cholesky, with the pivot rule and the retries of every solve.
#pragma once

#include "ops/solve_report.hpp"

#include <functional>

namespace gramian {

inline constexpr uint32_t kMaxWholeUnknowns = 128; // solved in one launch; above it in panels
inline constexpr uint32_t kMaxSolveColumns = 256;

struct RidgeSolve {
    Tensor a;                      // [streams, H, P, P], symmetric
    Tensor rhs;                    // [streams, H, P, K]
    const Tensor* ridge = nullptr; // [H, P], added to the diagonal
    Tensor x;                      // [streams, H, P, K]
    Tensor report;                 // [slots, H, 8]
    double alpha = 1e-4;
    bool is_relative = true; // alpha is a multiple of trace(a) / P
    SlotMap map;
};

/// x = (a + diag(ridge) + alpha I)^-1 rhs.  P up to 1,024, K up to 256.
/// A pivot fails if it is not finite or <= 4 * 2^-24 of its diagonal entry (ridge included); then alpha becomes
/// max(10 alpha, 1e-6 trace/P), at most six times. trace = 0 gives x = 0 and status no_data; a matrix that no retry
/// mends gives x = 0 and status failed. The report of a slot holds the smallest pivot, the alpha that was used, the
/// retries, and |rhs - (a + ridge + alpha I) x| / |rhs|. Throws invalid_argument or unsupported by the shapes.
/// Garnelo & Czarnecki 2023 is where it is used; the factorisation is textbook Cholesky.
void ridge_solve(Recorder& recorder, const RidgeSolve& solve);

/// The same in panels of 32 columns, whatever P. `refine` times the solution is corrected by what the factor makes of
/// the residual, which `residual_of` records: rhs - (a + …) x as exactly as the caller knows it. Null: from a and rhs.
using ResidualOf = std::function<void(Recorder&, const Tensor& residual)>;
void ridge_solve_in_panels(Recorder& recorder, const RidgeSolve& solve, uint32_t refine = 0,
                           const ResidualOf& residual_of = nullptr);

/// Least squares on the rows themselves: |k x - v|^2 + x^T (diag(ridge) + alpha I) x by the QR decomposition of
/// [k; sqrt(alpha + ridge) I], never by k^T k, which loses half the digits.
struct RidgeRows {
    Tensor k;                      // [slots, N, H, P]
    Tensor v;                      // [slots, N, H, K]
    const Tensor* ridge = nullptr; // [H, P]
    Tensor x;                      // activations [slots, H, P, K]
    Tensor report;                 // [slots, H, 8]
    Regularization regularization; // relative to trace(k^T k) / P
};

/// residual = k^T (v - k x) - (alpha + ridge) x, from the rows, with the alpha of the report.
void data_residual(Recorder& recorder, const RidgeRows& solve, const Tensor& residual);

/// Retries and report as `ridge_solve`; min_pivot is the smallest squared diagonal entry of the factor. An entry fails
/// if it is not finite or <= 4 * 2^-24 of its column's length.  P up to 1,024, K up to 256, N up to 64,000.
void ridge_qr(Recorder& recorder, const RidgeRows& solve);

/// By recursive least squares, row after row (Plackett 1950): alpha must be absolute and not 0, for it stands in the
/// inverse that the rows begin with.  P up to 128. min_pivot is 1 / the largest diagonal entry of the inverse.
void ridge_rls(Recorder& recorder, const RidgeRows& solve);

/// Whether `ridge_solve` gives a problem to one lane, which software drivers do best, and not to a workgroup: on this
/// device at all, and for P unknowns and K right-hand sides. Never by the number of problems: bits must not depend on
/// it.
bool runs_problems_by_lane(const Caps& caps);
bool solves_by_lane(const Caps& caps, uint32_t unknowns, uint32_t columns);

/// Whether some P and K are solved by a workgroup whose factor lies in shared memory.
bool solves_in_shared_memory(const Caps& caps);

/// The largest P whose factor, with K right-hand sides, fits the device's shared memory.
uint32_t max_shared_unknowns(const Caps& caps, uint32_t columns);

} // namespace gramian
