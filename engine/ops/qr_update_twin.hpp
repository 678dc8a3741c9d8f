// `qr_update` in plain loops: every element of every new row is rotated into the factor by itself (Givens).
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>

namespace gramian::twin {

/// Rotates the row [x, y] into [r, z]; x and y are used up.  `entry(i, j)` is an element of r, [n, n] upper.
template <class Real, class Entry>
void rotate_row(Entry&& entry, Real* z, Real* x, Real* y, uint32_t n, uint32_t columns)
{
    for (uint32_t j = 0; j < n; ++j) {
        const Real length = std::hypot(entry(j, j), x[j]);
        if (length == 0) continue;
        const Real cosine = entry(j, j) / length;
        const Real sine = x[j] / length;
        const auto rotate = [&](Real& top, Real& element) {
            const Real kept = top;
            top = cosine * kept + sine * element;
            element = cosine * element - sine * kept;
        };
        for (uint32_t c = j; c < n; ++c) rotate(entry(j, c), x[c]);
        for (uint32_t c = 0; c < columns; ++c) rotate(z[size_t{j} * columns + c], y[c]);
    }
}

} // namespace gramian::twin
