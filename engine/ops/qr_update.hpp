// Rows added to a triangular factor: square-root least squares.
#pragma once

#include "ops/solve_report.hpp"

namespace gramian {

struct QrUpdate {
    const Tensor* a = nullptr;      // [slots, H, P, P]: the factor before; null: sqrt(alpha + ridge) I of the report
    const Tensor* rhs = nullptr;    // [slots, H, P, K]: z before; null: zeros
    const Tensor* ridge = nullptr;  // [H, P], used where a is null
    Tensor x;                       // [slots, R, H, P]: the rows
    const Tensor* y = nullptr;      // [slots, R, H, K]; null: K = 0 and there is no z
    Tensor r;                       // activations [slots, H, P, P], another place than a
    const Tensor* z = nullptr;      // activations [slots, H, P, K]
    const Tensor* report = nullptr; // [slots, H, 8]: problems that are settled are left alone; null: all are updated
    Triangle triangle = Triangle::upper; // lower: a and r are stored transposed
    float forget = 1;
};

/// r^T r = forget a^T a + x^T x and r^T z = forget a^T rhs + x^T y, the diagonal of r not negative, by Householder
/// reflections of the rows themselves: r is as exact as they are, where a factor of x^T x loses half the digits
/// (Golub & Van Loan, Matrix Computations, 5.2 and 6.5). Zeros in the other triangle. P up to 1,024, K up to 256.
void qr_update(Recorder& recorder, const QrUpdate& update);

} // namespace gramian
