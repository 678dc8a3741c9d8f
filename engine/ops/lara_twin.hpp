// The equations of `lara` in plain loops (Zheng et al. 2022, arXiv:2204.04667, as the code of arXiv:2302.04542 has
// them: form `adaptive-1d`, weights `mis-opt`).
#pragma once

#include "ops/eva_twin.hpp"

namespace gramian::twin {

template <class Real>
Real log_sum_exp(const std::vector<Real>& scores)
{
    const Real largest = *std::max_element(scores.begin(), scores.end());
    Real sum = 0;
    for (const Real score : scores) sum += std::exp(score - largest);
    return largest + std::log(sum);
}

/// One landmark of a head: where its random feature points, and what it stands for.
template <class Real>
struct LaraLandmark {
    std::vector<Real> mean_q;
    std::vector<Real> mu;
    std::vector<Real> value;  // sum of softmax_n(prm(k_n; mu)) v_n
    std::vector<Real> shares; // [T]: softmax over the tokens of scale mean_q . q
    Real log_keys = 0;        // log sum of e^prm(k_n; mu)
    Real gain = 0;            // e^prm(mu; mu) over the sum of e^prm(mu'; mu)
};

/// f before the mean, unlike EVA.
template <class Real, class Row>
LaraLandmark<Real> lara_landmark(uint32_t begin, uint32_t end, const EvaMap<Real>& of_q, const EvaMap<Real>& of_k,
                                 Row q, Row k, Row v, uint32_t tokens, uint32_t width, Real scale)
{
    LaraLandmark<Real> c;
    c.mean_q.resize(width);
    c.mu.resize(width);
    c.value.resize(width);
    std::vector<Real> mapped(width), mean_k(width), key_scores, query_scores;
    for (uint32_t n = begin; n < end; ++n) {
        of_q.apply(q(n), mapped.data(), width);
        for (uint32_t i = 0; i < width; ++i) c.mean_q[i] += mapped[i] / static_cast<Real>(end - begin);
        of_k.apply(k(n), mapped.data(), width);
        for (uint32_t i = 0; i < width; ++i) mean_k[i] += mapped[i] / static_cast<Real>(end - begin);
    }
    for (uint32_t i = 0; i < width; ++i) c.mu[i] = c.mean_q[i] + mean_k[i];
    for (uint32_t n = 0; n < tokens; ++n) {
        key_scores.push_back(prm(c.mu.data(), k(n), width, scale));
        query_scores.push_back(scale * dot(c.mean_q.data(), q(n), width));
    }
    softmax_mean(key_scores, v, c.value.data(), width);
    c.log_keys = log_sum_exp(key_scores);
    const Real log_queries = log_sum_exp(query_scores);
    for (const Real score : query_scores) c.shares.push_back(std::exp(score - log_queries));
    return c;
}

/// One head of a sequence.  q(n), k(n), v(n), o(n): [D]. Landmarks divide the tokens.
template <class Real, class Row, class Out>
void lara(uint32_t landmarks, Real alpha, const EvaMap<Real>& of_q, const EvaMap<Real>& of_k, Row q, Row k, Row v,
          Out o, uint32_t tokens, uint32_t width, Real scale)
{
    std::vector<LaraLandmark<Real>> all;
    const uint32_t side = tokens / landmarks;
    for (uint32_t c = 0; c < landmarks; ++c) {
        all.push_back(lara_landmark(c * side, (c + 1) * side, of_q, of_k, q, k, v, tokens, width, scale));
    }
    for (LaraLandmark<Real>& c : all) {
        std::vector<Real> scores;
        for (const LaraLandmark<Real>& other : all) scores.push_back(prm(c.mu.data(), other.mu.data(), width, scale));
        c.gain = std::exp(prm(c.mu.data(), c.mu.data(), width, scale) - log_sum_exp(scores));
    }
    for (uint32_t n = 0; n < tokens; ++n) {
        Real mean = 0;
        for (const LaraLandmark<Real>& c : all) mean += c.shares[n] / static_cast<Real>(landmarks);
        std::vector<Real> log_weights;
        for (const LaraLandmark<Real>& c : all) {
            const Real weight = std::max(c.gain + alpha * (c.shares[n] - mean), static_cast<Real>(1e-8));
            log_weights.push_back(std::log(weight) + prm(c.mu.data(), q(n), width, scale) + c.log_keys -
                                  prm(c.mu.data(), c.mu.data(), width, scale));
        }
        softmax_mean(
            log_weights, [&](size_t c) { return all[c].value.data(); }, o(n), width);
    }
}

} // namespace gramian::twin
