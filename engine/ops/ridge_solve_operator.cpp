// The operator `ridge_solve`: from a matrix and right-hand sides, or from the keys and values that make them.
#include "ops/conjugate_gradients.hpp"
#include "ops/matrix_product.hpp"
#include "ops/operator.hpp"
#include "ops/outer_sum.hpp"
#include "ops/problems.hpp"
#include "ops/ridge_solve.hpp"

namespace gramian {
namespace {

using Shapes = std::vector<std::pair<std::string, Shape>>;

enum class Solver : uint32_t { cholesky, cg, cg_compat, qr, rls };

struct Request {
    Solver solver = Solver::cholesky;
    Regularization ridge;
    uint32_t refine = 0;
    uint32_t iterations = 30;
    bool starts_at_zero = false;
};

Request request_of(const Attributes& attributes)
{
    constexpr std::string_view kSolvers[] = {"cholesky", "cg", "cg_compat", "qr", "rls"};
    constexpr std::string_view kStarts[] = {"jacobi", "zero"};
    if (attributes.has("alpha") && attributes.has("alpha_relative")) {
        raise(attributes.status(), "{}: both 'alpha' and 'alpha_relative' are given, expected one of them",
              attributes.where());
    }
    Request request;
    request.solver = static_cast<Solver>(attributes.choice("solver", kSolvers, 0));
    request.ridge.is_relative = !attributes.has("alpha");
    request.ridge.alpha = attributes.number(request.ridge.is_relative ? "alpha_relative" : "alpha", 1e-4, 0, 1e30);
    request.refine = attributes.count("refine", 0, 0, 16);
    request.iterations = attributes.count("iterations", 30, 1, 10'000);
    request.starts_at_zero = attributes.choice("cg_start", kStarts, 0) == 1;
    if (request.refine > 0 && request.solver != Solver::cholesky) {
        raise(attributes.status(), "{}: 'refine' goes with solver \"cholesky\", found {}", attributes.where(),
              in_quotes(kSolvers[static_cast<size_t>(request.solver)]));
    }
    if (request.solver == Solver::rls && (request.ridge.is_relative || request.ridge.alpha == 0)) {
        raise(attributes.status(), "{}: solver \"rls\" begins with the ridge: expected an 'alpha' above 0",
              attributes.where());
    }
    return request;
}

Shapes infer_ridge_solve(const Attributes& attributes, const Tensors& in)
{
    const Request request = request_of(attributes);
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
    if (a && (request.solver == Solver::qr || request.solver == Solver::rls)) {
        raise(Status::invalid_argument, "{}: solver \"{}\" works on rows: expected k and v, found a and rhs",
              attributes.where(), request.solver == Solver::qr ? "qr" : "rls");
    }
    return {{"x", {left[0], left[2], right[2]}}, {"report", {left[0], kSolveReportWords}}};
}

/// Some problems of the batch: matrices [B, 1, …], rows [B, N, 1, …].
struct Part {
    const Request& request;
    RidgeRows rows; // k and v, where they are given
    RidgeSolve sum; // a and rhs
};

void solve_sums(Recorder& recorder, const Part& part)
{
    if (part.request.solver == Solver::cholesky) {
        if (part.request.refine == 0) return ridge_solve(recorder, part.sum);
        return ridge_solve_in_panels(recorder, part.sum, part.request.refine);
    }
    ConjugateGradients solve;
    solve.a = part.sum.a;
    solve.rhs = part.sum.rhs;
    solve.x = part.sum.x;
    solve.report = part.sum.report;
    solve.regularization = part.request.ridge;
    solve.iterations = part.request.iterations;
    solve.is_compat = part.request.solver == Solver::cg_compat;
    solve.starts_at_zero = part.request.starts_at_zero;
    conjugate_gradients(recorder, solve);
}

/// With fewer rows than unknowns: x = k^T y, (k k^T + alpha I) y = v, which is the smaller system.
void solve_dual(Recorder& recorder, const Part& part)
{
    const RidgeRows& rows = part.rows;
    const Shape& k = rows.k.shape;
    const uint32_t columns = rows.v.shape[3];
    RidgeSolve dual = part.sum;
    dual.a = recorder.temporary({k[0], 1, k[1], k[1]});
    dual.rhs = rows.v.as({k[0], 1, k[1], columns});
    dual.x = recorder.temporary(dual.rhs.shape);
    if (dual.is_relative) dual.alpha *= static_cast<double>(k[1]) / k[3]; // the traces are the same, the sizes are not
    MatrixProduct product;
    product.slots = k[0];
    product.a = {&rows.k, token_view(rows.k)};
    product.x = {&rows.k, token_view(rows.k), true};
    product.y = {&dual.a, matrix_view(dual.a)};
    product.rows = product.columns = k[1];
    product.inner = k[3];
    matrix_product(recorder, product); // k k^T
    product.a.is_transposed = true;
    product.x = {&dual.x, matrix_view(dual.x)};
    product.y = {&rows.x, matrix_view(rows.x)};
    product.rows = k[3];
    product.columns = columns;
    product.inner = k[1];
    const auto residual_of = [&](Recorder& into, const Tensor& residual) {
        matrix_product(into, product);
        MatrixProduct left = product; // v - k x - alpha y
        left.a.is_transposed = false;
        left.x = {&rows.x, matrix_view(rows.x)};
        left.base = {&dual.rhs, matrix_view(dual.rhs)};
        left.y = {&residual, matrix_view(residual)};
        left.rows = k[1];
        left.inner = k[3];
        left.sign = -1;
        left.w = &dual.x;
        left.report = &dual.report;
        matrix_product(into, left);
    };
    if (part.request.refine == 0)
        ridge_solve(recorder, dual);
    else
        ridge_solve_in_panels(recorder, dual, part.request.refine, residual_of);
    matrix_product(recorder, product); // x = k^T y
}

void solve_rows(Recorder& recorder, Part part)
{
    const RidgeRows& rows = part.rows;
    const Shape& k = rows.k.shape;
    if (part.request.solver == Solver::qr) return ridge_qr(recorder, rows);
    if (part.request.solver == Solver::rls) return ridge_rls(recorder, rows);
    if (part.request.solver == Solver::cholesky && k[1] < k[3]) return solve_dual(recorder, part);
    OuterSum sum;
    sum.x = rows.k;
    sum.y = &rows.k;
    sum.z = part.sum.a = recorder.temporary({k[0], 1, k[3], k[3]});
    outer_sum(recorder, sum);
    sum.y = &rows.v;
    sum.z = part.sum.rhs = recorder.temporary(rows.x.shape);
    outer_sum(recorder, sum);
    if (part.request.refine == 0) return solve_sums(recorder, part);
    ridge_solve_in_panels(recorder, part.sum, part.request.refine,
                          [&](Recorder& into, const Tensor& residual) { data_residual(into, rows, residual); });
}

void record_ridge_solve(Recorder& recorder, const Attributes& attributes, const Tensors& in, const Tensors& out)
{
    const Request request = request_of(attributes);
    const Shape& x = out.at("x").shape;
    const bool has_rows = in.has("k");
    const uint64_t unknowns = x[1];
    const uint64_t tokens = has_rows ? in.at("k").shape[1] : 0;
    const uint64_t bytes = 4 * (2 * unknowns * unknowns + 4 * unknowns * x[2] + tokens * x[2]);
    in_parts(recorder, x[0], bytes, [&](uint32_t first, uint32_t count) {
        const auto matrix = [&](const Tensor& whole) {
            return part_of(whole, first, count).as({count, 1, whole.shape[1], whole.shape[2]});
        };
        const auto row = [&](const Tensor& whole) {
            return part_of(whole, first, count).as({count, whole.shape[1], 1, whole.shape[2]});
        };
        Part part{request, {}, {}};
        part.sum.x = part.rows.x = matrix(out.at("x"));
        part.sum.report = part.rows.report = part_of(out.at("report"), first, count).as({count, 1, kSolveReportWords});
        part.sum.alpha = request.ridge.alpha;
        part.sum.is_relative = request.ridge.is_relative;
        part.rows.regularization = request.ridge;
        if (has_rows) {
            part.rows.k = row(in.at("k"));
            part.rows.v = row(in.at("v"));
            return solve_rows(recorder, part);
        }
        part.sum.a = matrix(in.at("a"));
        part.sum.rhs = matrix(in.at("rhs"));
        solve_sums(recorder, part);
    });
}

} // namespace

Operator ridge_solve_operator()
{
    constexpr bool kOptional = true;
    return {.name = "ridge_solve",
            .layout = Layout::batch,
            .inputs = {{"a", kOptional}, {"rhs", kOptional}, {"k", kOptional}, {"v", kOptional}},
            .outputs = {"x"},
            .attributes = {"alpha", "alpha_relative", "solver", "refine", "iterations", "cg_start"},
            .infer = infer_ridge_solve,
            .record = record_ridge_solve};
}

} // namespace gramian
