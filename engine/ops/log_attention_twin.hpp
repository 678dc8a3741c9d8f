// The equations of `log_attention` in plain loops, for one head. A state holds Z as D exponents and D sums, and S row
// by row: E exponents and E sums, or where signed E sums relative to the exponents of Z.
#pragma once

#include "ops/scaled_sum_twin.hpp"

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
    using Sum = ScaledSum<Real>;
    std::vector<Sum> values(size.is_signed ? 0 : size.columns);
    for (uint32_t j = 0; j < values.size(); ++j) values[j] = Sum::exp(v[j]);
    for (uint32_t i = 0; i < size.width; ++i) {
        const Sum key = Sum::exp(k[i]);
        Sum sum = Sum::held(z[i], z[size.width + i]);
        const Real before = sum.exponent;
        if (size.is_signed)
            sum.add(key);
        else
            sum.gather(key);
        const Real fade = Sum::power_of_two(before - sum.exponent);
        const Real gain = key.sum * Sum::power_of_two(key.exponent - sum.exponent);
        Real* row = s + i * size.row();
        for (uint32_t j = 0; j < size.columns; ++j) {
            if (size.is_signed) {
                row[j] = fade * row[j] + gain * v[j];
                continue;
            }
            Sum entry = Sum::held(row[j], row[size.columns + j]);
            entry.gather({key.exponent + values[j].exponent, key.sum * values[j].sum});
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
    using Sum = ScaledSum<Real>;
    std::vector<Sum> queries(size.width);
    Sum total;
    for (uint32_t i = 0; i < size.width; ++i) {
        queries[i] = Sum::exp(q[i]);
        const Sum key = Sum::held(z[i], z[size.width + i]).whole();
        total.add({queries[i].exponent + key.exponent, queries[i].sum * key.sum});
    }
    std::vector<Sum> reads(size.columns); // signed: sums alone, relative to the total's exponent
    for (uint32_t i = 0; i < size.width; ++i) {
        const Real* row = s + i * size.row();
        const Sum key = Sum::held(z[i], z[size.width + i]).whole();
        const Real weight = queries[i].sum * Sum::power_of_two(queries[i].exponent + key.exponent - total.exponent);
        for (uint32_t j = 0; j < size.columns; ++j) {
            if (size.is_signed) {
                reads[j].sum += weight * row[j];
                continue;
            }
            const Sum entry = Sum::held(row[j], row[size.columns + j]).whole();
            reads[j].add({queries[i].exponent + entry.exponent, queries[i].sum * entry.sum});
        }
    }
    for (uint32_t j = 0; j < size.columns; ++j) {
        if (size.is_signed)
            y[j] = total.sum == 0 ? Real(0) : reads[j].sum / total.sum;
        else
            y[j] = reads[j].log_ratio(total);
    }
}

} // namespace gramian::twin
