// The equations of `recursive_least_squares` in plain loops.
#pragma once

#include "ops/ridge_solve_twin.hpp"

namespace gramian::twin {

/// P and W of one head.  p: [n, n]; w: [n, columns].
template <class Real>
struct RlsState {
    Real* p;
    Real* w;
    uint32_t n;
    uint32_t columns;
};

/// P = (g + diag(ridge) + alpha I)^-1 and W = P s by Cholesky, with the retries of `ridge_solve`.
/// g: [n, n] and s: [n, columns], or null: zeros; ridge: [n] or null.
template <class Real>
SolveReport<Real> rls_start(const RlsState<Real>& state, const Real* g, const Real* s, const Real* ridge, Real alpha,
                            uint32_t attempts)
{
    const uint32_t n = state.n;
    std::vector<Real> given(size_t{n} * n);
    if (g) given.assign(g, g + size_t{n} * n);
    Real trace = 0;
    for (uint32_t i = 0; i < n; ++i) trace += given[size_t{i} * n + i];
    SolveReport<Real> report;
    report.alpha = alpha;
    std::vector<Real> l;
    bool good = factorize(given.data(), ridge, report.alpha, n, l, report.min_pivot);
    for (uint32_t attempt = 1; attempt < attempts && !good; ++attempt) {
        report.alpha = std::max(10 * report.alpha, Real(1e-6) * (trace / Real(n)));
        report.retries += 1;
        good = factorize(given.data(), ridge, report.alpha, n, l, report.min_pivot);
    }
    report.status = !good ? SolveStatus::failed : trace == 0 ? SolveStatus::no_data : SolveStatus::solved;
    std::fill(state.p, state.p + size_t{n} * n, Real(0));
    std::fill(state.w, state.w + size_t{n} * state.columns, Real(0));
    if (!good) return report;
    std::vector<Real> identity(size_t{n} * n);
    for (uint32_t i = 0; i < n; ++i) identity[size_t{i} * n + i] = 1;
    substitute(l, identity.data(), state.p, n, n);
    if (s) substitute(l, s, state.w, n, state.columns);
    return report;
}

/// One token: P and W with (k, v) of weight beta. Gives k . P k beforehand.
template <class Real>
Real rls_step(const RlsState<Real>& state, const Real* k, const Real* v, Real beta)
{
    const uint32_t n = state.n;
    std::vector<Real> u(n);
    Real seen = 0;
    for (uint32_t i = 0; i < n; ++i) {
        for (uint32_t j = 0; j < n; ++j) u[i] += state.p[size_t{j} * n + i] * k[j];
        seen += k[i] * u[i];
    }
    const Real gain = beta / (1 + beta * seen);
    for (uint32_t c = 0; c < state.columns; ++c) {
        Real error = v[c];
        for (uint32_t i = 0; i < n; ++i) error -= state.w[size_t{i} * state.columns + c] * k[i];
        for (uint32_t i = 0; i < n; ++i) state.w[size_t{i} * state.columns + c] += gain * u[i] * error;
    }
    for (uint32_t i = 0; i < n; ++i) {
        for (uint32_t j = 0; j < n; ++j) state.p[size_t{i} * n + j] -= gain * (u[i] * u[j]); // symmetric to the bit
    }
    return seen;
}

/// y = W^T q; gives q . P q.
template <class Real>
Real rls_read(const RlsState<Real>& state, const Real* q, Real* y)
{
    const uint32_t n = state.n;
    for (uint32_t c = 0; c < state.columns; ++c) {
        y[c] = 0;
        for (uint32_t i = 0; i < n; ++i) y[c] += state.w[size_t{i} * state.columns + c] * q[i];
    }
    Real variance = 0;
    for (uint32_t i = 0; i < n; ++i) {
        Real sum = 0;
        for (uint32_t j = 0; j < n; ++j) sum += state.p[size_t{j} * n + i] * q[j];
        variance += q[i] * sum;
    }
    return variance;
}

} // namespace gramian::twin
