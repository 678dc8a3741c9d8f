// The equation of `log_linear_attention` in plain loops, and its form with one state a level, for one head.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace gramian::twin {

struct LogLinearSize {
    uint32_t levels = 0;  // L
    uint32_t width = 0;   // D
    uint32_t columns = 0; // E
};

/// How far back token s lies from token t: 0 for t itself, else the bit length of t xor s, at most levels - 1.
inline uint32_t level_of(uint64_t t, uint64_t s, uint32_t levels)
{
    return std::min(static_cast<uint32_t>(std::bit_width(t ^ s)), levels - 1);
}

/// o_t = scale sum_s scales[level(t, s)] e^(g_{s+1} + … + g_t) (q . k_s) v_s.  key, value: the pointers of token s;
/// log_decay: g of token s; q, scales: of token t; o: [E].
template <class Real, class Key, class Value, class Decay>
void log_linear_attention(const LogLinearSize& size, uint32_t t, const Real* q, const Real* scales, Key key,
                          Value value, Decay log_decay, Real scale, Real* o)
{
    std::fill_n(o, size.columns, Real(0));
    Real decayed = 0;
    for (uint32_t s = t + 1; s-- > 0;) {
        Real dot = 0;
        for (uint32_t i = 0; i < size.width; ++i) dot += q[i] * key(s)[i];
        const Real weight = scale * scales[level_of(t, s, size.levels)] * std::exp(decayed) * dot;
        for (uint32_t j = 0; j < size.columns; ++j) o[j] += weight * value(s)[j];
        decayed += log_decay(s);
    }
}

/// One token at position t of its stream. state: [L, D, E], of which level l is used when it holds tokens.
template <class Real>
void log_linear_step(const LogLinearSize& size, uint64_t t, const Real* q, const Real* k, const Real* v,
                     const Real* scales, Real log_decay, Real scale, Real* state, Real* o)
{
    const uint32_t last = size.levels - 1;
    const size_t stride = size_t{size.width} * size.columns;
    const auto is_filled = [&](uint32_t level, uint64_t at) {
        if (level == 0) return true;
        return level == last ? at >> (level - 1) != 0 : (at >> (level - 1) & 1) != 0;
    };
    const Real decay = std::exp(log_decay);
    // The level into which those below it merge: they have become one block.
    const uint32_t merging = t == 0 ? 0 : std::min(static_cast<uint32_t>(std::countr_zero(t)) + 1, last);
    std::fill_n(o, size.columns, Real(0));
    for (uint32_t i = 0; i < size.width; ++i) {
        for (uint32_t j = 0; j < size.columns; ++j) {
            Real* s = state + size_t{i} * size.columns + j;
            Real merged = t > 0 && merging == last && is_filled(last, t - 1) ? s[last * stride] : Real(0);
            for (uint32_t level = 0; level < merging; ++level) merged += s[level * stride];
            if (t > 0) s[merging * stride] = decay * merged;
            for (uint32_t level = merging + 1; level <= last && t > 0; ++level) {
                if (is_filled(level, t)) s[level * stride] *= decay;
            }
            s[0] = (last == 0 && t > 0 ? s[0] : Real(0)) + k[i] * v[j];
            Real read = 0;
            for (uint32_t level = 0; level <= last; ++level) {
                if (is_filled(level, t)) read += scales[level] * s[level * stride];
            }
            o[j] += scale * q[i] * read;
        }
    }
}

} // namespace gramian::twin
