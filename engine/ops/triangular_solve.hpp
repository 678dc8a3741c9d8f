// Triangular systems with many right-hand sides.
#pragma once

#include "ops/solve_report.hpp"

namespace gramian {

struct TriangularSolve {
    Tensor a;                            // activations [slots, H, P, P]: one triangle is read
    Triangle triangle = Triangle::lower; // which
    bool is_transposed = false;          // a^T x = rhs
    Tensor rhs;                          // [streams, H, P, K]
    Tensor x;                            // [streams, H, P, K], may be rhs
    Tensor report;                       // [slots, H, 8]: problems that are not solved are left alone
    SlotMap map;
};

/// a x = rhs or a^T x = rhs by substitution.  P up to 1,024. Throws invalid_argument or unsupported by the shapes.
void triangular_solve(Recorder& recorder, const TriangularSolve& solve);

} // namespace gramian
