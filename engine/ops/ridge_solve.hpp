// Small regularised least squares: many problems, each by Cholesky, with the pivot rule and the retries of every solve.
#pragma once

#include "ops/recorder.hpp"

namespace gramian {

/// The numbers are those of shaders/ridge_solve.comp.
enum class SolveStatus : uint32_t { solved = 0, no_data = 1, failed = 2 };

inline constexpr uint32_t kMaxSolveRetries = 6;
inline constexpr uint32_t kMaxSolveUnknowns = 128;
inline constexpr uint32_t kMaxSolveColumns = 256;
inline constexpr uint32_t kSolveReportWords = 8; // min_pivot, alpha, retries, residual, status, 3 unused: all floats

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

/// x = (a + diag(ridge) + alpha I)^-1 rhs.  P up to 128, K up to 256.
/// A pivot fails if it is not finite or <= 4 * 2^-24 of its diagonal entry (ridge included); then alpha becomes
/// max(10 alpha, 1e-6 trace/P), at most six times. trace = 0 gives x = 0 and status no_data; a matrix that no retry
/// mends gives x = 0 and status failed. The report of a slot holds the smallest pivot, the alpha that was used, the
/// retries, and |rhs - (a + ridge + alpha I) x| / |rhs|. Throws invalid_argument or unsupported by the shapes.
/// Garnelo & Czarnecki 2023 is where it is used; the factorisation is textbook Cholesky.
void ridge_solve(Recorder& recorder, const RidgeSolve& solve);

/// The largest P whose factor, with K right-hand sides, fits the device's shared memory.
uint32_t max_shared_unknowns(const Caps& caps, uint32_t columns);

} // namespace gramian
