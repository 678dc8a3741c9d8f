// The operator `ridge_solve`: from a matrix and right-hand sides, or from the keys and values that make them.
#include "ops/operator.hpp"
#include "ops/outer_sum.hpp"
#include "ops/ridge_solve.hpp"

namespace gramian {
namespace {

using Shapes = std::vector<std::pair<std::string, Shape>>;

Shapes infer_ridge_solve(const Attributes& attributes, const Tensors& in)
{
    attributes.only("solver", "cholesky");
    attributes.only("refine", 0);
    const Tensor* a = in.find("a");
    const Tensor* rhs = in.find("rhs");
    const Tensor* k = in.find("k");
    const Tensor* v = in.find("v");
    if ((!a == !k) || (!rhs == !v) || (!a != !rhs)) {
        raise(Status::invalid_argument, "ridge_solve: expected either a and rhs, or k and v");
    }
    const Shape& left = a ? a->shape : k->shape;
    const Shape& right = a ? rhs->shape : v->shape;
    if (left.rank() != 3 || right.rank() != 3 || right[0] != left[0] || right[1] != left[1] ||
        (a && left[1] != left[2])) {
        raise(Status::invalid_argument, "ridge_solve: {} {} and {} {}: expected {}", a ? "a" : "k", left.text(),
              a ? "rhs" : "v", right.text(), a ? "[B,P,P] and [B,P,K]" : "[B,N,P] and [B,N,K]");
    }
    return {{"x", {left[0], left[2], right[2]}}, {"report", {left[0], kSolveReportWords}}};
}

void record_ridge_solve(Recorder& recorder, const Attributes& attributes, const Tensors& in, const Tensors& out)
{
    const Shape& x = out.at("x").shape;
    RidgeSolve solve;
    if (in.has("k")) {
        const Shape& k = in.at("k").shape;
        const Tensor y = in.at("v").as({k[0], k[1], 1, x[2]});
        OuterSum sum;
        sum.x = in.at("k").as({k[0], k[1], 1, k[2]});
        sum.y = &sum.x;
        sum.z = recorder.temporary({k[0], 1, k[2], k[2]});
        outer_sum(recorder, sum);
        solve.a = sum.z;
        sum.y = &y;
        sum.z = recorder.temporary({k[0], 1, k[2], x[2]});
        outer_sum(recorder, sum);
        solve.rhs = sum.z;
    } else {
        solve.a = in.at("a").as({x[0], 1, x[1], x[1]});
        solve.rhs = in.at("rhs").as({x[0], 1, x[1], x[2]});
    }
    if (attributes.has("alpha") && attributes.has("alpha_relative")) {
        raise(attributes.status(), "{}: both 'alpha' and 'alpha_relative' are given, expected one of them",
              attributes.where());
    }
    solve.is_relative = !attributes.has("alpha");
    solve.alpha = attributes.number(solve.is_relative ? "alpha_relative" : "alpha", 1e-4, 0, 1e30);
    solve.x = out.at("x").as({x[0], 1, x[1], x[2]});
    solve.report = out.at("report").as({x[0], 1, kSolveReportWords});
    ridge_solve(recorder, solve);
}

} // namespace

Operator ridge_solve_operator()
{
    constexpr bool kOptional = true;
    return {.name = "ridge_solve",
            .layout = Layout::batch,
            .inputs = {{"a", kOptional}, {"rhs", kOptional}, {"k", kOptional}, {"v", kOptional}},
            .outputs = {"x"},
            .attributes = {"alpha", "alpha_relative", "solver", "refine", "iterations"},
            .infer = infer_ridge_solve,
            .record = record_ridge_solve};
}

} // namespace gramian
