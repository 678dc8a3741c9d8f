// What a solve of several launches decides between them: the alpha to begin with, whether to try again with a larger
// one, whether a factor is good, and the residual. Everything stays in the report, so that no launch list has to be
// interrupted: an attempt whose problem is settled does nothing.
#pragma once

#include "ops/recorder.hpp"

namespace gramian {

/// The numbers are those of shaders/common/report.glsl.
enum class SolveStatus : uint32_t { solved = 0, no_data = 1, failed = 2 };

inline constexpr uint32_t kMaxSolveRetries = 6;
/// min_pivot, alpha, retries, residual, status, and what goes on between launches: all floats.
inline constexpr uint32_t kSolveReportWords = 8;
inline constexpr uint32_t kBrokenWord = 5;
inline constexpr uint32_t kMeanWord = 6;

/// The ridge of a solve. alpha is absolute, or a multiple of trace / P.
struct Regularization {
    double alpha = 1e-4;
    bool is_relative = true;
};

/// Opens the report of the problems a [streams, H, P, P]: alpha, and status no_data where the trace is 0.
/// report: [slots, H, 8].
void begin_solve(Recorder& recorder, const Tensor& a, const Regularization& ridge, const Tensor& report,
                 const SlotMap& map);
/// The same for the matrix K^T K of keys [slots, N, H, P], which nobody forms.
void begin_solve_from_keys(Recorder& recorder, const Tensor& k, const Regularization& ridge, const Tensor& report);
/// Where the last attempt has failed: alpha := max(10 alpha, 1e-6 trace / P).
void begin_again(Recorder& recorder, const Tensor& report, const SlotMap& map);

enum class Triangle : uint32_t { upper = 0, lower = 1 };

/// What a triangle or a matrix on whose diagonal a status depends is to the problem.
enum class Judged : uint32_t {
    triangle = 0, // of a system: an entry fails if it is 0
    factor = 1,   // made of keys: an entry fails if it is <= 4 * 2^-24 of its column's length
    inverse = 2,  // its diagonal entries are at most 1 / pivot
};
/// Settles the status by the diagonal of m [slots, H, P, P], of which no entry may be infinite or NaN.
void judge_diagonal(Recorder& recorder, const Tensor& m, Triangle triangle, Judged judged, const Tensor& report);
/// Settles the status by the states [slots, H, K, size] of iterations on single columns: their last word is 0.
void judge_columns(Recorder& recorder, const Tensor& states, const Tensor& report, const SlotMap& map);
/// Reports |residual| / |rhs|, both [.., H, P, K] (the residual by slot, rhs by stream; null: none), and clears
/// x [streams, H, …] where there is no solution.
void finish_solve(Recorder& recorder, const Tensor& x, const Tensor* residual, const Tensor* rhs, const Tensor& report,
                  const SlotMap& map);

} // namespace gramian
