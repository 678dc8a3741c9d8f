// The equation of `intention` in plain loops.
#pragma once

#include "ops/ridge_solve_twin.hpp"

#include <cstdint>
#include <vector>

namespace gramian::twin {

/// The sizes of one head.
struct IntentionSizes {
    uint32_t tokens;  // N
    uint32_t queries; // M
    uint32_t width;   // D
    uint32_t columns; // E
};

/// One batch and head: y = Q (K^T W K + F G0 + diag(ridge) + alpha I)^-1 (K^T W V + F S0), where W is diagonal:
/// token t counts beta(t) times the decay of all tokens after it, and what was there before, F times, that of all.
/// Garnelo & Czarnecki 2023 with the weights of recursive least squares.
/// k(t), q(t): [D]; v(t): [E]; beta(t), factor(t): weight, and e^decay * forget. g: [D, D] and s: [D, E] hold G0 and S0
/// and become the two sums; y: [M, E]; ridge: [D] or null.
template <class Key, class Value, class Query, class Beta, class Factor>
SolveReport<double> intention(const IntentionSizes& sizes, Key k, Value v, Query q, Beta beta, Factor factor,
                              const double* ridge, double alpha, bool is_relative, double* g, double* s, double* y)
{
    const uint32_t width = sizes.width;
    const uint32_t columns = sizes.columns;
    std::vector<double> weights(sizes.tokens);
    double later = 1; // the product of the factors of all tokens behind
    for (uint32_t t = sizes.tokens; t-- > 0;) {
        weights[t] = beta(t) * later;
        later *= factor(t);
    }
    for (uint32_t i = 0; i < width * width; ++i) g[i] *= later;
    for (uint32_t i = 0; i < width * columns; ++i) s[i] *= later;
    for (uint32_t t = 0; t < sizes.tokens; ++t) {
        for (uint32_t i = 0; i < width; ++i) {
            const double ki = weights[t] * k(t)[i];
            for (uint32_t j = 0; j < width; ++j) g[i * width + j] += ki * k(t)[j];
            for (uint32_t j = 0; j < columns; ++j) s[i * columns + j] += ki * v(t)[j];
        }
    }
    std::vector<double> w(size_t{width} * columns);
    const SolveReport<double> report = ridge_solve(g, ridge, s, w.data(), width, columns, alpha, is_relative);
    for (uint32_t m = 0; m < sizes.queries; ++m) {
        for (uint32_t j = 0; j < columns; ++j) {
            double sum = 0;
            for (uint32_t i = 0; i < width; ++i) sum += q(m)[i] * w[size_t{i} * columns + j];
            y[size_t{m} * columns + j] = sum;
        }
    }
    return report;
}

} // namespace gramian::twin
