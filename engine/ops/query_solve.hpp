// Least squares asked one query at a time: what a causal head answers after each token, and the variance of an answer.
#pragma once

#include "ops/ridge_solve.hpp"

namespace gramian {

enum class QuerySolver : uint32_t { cholesky, gradients, compatible, compatible_from_zero };

struct QuerySolve {
    Tensor g;                         // [problems, H, D, D], symmetric
    const Tensor* s = nullptr;        // [problems, H, D, E], in the arena of g
    Tensor q;                         // [slots, T, H, D]
    const Tensor* ridge = nullptr;    // [H, D], added to the diagonal
    const Tensor* y = nullptr;        // [slots, T, H, E], with s
    const Tensor* x = nullptr;        // activations [slots, T, H, D]
    const Tensor* variance = nullptr; // [slots, T, H], in the arena of y where both are given
    const Tensor* report = nullptr;   // [slots, T, H, 8]
    const Tensor* scratch = nullptr;  // activations, query_solve_scratch_bytes a row and head; null: takes its own
    double alpha = 1e-4;
    bool is_relative = true; // alpha is a multiple of trace(G) / D
    QuerySolver solver = QuerySolver::cholesky;
    uint32_t iterations = 30;
    bool is_per_token = false; // problems are [slots * count] rather than streams: every token has a G of its own
    uint32_t first = 0;        // tokens first .. first + count - 1 of the T
    uint32_t count = 0;
    SlotMap map;
};

/// x = (G + diag(ridge) + alpha I)^-1 q for every query, y = S^T x, variance = q . x.  D up to 256 by Cholesky.
/// Cholesky has the pivot rule, the retries and the report of `ridge_solve`; conjugate gradients report as min_pivot
/// the smallest curvature that they met. Nothing observed: x = 0, and the variance is that of the ridge alone, infinite
/// where there is none; the same for a system that could not be solved. compatible: the conjugate gradients of the
/// Mesa layer (von Oswald et al. 2025, arXiv:2506.05233) as published, its guards of 1e-5 included.
/// The bits of an answer depend on its own G, S and q alone.
/// Throws invalid_argument when the shapes disagree, unsupported for a D or a number of iterations that is too large.
void query_solve(Recorder& recorder, const QuerySolve& solve);

/// Bytes of scratch that `query_solve` takes for each query and head.
uint64_t query_solve_scratch_bytes(const Caps& caps, QuerySolver solver, uint32_t width);

/// The largest D whose factor fits the shared memory of the device.
uint32_t max_shared_query_width(const Caps& caps);

} // namespace gramian
