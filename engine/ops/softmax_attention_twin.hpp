// The equation of `softmax_attention` in plain loops.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

namespace gramian::twin {

/// Whether query t sees key s.
inline bool is_visible(uint32_t t, uint32_t s, bool is_causal, uint32_t window)
{
    if (is_causal && s > t) return false;
    return window == 0 || (s + window > t && t + window > s);
}

/// One query and head.  q: [D]; k(s): [D]; v(s): [E]; o: [E].
template <class Real, class Key, class Value>
void softmax_attention(uint32_t t, const Real* q, Key k, Value v, Real* o, uint32_t keys, uint32_t width,
                       uint32_t columns, Real scale, bool is_causal, uint32_t window)
{
    std::vector<Real> scores(keys, -std::numeric_limits<Real>::infinity());
    Real largest = -std::numeric_limits<Real>::infinity();
    for (uint32_t s = 0; s < keys; ++s) {
        if (!is_visible(t, s, is_causal, window)) continue;
        Real sum = 0;
        for (uint32_t i = 0; i < width; ++i) sum += q[i] * k(s)[i];
        scores[s] = scale * sum;
        largest = std::max(largest, scores[s]);
    }
    std::fill(o, o + columns, Real(0));
    if (!std::isfinite(largest)) return;
    // Blocks of 64 are summed by themselves: one long chain of floats would lose digits over a long context.
    Real total = 0;
    std::vector<Real> block(columns);
    for (uint32_t first = 0; first < keys; first += 64) {
        Real block_total = 0;
        std::fill(block.begin(), block.end(), Real(0));
        for (uint32_t s = first; s < std::min(keys, first + 64); ++s) {
            const Real weight = std::exp(scores[s] - largest);
            block_total += weight;
            for (uint32_t j = 0; j < columns && weight > 0; ++j) block[j] += weight * v(s)[j];
        }
        total += block_total;
        for (uint32_t j = 0; j < columns; ++j) o[j] += block[j];
    }
    for (uint32_t j = 0; j < columns; ++j) o[j] /= total;
}

} // namespace gramian::twin
