// The equations of `simplex_solve` and `value_aware_sparse` in plain loops.
#pragma once

#include "ops/value_aware.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace gramian::twin {

/// Weights w >= 0 with sum 1 that minimise |target - w^T v|.  v: [R, E]; target: [E].  Wolfe 1976, "Finding the nearest
/// point in a polytope".
template <class Real>
class SimplexLeastSquares {
public:
    SimplexLeastSquares(const Real* v, const Real* target, uint32_t points, uint32_t columns)
        : points_(points), columns_(columns), a_(size_t{points} * columns), weights_(points), is_active_(points),
          may_join_(points, true)
    {
        for (uint32_t i = 0; i < points; ++i) {
            for (uint32_t e = 0; e < columns; ++e) a_[size_t{i} * columns + e] = v[size_t{i} * columns + e] - target[e];
        }
        for (uint32_t i = 0; i < points; ++i) scale_ += inner(i, i) / static_cast<Real>(points);
        uint32_t nearest = 0;
        for (uint32_t i = 1; i < points; ++i) nearest = inner(i, i) < inner(nearest, nearest) ? i : nearest;
        weights_[nearest] = 1;
        is_active_[nearest] = true;
        // Wolfe's algorithm ends by itself, but not among points whose differences are rounding.
        for (uint32_t joined = 0; scale_ > 0 && joined < 10 * points + 10 && join(); ++joined) {
        }
    }

    [[nodiscard]] const std::vector<Real>& weights() const { return weights_; }
    /// |target - w^T v|
    [[nodiscard]] Real error() const
    {
        const std::vector<Real> x = answer(weights_);
        Real sum = 0;
        for (Real value : x) sum += value * value;
        return std::sqrt(sum);
    }

private:
    [[nodiscard]] Real inner(uint32_t i, uint32_t j) const
    {
        Real sum = 0;
        for (uint32_t e = 0; e < columns_; ++e) sum += a_[size_t{i} * columns_ + e] * a_[size_t{j} * columns_ + e];
        return sum;
    }
    [[nodiscard]] std::vector<Real> answer(const std::vector<Real>& weights) const
    {
        std::vector<Real> x(columns_);
        for (uint32_t i = 0; i < points_; ++i) {
            for (uint32_t e = 0; e < columns_; ++e) x[e] += weights[i] * a_[size_t{i} * columns_ + e];
        }
        return x;
    }

    /// One more point, then points whose weight would turn negative leave. False where no point helps any more.
    bool join()
    {
        const std::vector<Real> x = answer(weights_);
        Real square = 0;
        for (Real value : x) square += value * value;
        constexpr Real kRounding = 50 * std::numeric_limits<Real>::epsilon();
        if (square <= kRounding * kRounding * scale_) return false; // the target is met
        uint32_t best = points_;
        Real best_gain = 0;
        for (uint32_t i = 0; i < points_; ++i) {
            if (is_active_[i] || !may_join_[i]) continue;
            Real gain = -square;
            for (uint32_t e = 0; e < columns_; ++e) gain += a_[size_t{i} * columns_ + e] * x[e];
            if (gain < best_gain && gain < -Real(1e-11) * std::sqrt(square * std::max(inner(i, i), square))) {
                best = i;
                best_gain = gain;
            }
        }
        if (best == points_) return false;
        is_active_[best] = true;
        for (uint32_t step = 0; step <= points_; ++step) {
            std::vector<Real> y(points_);
            if (!affine_minimum(y)) {
                is_active_[best] = may_join_[best] = false; // it depends on the others
                return true;
            }
            if (approach(y)) return true;
        }
        return true;
    }

    /// From the weights towards y, as far as none turns negative. True where y was reached.
    bool approach(const std::vector<Real>& y)
    {
        Real part = 1;
        for (uint32_t i = 0; i < points_; ++i) {
            if (is_active_[i] && y[i] <= 0) part = std::min(part, weights_[i] / (weights_[i] - y[i]));
        }
        for (uint32_t i = 0; i < points_; ++i) {
            if (!is_active_[i]) continue;
            const bool leaves = y[i] <= 0 && weights_[i] / (weights_[i] - y[i]) <= part;
            weights_[i] = leaves ? 0 : weights_[i] + part * (y[i] - weights_[i]);
            is_active_[i] = !leaves;
        }
        return part >= 1;
    }

    /// The weights with sum 1, of any sign, over the active points that come nearest to the target.
    bool affine_minimum(std::vector<Real>& y) const
    {
        std::vector<uint32_t> active;
        for (uint32_t i = 0; i < points_; ++i) {
            if (is_active_[i]) active.push_back(i);
        }
        const size_t n = active.size();
        std::vector<Real> l(n * n), z(n, Real(1));
        for (size_t i = 0; i < n; ++i) {
            for (size_t j = 0; j <= i; ++j) {
                Real sum = inner(active[i], active[j]) + scale_;
                const Real diagonal = sum;
                for (size_t k = 0; k < j; ++k) sum -= l[i * n + k] * l[j * n + k];
                if (i == j && !(sum > Real(1e-13) * diagonal)) return false;
                l[i * n + j] = i == j ? std::sqrt(sum) : sum / l[j * n + j];
            }
        }
        for (size_t i = 0; i < n; ++i) {
            for (size_t k = 0; k < i; ++k) z[i] -= l[i * n + k] * z[k];
            z[i] /= l[i * n + i];
        }
        Real sum = 0;
        for (size_t i = n; i-- > 0;) {
            for (size_t k = i + 1; k < n; ++k) z[i] -= l[k * n + i] * z[k];
            sum += z[i] /= l[i * n + i];
        }
        for (size_t i = 0; i < n; ++i) y[active[i]] = z[i] / sum;
        return true;
    }

    uint32_t points_;
    uint32_t columns_;
    std::vector<Real> a_; // [R, E]: points less the target
    Real scale_ = 0;
    std::vector<Real> weights_;
    std::vector<bool> is_active_;
    std::vector<bool> may_join_;
};

/// One problem of `value_aware_sparse`.
template <class Real>
class ValueAware {
public:
    /// p: [N], sums to 1; v: [N, E].
    ValueAware(const Real* p, const Real* v, uint32_t keys, uint32_t columns, uint32_t budget)
        : p_(p), v_(v), keys_(keys), columns_(columns), budget_(budget), target_(columns), weights_(keys)
    {
        for (uint32_t n = 0; n < keys; ++n) {
            for (uint32_t e = 0; e < columns; ++e) target_[e] += p[n] * v[size_t{n} * columns + e];
        }
    }

    void solve(SparseMethod method)
    {
        if (method == SparseMethod::exact) return prune();
        std::vector<uint32_t> support;
        if (method == SparseMethod::oblivious || method == SparseMethod::topk_refit) {
            support = largest();
            Real sum = 0;
            for (uint32_t n : support) sum += p_[n];
            for (uint32_t n : support) weights_[n] = sum > 0 ? p_[n] / sum : 1 / static_cast<Real>(support.size());
            if (method == SparseMethod::topk_refit) refit(support);
            return;
        }
        for (uint32_t round = 0; round < std::min(budget_, keys_); ++round) {
            const uint32_t next =
                method == SparseMethod::forward || round == 0 ? best_trial(support) : steepest(support);
            if (next == keys_) return;
            support.push_back(next);
            refit(support);
            std::erase_if(support, [&](uint32_t n) { return weights_[n] <= 0; });
        }
    }

    [[nodiscard]] const std::vector<Real>& weights() const { return weights_; } // [N]
    [[nodiscard]] Real error() const
    {
        Real sum = 0;
        for (Real value : residual()) sum += value * value;
        return std::sqrt(sum);
    }

private:
    [[nodiscard]] std::vector<Real> residual() const // w^T v - o
    {
        std::vector<Real> x(columns_);
        for (uint32_t e = 0; e < columns_; ++e) x[e] = -target_[e];
        for (uint32_t n = 0; n < keys_; ++n) {
            for (uint32_t e = 0; e < columns_ && weights_[n] != 0; ++e)
                x[e] += weights_[n] * v_[size_t{n} * columns_ + e];
        }
        return x;
    }

    [[nodiscard]] std::vector<uint32_t> largest() const
    {
        std::vector<uint32_t> order(keys_);
        for (uint32_t n = 0; n < keys_; ++n) order[n] = n;
        std::stable_sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) { return p_[a] > p_[b]; });
        order.resize(std::min(budget_, keys_));
        return order;
    }

    SimplexLeastSquares<Real> least_squares(const std::vector<uint32_t>& support) const
    {
        std::vector<Real> points;
        for (uint32_t n : support) {
            points.insert(points.end(), v_ + size_t{n} * columns_, v_ + size_t{n + 1} * columns_);
        }
        return {points.data(), target_.data(), static_cast<uint32_t>(support.size()), columns_};
    }

    void refit(const std::vector<uint32_t>& support)
    {
        const auto solved = least_squares(support);
        std::fill(weights_.begin(), weights_.end(), Real(0));
        for (size_t i = 0; i < support.size(); ++i) weights_[support[i]] = solved.weights()[i];
    }

    [[nodiscard]] bool is_in(const std::vector<uint32_t>& support, uint32_t n) const
    {
        return std::find(support.begin(), support.end(), n) != support.end();
    }

    /// The key that lowers the error most once all weights are solved for again; `keys_` where none lowers it.
    [[nodiscard]] uint32_t best_trial(const std::vector<uint32_t>& support) const
    {
        uint32_t best = keys_;
        Real least = support.empty() ? Real(INFINITY) : error();
        for (uint32_t n = 0; n < keys_; ++n) {
            if (is_in(support, n)) continue;
            std::vector<uint32_t> trial = support;
            trial.push_back(n);
            const Real found = least_squares(trial).error();
            if (found < least) {
                least = found;
                best = n;
            }
        }
        return best;
    }

    [[nodiscard]] uint32_t steepest(const std::vector<uint32_t>& support) const
    {
        const std::vector<Real> x = residual();
        uint32_t best = keys_;
        Real least = 0; // of (v_n - o) . x, beside |x|^2 of the present answer
        for (Real value : x) least += value * value;
        for (uint32_t n = 0; n < keys_; ++n) {
            if (is_in(support, n)) continue;
            Real slope = 0;
            for (uint32_t e = 0; e < columns_; ++e) slope += (v_[size_t{n} * columns_ + e] - target_[e]) * x[e];
            if (slope < least) {
                least = slope;
                best = n;
            }
        }
        return best;
    }

    /// Caratheodory: any E + 2 keys are affinely dependent; a move along the dependency empties one of them.
    void prune()
    {
        std::vector<uint32_t> support;
        for (uint32_t n = 0; n < keys_; ++n) {
            weights_[n] = p_[n];
            if (p_[n] > 0) support.push_back(n);
        }
        while (support.size() > columns_ + 1) {
            const std::vector<Real> c = dependency(support);
            size_t leaves = support.size();
            Real part = INFINITY;
            for (size_t i = 0; i < c.size(); ++i) {
                if (c[i] > 0 && weights_[support[i]] / c[i] < part) {
                    part = weights_[support[i]] / c[i];
                    leaves = i;
                }
            }
            for (size_t i = 0; i < c.size(); ++i) {
                weights_[support[i]] = std::max(weights_[support[i]] - part * c[i], Real(0));
            }
            weights_[support[leaves]] = 0;
            support.erase(support.begin() + static_cast<ptrdiff_t>(leaves));
        }
    }

    /// c != 0 with sum c = 0 and sum c v = 0 over the first E + 2 keys of the support, its largest element positive:
    /// Gauss-Jordan with complete pivoting.
    [[nodiscard]] std::vector<Real> dependency(const std::vector<uint32_t>& support) const
    {
        const uint32_t rows = columns_ + 1, n = columns_ + 2;
        std::vector<Real> m(size_t{rows} * n);
        for (uint32_t j = 0; j < n; ++j) {
            for (uint32_t e = 0; e < columns_; ++e)
                m[size_t{e} * n + j] = v_[size_t{support[j]} * columns_ + e] - target_[e];
            m[size_t{columns_} * n + j] = 1;
        }
        std::vector<uint32_t> pivots; // column of each finished row
        for (uint32_t r = 0; r < rows; ++r) {
            uint32_t at = r, column = n;
            Real largest = 0;
            for (uint32_t i = r; i < rows; ++i) {
                for (uint32_t j = 0; j < n; ++j) {
                    if (std::abs(m[size_t{i} * n + j]) > largest && !std::count(pivots.begin(), pivots.end(), j)) {
                        largest = std::abs(m[size_t{i} * n + j]);
                        at = i;
                        column = j;
                    }
                }
            }
            if (column == n || largest < Real(1e-12)) break;
            for (uint32_t j = 0; j < n; ++j) std::swap(m[size_t{r} * n + j], m[size_t{at} * n + j]);
            const Real pivot = m[size_t{r} * n + column];
            for (uint32_t j = 0; j < n; ++j) m[size_t{r} * n + j] /= pivot;
            for (uint32_t i = 0; i < rows; ++i) {
                const Real factor = m[size_t{i} * n + column];
                for (uint32_t j = 0; i != r && j < n; ++j) m[size_t{i} * n + j] -= factor * m[size_t{r} * n + j];
            }
            pivots.push_back(column);
        }
        uint32_t open = 0;
        while (std::count(pivots.begin(), pivots.end(), open)) ++open;
        std::vector<Real> c(n);
        c[open] = 1;
        for (size_t r = 0; r < pivots.size(); ++r) c[pivots[r]] = -m[r * n + open];
        return c;
    }

    const Real* p_;
    const Real* v_;
    uint32_t keys_;
    uint32_t columns_;
    uint32_t budget_;
    std::vector<Real> target_;
    std::vector<Real> weights_;
};

} // namespace gramian::twin
