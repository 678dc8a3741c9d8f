// Ridge solves of several launches: in panels, for any number of unknowns and with refinement, and by QR of the rows.
#include "ops/cholesky.hpp"
#include "ops/matrix_product.hpp"
#include "ops/pointwise.hpp"
#include "ops/problems.hpp"
#include "ops/qr_update.hpp"
#include "ops/ridge_solve.hpp"
#include "ops/rls.hpp"
#include "ops/triangular_solve.hpp"

namespace gramian {
namespace {

/// l l^T x = rhs.
void substitute(Recorder& recorder, const Tensor& l, const Tensor& rhs, const Tensor& x, const Tensor& report,
                const SlotMap& map)
{
    TriangularSolve solve;
    solve.a = l;
    solve.rhs = rhs;
    solve.x = x;
    solve.report = report;
    solve.map = map;
    triangular_solve(recorder, solve);
    solve.is_transposed = true;
    solve.rhs = x;
    triangular_solve(recorder, solve);
}

void add_to(Recorder& recorder, const Tensor& x, const Tensor& change)
{
    const auto rows = static_cast<uint32_t>(x.element_count() / x.shape.last());
    const Tensor other = change.as({rows, x.shape.last()});
    PointwiseOperands operands;
    operands.gate = &other;
    const Tensor sum = x.as({rows, x.shape.last()});
    pointwise(recorder, Pointwise::add, sum, operands, sum);
}

} // namespace

void ridge_solve_in_panels(Recorder& recorder, const RidgeSolve& solve, uint32_t refine, const ResidualOf& residual_of)
{
    const uint32_t slots = solve.report.shape[0];
    const Shape& rhs = solve.rhs.shape;
    Cholesky factor;
    factor.a = solve.a;
    factor.ridge = solve.ridge;
    factor.l = recorder.temporary({slots, rhs[1], rhs[2], rhs[2]});
    factor.report = solve.report;
    factor.map = solve.map;
    const Tensor residual = recorder.temporary({slots, rhs[1], rhs[2], rhs[3]});
    const auto update_residual = [&] {
        if (residual_of) return residual_of(recorder, residual);
        ridge_residual(recorder, solve.a, solve.rhs, solve.ridge, solve.x, residual, solve.report, solve.map);
    };
    begin_solve(recorder, solve.a, {solve.alpha, solve.is_relative}, solve.report, solve.map);
    cholesky_with_retries(recorder, factor);
    substitute(recorder, factor.l, solve.rhs, solve.x, solve.report, solve.map);
    update_residual();
    for (uint32_t i = 0; i < refine; ++i) {
        substitute(recorder, factor.l, residual, residual, solve.report, solve.map);
        add_to(recorder, solve.x, residual);
        update_residual();
    }
    finish_solve(recorder, solve.x, &residual, &solve.rhs, solve.report, solve.map);
}

void data_residual(Recorder& recorder, const RidgeRows& solve, const Tensor& residual)
{
    const Shape& k = solve.k.shape;
    const uint32_t columns = solve.v.shape[3];
    const Tensor left = recorder.temporary({k[0], k[1], k[2], columns});
    MatrixProduct product;
    product.heads = k[2];
    product.slots = k[0];
    product.columns = columns;
    product.sign = -1;
    product.a = {&solve.k, token_view(solve.k)};
    product.x = {&solve.x, matrix_view(solve.x)};
    product.base = {&solve.v, token_view(solve.v)};
    product.y = {&left, token_view(left)};
    product.rows = k[1];
    product.inner = k[3];
    matrix_product(recorder, product); // left = v - k x
    product.sign = 1;
    product.a.is_transposed = true;
    product.x = {&left, token_view(left)};
    product.base = {};
    product.y = {&residual, matrix_view(residual)};
    product.rows = k[3];
    product.inner = k[1];
    product.w = &solve.x;
    product.ridge = solve.ridge;
    product.report = &solve.report;
    matrix_product(recorder, product); // k^T left - (alpha + ridge) x
}

namespace {

Tensor moments(Recorder& recorder, const RidgeRows& solve)
{
    const Shape& k = solve.k.shape;
    const Tensor sums = recorder.temporary(solve.x.shape);
    MatrixProduct product;
    product.heads = k[2];
    product.slots = k[0];
    product.columns = solve.v.shape[3];
    product.a = {&solve.k, token_view(solve.k), true};
    product.x = {&solve.v, token_view(solve.v)};
    product.y = {&sums, matrix_view(sums)};
    product.rows = k[3];
    product.inner = k[1];
    matrix_product(recorder, product);
    return sums;
}

void check(const RidgeRows& solve)
{
    const Shape& k = solve.k.shape;
    const Shape& v = solve.v.shape;
    const bool fits = k.rank() == 4 && v.rank() == 4 && v[0] == k[0] && v[1] == k[1] && v[2] == k[2] &&
                      solve.x.shape == Shape{k[0], k[2], k[3], v[3]} &&
                      (!solve.ridge || solve.ridge->shape == Shape{k[2], k[3]});
    if (!fits) {
        raise(Status::invalid_argument, "ridge_solve: k {}, v {} and x {} do not fit together", k.text(), v.text(),
              solve.x.shape.text());
    }
    if (k[1] > kMaxLoopTrips) raise(Status::unsupported, "ridge_solve: N {}, at most {}", k[1], kMaxLoopTrips);
}

void finish_rows(Recorder& recorder, const RidgeRows& solve)
{
    const Tensor residual = recorder.temporary(solve.x.shape);
    const Tensor rhs = moments(recorder, solve);
    data_residual(recorder, solve, residual);
    finish_solve(recorder, solve.x, &residual, &rhs, solve.report, {});
}

} // namespace

void ridge_qr(Recorder& recorder, const RidgeRows& solve)
{
    check(solve);
    const Shape& k = solve.k.shape;
    const Tensor r = recorder.temporary({k[0], k[2], k[3], k[3]});
    const Tensor z = recorder.temporary(solve.x.shape);
    QrUpdate update;
    update.ridge = solve.ridge;
    update.x = solve.k;
    update.y = &solve.v;
    update.r = r;
    update.z = &z;
    update.report = &solve.report;
    begin_solve_from_keys(recorder, solve.k, solve.regularization, solve.report);
    for (uint32_t retry = 0; retry <= kMaxSolveRetries; ++retry) {
        if (retry > 0) begin_again(recorder, solve.report, {});
        qr_update(recorder, update);
        judge_diagonal(recorder, r, Triangle::upper, Judged::factor, solve.report);
    }
    TriangularSolve back;
    back.a = r;
    back.triangle = Triangle::upper;
    back.rhs = z;
    back.x = solve.x;
    back.report = solve.report;
    triangular_solve(recorder, back);
    finish_rows(recorder, solve);
}

void ridge_rls(Recorder& recorder, const RidgeRows& solve)
{
    check(solve);
    const Shape& k = solve.k.shape;
    Rls rls;
    rls.k = solve.k;
    rls.v = solve.v;
    rls.ridge = solve.ridge;
    rls.inverse = recorder.temporary({k[0], k[2], k[3], k[3]});
    rls.weights = solve.x;
    rls.record = recorder.temporary({k[0], k[2], 4});
    rls.start = RlsStart::afresh;
    rls.alpha = solve.regularization.alpha;
    rls.count = k[1];
    begin_solve_from_keys(recorder, solve.k, solve.regularization, solve.report);
    recursive_least_squares(recorder, rls);
    judge_diagonal(recorder, rls.inverse, Triangle::upper, Judged::inverse, solve.report);
    finish_rows(recorder, solve);
}

} // namespace gramian
