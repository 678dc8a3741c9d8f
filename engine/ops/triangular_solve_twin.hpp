// `triangular_solve` in plain loops.
#pragma once

#include <cstddef>
#include <cstdint>

namespace gramian::twin {

/// op(a) x = rhs by substitution.  a: [n, n], one triangle; rhs, x: [n, columns], may be the same.
template <class Real>
void triangular_solve(const Real* a, bool is_lower, bool is_transposed, const Real* rhs, Real* x, uint32_t n,
                      uint32_t columns)
{
    const auto entry = [&](uint32_t i, uint32_t j) {
        return is_transposed ? a[size_t{j} * n + i] : a[size_t{i} * n + j];
    };
    const bool is_forward = is_lower != is_transposed;
    for (uint32_t c = 0; c < columns; ++c) {
        for (uint32_t step = 0; step < n; ++step) {
            const uint32_t i = is_forward ? step : n - 1 - step;
            Real sum = rhs[size_t{i} * columns + c];
            const uint32_t first = is_forward ? 0 : i + 1;
            const uint32_t end = is_forward ? i : n;
            for (uint32_t k = first; k < end; ++k) sum -= entry(i, k) * x[size_t{k} * columns + c];
            x[size_t{i} * columns + c] = sum / entry(i, i);
        }
    }
}

} // namespace gramian::twin
