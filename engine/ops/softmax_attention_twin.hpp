// The equation of `softmax_attention` in plain loops.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

namespace gramian::twin {

/// Keys begin .. end - 1.
struct KeyRange {
    uint32_t begin;
    uint32_t end;
};

/// The keys that query t sees, of `keys`.
inline KeyRange visible_keys(uint32_t t, uint32_t keys, bool is_causal, uint32_t window)
{
    KeyRange range{window > 0 ? t + 1 - std::min(t + 1, window) : 0, keys};
    if (is_causal) range.end = std::min(range.end, t + 1);
    if (window > 0) range.end = std::min(range.end, t + window);
    return range;
}

/// One query and head.  q: [D]; k(s): [D]; v(s): [E]; o: [E].
template <class Real, class Key, class Value>
void softmax_attention(KeyRange range, const Real* q, Key k, Value v, Real* o, uint32_t width, uint32_t columns,
                       Real scale)
{
    std::fill(o, o + columns, Real(0));
    if (range.begin >= range.end) return;
    std::vector<Real> scores(range.end - range.begin);
    Real largest = -std::numeric_limits<Real>::infinity();
    for (uint32_t s = range.begin; s < range.end; ++s) {
        Real sum = 0;
        for (uint32_t i = 0; i < width; ++i) sum += q[i] * k(s)[i];
        scores[s - range.begin] = scale * sum;
        largest = std::max(largest, scale * sum);
    }
    if (!std::isfinite(largest)) return;
    // Blocks of 64 are summed by themselves: one long chain of floats would lose digits over a long context. They begin
    // at multiples of 64, so that the sums depend on the keys alone.
    Real total = 0;
    std::vector<Real> block(columns);
    for (uint32_t first = range.begin; first < range.end; first = (first / 64 + 1) * 64) {
        Real block_total = 0;
        std::fill(block.begin(), block.end(), Real(0));
        for (uint32_t s = first; s < std::min(range.end, (first / 64 + 1) * 64); ++s) {
            const Real weight = std::exp(scores[s - range.begin] - largest);
            block_total += weight;
            for (uint32_t j = 0; j < columns && weight > 0; ++j) block[j] += weight * v(s)[j];
        }
        total += block_total;
        for (uint32_t j = 0; j < columns; ++j) o[j] += block[j];
    }
    for (uint32_t j = 0; j < columns; ++j) o[j] /= total;
}

} // namespace gramian::twin
