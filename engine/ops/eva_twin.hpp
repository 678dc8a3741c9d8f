// The equations of `eva` in plain loops (Zheng et al. 2023, arXiv:2302.04542, as their code has them).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

namespace gramian::twin {

template <class Real>
Real dot(const Real* a, const Real* b, uint32_t width)
{
    Real sum = 0;
    for (uint32_t i = 0; i < width; ++i) sum += a[i] * b[i];
    return sum;
}

/// The logarithm of a positive random feature w of x: scale (w.x - |x|^2 / 2).
template <class Real>
Real prm(const Real* w, const Real* x, uint32_t width, Real scale)
{
    return scale * (dot(w, x, width) - dot(x, x, width) / 2);
}

/// y = W x + b.  weight(i, j): row i, column j.
template <class Real, class Weight>
void affine(const Real* x, Weight weight, const Real* bias, Real* y, uint32_t width)
{
    for (uint32_t i = 0; i < width; ++i) {
        y[i] = bias[i];
        for (uint32_t j = 0; j < width; ++j) y[i] += weight(i, j) * x[j];
    }
}

/// y = (y - mean) / sqrt(variance + 1e-5) weight + bias, biased variance.
template <class Real>
void normalize_chunk(const Real* weight, const Real* bias, Real* y, uint32_t width)
{
    Real mean = 0;
    for (uint32_t i = 0; i < width; ++i) mean += y[i] / static_cast<Real>(width);
    Real variance = 0;
    for (uint32_t i = 0; i < width; ++i) variance += (y[i] - mean) * (y[i] - mean) / static_cast<Real>(width);
    for (uint32_t i = 0; i < width; ++i) {
        y[i] = (y[i] - mean) / std::sqrt(variance + static_cast<Real>(1e-5)) * weight[i] + bias[i];
    }
}

/// o = sum of softmax(scores)_n value(n), 0 without scores. The largest score, and the sum of e^(score - largest).
template <class Real, class Value>
std::pair<Real, Real> softmax_mean(const std::vector<Real>& scores, Value value, Real* o, uint32_t width)
{
    Real largest = -std::numeric_limits<Real>::max();
    for (const Real score : scores) largest = std::max(largest, score);
    Real total = 0;
    std::fill(o, o + width, Real(0));
    for (size_t n = 0; n < scores.size(); ++n) {
        const Real weight = std::exp(scores[n] - largest);
        total += weight;
        for (uint32_t i = 0; i < width; ++i) o[i] += weight * value(n)[i];
    }
    for (uint32_t i = 0; i < width && total > 0; ++i) o[i] /= total;
    return {largest, total};
}

/// f of a chunk mean. Null: left out.
template <class Real>
struct EvaMap {
    const Real* weight = nullptr; // [D, D]
    const Real* bias = nullptr;
    const Real* norm_weight = nullptr;
    const Real* norm_bias = nullptr;

    void apply(const Real* x, Real* y, uint32_t width) const
    {
        affine(
            x, [&](uint32_t i, uint32_t j) { return weight[size_t{i} * width + j]; }, bias, y, width);
        if (norm_weight) normalize_chunk(norm_weight, norm_bias, y, width);
    }
};

/// Which tokens belong together. Places past the end of the sequence, up to whole windows, are padding.
struct EvaSets {
    uint32_t tokens = 0; // T
    uint32_t padded = 0; // filled up to whole windows
    uint32_t chunks = 0;
    uint32_t window = 1, window_overlap = 0;
    uint32_t chunk = 1, chunk_overlap = 0;
    uint32_t grid = 0; // tokens in a row of the grid; 0: a sequence. Windows and chunks are then squares
    bool is_causal = false;
    bool excludes_local = false;

    /// Whether place s is in the window of token t or in its overlap.
    [[nodiscard]] bool is_near(uint32_t t, uint32_t s) const
    {
        if (grid > 0) return t / grid / window == s / grid / window && t % grid / window == s % grid / window;
        const uint32_t begin = t / window * window;
        return s + window_overlap >= begin && s < begin + window + window_overlap && (!is_causal || s <= t);
    }
    /// Whether place s is one of the chunk's own; `overlap`: or that far away from one.
    [[nodiscard]] bool is_member(uint32_t c, int64_t s, uint32_t overlap) const
    {
        if (grid > 0) {
            const int64_t across = grid / chunk;
            return s >= 0 && s < tokens && s / grid / chunk == c / across && s % grid / chunk == c % across;
        }
        return s >= int64_t{c} * chunk - overlap && s < (int64_t{c} + 1) * chunk + overlap;
    }
    [[nodiscard]] bool is_visible(uint32_t t, uint32_t c) const
    {
        if (is_causal && c >= t / chunk) return false;
        for (uint32_t s = 0; excludes_local && s < padded; ++s) {
            if (is_member(c, s, 0) && is_near(t, s)) return false;
        }
        return true;
    }
};

/// The summary of a chunk: chunk_k = f_k(mean k) and chunk_v = sum of softmax(prm(k; mu)) v over its members.
template <class Real, class Row>
void eva_chunk(const EvaSets& sets, uint32_t c, const EvaMap<Real>* of_q, const EvaMap<Real>& of_k, Row q, Row k, Row v,
               Real* chunk_k, Real* chunk_v, uint32_t width, Real scale)
{
    std::vector<Real> mean_q(width), mean_k(width), mapped_q(width), mu(width), scores;
    std::vector<uint32_t> members;
    Real count = 0; // places outside of the sequence count as zeros
    const int64_t reach = sets.chunk_overlap;
    for (int64_t s = -reach; s < int64_t{sets.padded} + reach; ++s) {
        if (!sets.is_member(c, s, sets.chunk_overlap)) continue;
        count += 1;
        if (s < 0 || s >= sets.tokens) continue;
        members.push_back(static_cast<uint32_t>(s));
        for (uint32_t i = 0; i < width; ++i) mean_q[i] += q(members.back())[i];
        for (uint32_t i = 0; i < width; ++i) mean_k[i] += k(members.back())[i];
    }
    for (uint32_t i = 0; i < width; ++i) mean_q[i] /= count;
    for (uint32_t i = 0; i < width; ++i) mean_k[i] /= count;
    of_k.apply(mean_k.data(), chunk_k, width);
    if (of_q) {
        of_q->apply(mean_q.data(), mapped_q.data(), width);
        const Real factor = sets.is_causal ? Real(1) : Real(0.5); // so differ the two forms of the published code
        for (uint32_t i = 0; i < width; ++i) mu[i] = factor * (mapped_q[i] + chunk_k[i]);
    }
    for (const uint32_t s : members) scores.push_back(prm(mu.data(), k(s), width, scale));
    softmax_mean(
        scores, [&](size_t n) { return v(members[n]); }, chunk_v, width);
}

/// One head of a sequence.  q(t), k(t), v(t), o(t): [D]; bias(t, s): added to scale q.k. No of_q: mu = 0.
template <class Real, class Row, class Out, class Bias>
void eva(const EvaSets& sets, const EvaMap<Real>* of_q, const EvaMap<Real>& of_k, Row q, Row k, Row v, Bias bias, Out o,
         uint32_t width, Real scale)
{
    std::vector<Real> chunk_k(size_t{sets.chunks} * width), chunk_v(chunk_k);
    for (uint32_t c = 0; c < sets.chunks; ++c) {
        const size_t at = size_t{c} * width;
        eva_chunk(sets, c, of_q, of_k, q, k, v, &chunk_k[at], &chunk_v[at], width, scale);
    }
    for (uint32_t t = 0; t < sets.tokens; ++t) {
        std::vector<Real> scores;
        std::vector<const Real*> values;
        for (uint32_t s = 0; s < sets.tokens; ++s) {
            if (!sets.is_near(t, s)) continue;
            scores.push_back(scale * dot(q(t), k(s), width) + bias(t, s));
            values.push_back(v(s));
        }
        for (uint32_t c = 0; c < sets.chunks; ++c) {
            if (!sets.is_visible(t, c)) continue;
            scores.push_back(scale * dot(q(t), &chunk_k[size_t{c} * width], width));
            values.push_back(&chunk_v[size_t{c} * width]);
        }
        softmax_mean(
            scores, [&](size_t n) { return values[n]; }, o(t), width);
    }
}

} // namespace gramian::twin
