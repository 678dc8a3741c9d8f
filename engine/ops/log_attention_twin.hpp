// The equations of `log_attention` in plain loops, for one head. A state holds Z as D exponents and D sums, and S row
// by row: E exponents and E sums, or where signed E sums relative to the exponents of Z.
#pragma once

#include "ops/log_sum_twin.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace gramian::twin {

struct LogAttentionSize {
    uint32_t width = 0;   // D
    uint32_t columns = 0; // E
    bool is_signed = false;

    [[nodiscard]] size_t row() const { return size_t{columns} * (is_signed ? 1 : 2); }
};

/// S_ij += e^(k_i + log v_j), or e^k_i v_j where signed; Z_i += e^k_i.  v: [E], logarithms unless signed.
template <class Real>
void log_attention_write(const LogAttentionSize& size, const Real* k, const Real* v, Real* s, Real* z)
{
    for (uint32_t i = 0; i < size.width; ++i) {
        LogSum<Real> sum{z[i], z[size.width + i]};
        const LogSum<Real> before = sum;
        sum.add(k[i]);
        Real* row = s + i * size.row();
        const Real fade = before.sum > 0 ? std::exp(before.exponent - sum.exponent) : Real(0);
        const Real gain = std::exp(k[i] - sum.exponent);
        for (uint32_t j = 0; j < size.columns; ++j) {
            if (size.is_signed) {
                row[j] = fade * row[j] + gain * v[j];
                continue;
            }
            LogSum<Real> entry{row[j], row[size.columns + j]};
            entry.add(k[i] + v[j]);
            row[j] = entry.exponent;
            row[size.columns + j] = entry.sum;
        }
        z[i] = sum.exponent;
        z[size.width + i] = sum.sum;
    }
}

/// log y_j = log sum_i e^q_i S_ij - log sum_i e^q_i Z_i, or y_j itself where signed.
template <class Real>
void log_attention_read(const LogAttentionSize& size, const Real* q, const Real* s, const Real* z, Real* y)
{
    LogSum<Real> total;
    for (uint32_t i = 0; i < size.width; ++i) total.add(q[i] + z[i], z[size.width + i]);
    for (uint32_t j = 0; j < size.columns; ++j) {
        LogSum<Real> read;
        Real sum = 0;
        for (uint32_t i = 0; i < size.width; ++i) {
            const Real* row = s + i * size.row();
            if (!size.is_signed)
                read.add(q[i] + row[j], row[size.columns + j]);
            else if (z[size.width + i] > 0)
                sum += std::exp(q[i] + z[i] - total.exponent) * row[j];
        }
        if (size.is_signed)
            y[j] = total.sum > 0 ? sum / total.sum : Real(0);
        else
            y[j] = read.sum > 0 ? read.exponent - total.exponent + std::log(read.sum / total.sum) : read.log();
    }
}

} // namespace gramian::twin
