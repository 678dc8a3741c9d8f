// The equation of `query_solve` in plain loops.
#pragma once

#include "ops/query_solve.hpp"
#include "ops/ridge_solve_twin.hpp"

namespace gramian::twin {

/// A system a + diag(ridge) + alpha I.  a: [n, n]; ridge: [n] or null.
template <class Real>
struct RidgeSystem {
    const Real* a;
    const Real* ridge;
    Real alpha;
    uint32_t n;

    [[nodiscard]] Real added(uint32_t i) const { return alpha + (ridge ? ridge[i] : Real(0)); }
    [[nodiscard]] Real diagonal(uint32_t i) const { return a[size_t{i} * n + i] + added(i); }
    [[nodiscard]] std::vector<Real> times(const std::vector<Real>& x) const
    {
        std::vector<Real> y(n);
        for (uint32_t i = 0; i < n; ++i) {
            y[i] = added(i) * x[i];
            for (uint32_t j = 0; j < n; ++j) y[i] += a[size_t{i} * n + j] * x[j];
        }
        return y;
    }
};

template <class Real>
Real dot(const std::vector<Real>& x, const std::vector<Real>& y)
{
    Real sum = 0;
    for (size_t i = 0; i < x.size(); ++i) sum += x[i] * y[i];
    return sum;
}

/// Hestenes & Stiefel 1952, preconditioned by the diagonal, until the residual is gone. Returns the smallest curvature.
template <class Real>
Real conjugate_gradients(const RidgeSystem<Real>& system, const Real* q, Real* x, uint32_t iterations)
{
    Real scale = 0;
    for (uint32_t i = 0; i < system.n; ++i) scale = std::max(scale, std::abs(q[i]));
    std::fill(x, x + system.n, Real(0));
    if (!(scale > 0)) return Real(0);
    std::vector<Real> r(system.n);
    std::vector<Real> z(system.n);
    Real mean = system.alpha; // keeps the products in the range of Real
    for (uint32_t i = 0; i < system.n; ++i) mean += system.a[size_t{i} * system.n + i] / Real(system.n);
    const auto precondition = [&] {
        for (uint32_t i = 0; i < system.n; ++i) {
            z[i] = system.diagonal(i) > 0 ? r[i] * (mean / system.diagonal(i)) : Real(0);
        }
    };
    for (uint32_t i = 0; i < system.n; ++i) r[i] = q[i] / scale;
    precondition();
    std::vector<Real> direction = z;
    Real squared = dot(r, z);
    const Real enough = Real(1e-14) * squared;
    Real least = std::numeric_limits<Real>::max();
    for (uint32_t round = 0; round < iterations && squared > enough; ++round) {
        const std::vector<Real> image = system.times(direction);
        const Real curvature = dot(direction, image);
        if (!(curvature > 0)) break;
        least = std::min(least, curvature / dot(direction, direction));
        const Real step = squared / curvature;
        for (uint32_t i = 0; i < system.n; ++i) x[i] += step * direction[i];
        for (uint32_t i = 0; i < system.n; ++i) r[i] -= step * image[i];
        precondition();
        const Real next = dot(r, z);
        for (uint32_t i = 0; i < system.n; ++i) direction[i] = z[i] + next / squared * direction[i];
        squared = next;
    }
    for (uint32_t i = 0; i < system.n; ++i) x[i] *= scale;
    return least;
}

/// The rounds of the published Mesa layer: no preconditioner, 1e-5 added to each denominator.
template <class Real>
void compatible_gradients(const RidgeSystem<Real>& system, const Real* q, Real* x, uint32_t iterations, bool from_zero)
{
    const auto guard = Real(1e-5);
    std::vector<Real> solved(system.n);
    for (uint32_t i = 0; i < system.n && !from_zero; ++i) solved[i] = q[i] / system.diagonal(i);
    std::vector<Real> r = system.times(solved);
    for (uint32_t i = 0; i < system.n; ++i) r[i] = q[i] - r[i];
    std::vector<Real> direction = r;
    Real squared = dot(r, r);
    for (uint32_t round = 0; round < iterations; ++round) {
        const std::vector<Real> image = system.times(direction);
        const Real step = squared / (dot(direction, image) + guard);
        for (uint32_t i = 0; i < system.n; ++i) solved[i] += step * direction[i];
        for (uint32_t i = 0; i < system.n; ++i) r[i] -= step * image[i];
        const Real next = dot(r, r);
        for (uint32_t i = 0; i < system.n; ++i) direction[i] = r[i] + next / (squared + guard) * direction[i];
        squared = next;
    }
    std::copy(solved.begin(), solved.end(), x);
}

/// What q^T x is where x could not be solved for: what the ridge alone knows, if nothing was observed.
template <class Real>
Real prior_variance(const RidgeSystem<Real>& system, const Real* q)
{
    Real sum = 0;
    for (uint32_t i = 0; i < system.n; ++i) {
        const Real infinity = std::numeric_limits<Real>::infinity();
        if (q[i] != 0) sum += system.added(i) > 0 ? q[i] * q[i] / system.added(i) : infinity;
    }
    return sum;
}

/// One query.  g: [n, n]; ridge: [n] or null; q, x: [n]. `variance` becomes q . x.
template <class Real>
SolveReport<Real> query_solve(const Real* g, const Real* ridge, const Real* q, Real* x, Real& variance, uint32_t n,
                              Real alpha, bool is_relative, QuerySolver solver, uint32_t iterations)
{
    std::fill(x, x + n, Real(0));
    SolveReport<Real> report;
    Real trace = 0;
    for (uint32_t i = 0; i < n; ++i) trace += g[size_t{i} * n + i];
    const RidgeSystem<Real> system{g, ridge, is_relative ? alpha * (trace / Real(n)) : alpha, n};
    report.alpha = system.alpha;
    if (std::abs(trace) < std::numeric_limits<float>::min()) {
        report.status = SolveStatus::no_data;
        variance = prior_variance(system, q);
        return report;
    }
    if (solver == QuerySolver::cholesky) {
        report = ridge_solve(g, ridge, q, x, n, 1, alpha, is_relative);
    } else if (solver == QuerySolver::gradients) {
        report.min_pivot = conjugate_gradients(system, q, x, iterations);
        report.residual = relative_residual(g, ridge, system.alpha, q, x, n, 1);
    } else {
        compatible_gradients(system, q, x, iterations, solver == QuerySolver::compatible_from_zero);
        report.residual = relative_residual(g, ridge, system.alpha, q, x, n, 1);
    }
    variance = 0;
    for (uint32_t i = 0; i < n; ++i) variance += q[i] * x[i];
    if (report.status == SolveStatus::solved && std::isfinite(variance)) return report;
    std::fill(x, x + n, Real(0));
    report.status = SolveStatus::failed;
    report.residual = 0;
    variance = std::numeric_limits<Real>::infinity();
    return report;
}

} // namespace gramian::twin
