// The operators on triangular factors: `cholesky`, `triangular_solve`, `cholesky_update` and `qr_update`. The first two
// also give what a solve reports: min_pivot (the smallest squared diagonal entry), status, and alpha, retries and
// residual, which are 0 here. A problem without a solution gives zeros.
#include "ops/cholesky.hpp"
#include "ops/operator.hpp"
#include "ops/problems.hpp"
#include "ops/qr_update.hpp"
#include "ops/triangular_solve.hpp"

namespace gramian {
namespace {

constexpr bool kOptional = true;
constexpr Regularization kNoRidge{0, false};

using Shapes = std::vector<std::pair<std::string, Shape>>;

Shape square_shape(const Attributes& attributes, const Tensors& in)
{
    const Shape& a = in.at("a").shape;
    if (a.rank() != 3 || a[1] != a[2]) {
        raise(Status::invalid_argument, "{}: a {}: expected [B,P,P]", attributes.where(), a.text());
    }
    return a;
}

void expect_shape(const Attributes& attributes, const Tensors& in, const char* name, const Shape& expected)
{
    const Shape& found = in.at(name).shape;
    if (found == expected) return;
    raise(Status::invalid_argument, "{}: {}: expected {}, found {}", attributes.where(), name, expected.text(),
          found.text());
}

/// Problems `first` to first + count as matrices of one head.
Tensor matrices(const Tensor& whole, uint32_t first, uint32_t count)
{
    return part_of(whole, first, count).as({count, 1, whole.shape[1], whole.shape[2]});
}

Tensor reports(const Tensors& out, uint32_t first, uint32_t count)
{
    return part_of(out.at("report"), first, count).as({count, 1, kSolveReportWords});
}

Shapes infer_cholesky(const Attributes& attributes, const Tensors& in)
{
    (void)attributes.flag("lower", true);
    const Shape a = square_shape(attributes, in);
    return {{"l", a}, {"report", {a[0], kSolveReportWords}}};
}

void record_cholesky(Recorder& recorder, const Attributes& attributes, const Tensors& in, const Tensors& out)
{
    in_parts(recorder, in.at("a").shape[0], 0, [&](uint32_t first, uint32_t count) {
        Cholesky factor;
        factor.a = matrices(in.at("a"), first, count);
        factor.l = matrices(out.at("l"), first, count);
        factor.report = reports(out, first, count);
        factor.is_upper = !attributes.flag("lower", true);
        begin_solve(recorder, factor.a, kNoRidge, factor.report, {});
        cholesky(recorder, factor);
        finish_solve(recorder, factor.l, nullptr, nullptr, factor.report, {});
    });
}

Shapes infer_triangular_solve(const Attributes& attributes, const Tensors& in)
{
    (void)attributes.flag("lower", true);
    (void)attributes.flag("transpose", false);
    const Shape a = square_shape(attributes, in);
    const Shape& rhs = in.at("rhs").shape;
    if (rhs.rank() != 3 || rhs[0] != a[0] || rhs[1] != a[1]) {
        raise(Status::invalid_argument, "{}: a {} and rhs {}: expected [B,P,P] and [B,P,K]", attributes.where(),
              a.text(), rhs.text());
    }
    return {{"x", rhs}, {"report", {a[0], kSolveReportWords}}};
}

void record_triangular_solve(Recorder& recorder, const Attributes& attributes, const Tensors& in, const Tensors& out)
{
    in_parts(recorder, in.at("a").shape[0], 0, [&](uint32_t first, uint32_t count) {
        TriangularSolve solve;
        solve.a = matrices(in.at("a"), first, count);
        solve.triangle = attributes.flag("lower", true) ? Triangle::lower : Triangle::upper;
        solve.is_transposed = attributes.flag("transpose", false);
        solve.rhs = matrices(in.at("rhs"), first, count);
        solve.x = matrices(out.at("x"), first, count);
        solve.report = reports(out, first, count);
        const uint32_t unknowns = solve.a.shape[2];
        begin_solve_from_keys(recorder, solve.a.as({count, unknowns, 1, unknowns}), kNoRidge, solve.report);
        judge_diagonal(recorder, solve.a, solve.triangle, Judged::triangle, solve.report);
        triangular_solve(recorder, solve);
        finish_solve(recorder, solve.x, nullptr, nullptr, solve.report, {});
    });
}

/// The factor and the rows that come to it: a [B,P,P], x [B,R,P].
Shape update_shape(const Attributes& attributes, const Tensors& in)
{
    const Shape a = square_shape(attributes, in);
    const Shape& x = in.at("x").shape;
    if (x.rank() != 3 || x[0] != a[0] || x[2] != a[2]) {
        raise(Status::invalid_argument, "{}: a {} and x {}: expected [B,P,P] and [B,R,P]", attributes.where(), a.text(),
              x.text());
    }
    (void)attributes.number("forget", 1, 0, 1);
    return a;
}

Shapes infer_cholesky_update(const Attributes& attributes, const Tensors& in)
{
    return {{"l", update_shape(attributes, in)}};
}

Shapes infer_qr_update(const Attributes& attributes, const Tensors& in)
{
    const Shape a = update_shape(attributes, in);
    const Tensor* rhs = in.find("rhs");
    if (!rhs != !in.has("y")) raise(Status::invalid_argument, "qr_update: expected both rhs and y, or neither");
    if (!rhs) return {{"r", a}};
    if (rhs->shape.rank() != 3 || rhs->shape[0] != a[0] || rhs->shape[1] != a[1]) {
        raise(Status::invalid_argument, "qr_update: a {} and rhs {}: expected [B,P,P] and [B,P,K]", a.text(),
              rhs->shape.text());
    }
    expect_shape(attributes, in, "y", {a[0], in.at("x").shape[1], rhs->shape[2]});
    return {{"r", a}, {"z", rhs->shape}};
}

void record_update(Recorder& recorder, const Attributes& attributes, const Tensors& in, const Tensor& factor,
                   const Tensor* moments, Triangle triangle)
{
    in_parts(recorder, factor.shape[0], 0, [&](uint32_t first, uint32_t count) {
        const auto row = [&](const Tensor& whole) {
            return part_of(whole, first, count).as({count, whole.shape[1], 1, whole.shape[2]});
        };
        const Tensor a = matrices(in.at("a"), first, count);
        QrUpdate update;
        update.a = &a;
        update.x = row(in.at("x"));
        update.r = matrices(factor, first, count);
        update.triangle = triangle;
        update.forget = static_cast<float>(attributes.number("forget", 1, 0, 1));
        if (!moments) return qr_update(recorder, update);
        const Tensor rhs = matrices(in.at("rhs"), first, count);
        const Tensor y = row(in.at("y"));
        const Tensor z = matrices(*moments, first, count);
        update.rhs = &rhs;
        update.y = &y;
        update.z = &z;
        qr_update(recorder, update);
    });
}

void record_cholesky_update(Recorder& recorder, const Attributes& attributes, const Tensors& in, const Tensors& out)
{
    record_update(recorder, attributes, in, out.at("l"), nullptr, Triangle::lower);
}

void record_qr_update(Recorder& recorder, const Attributes& attributes, const Tensors& in, const Tensors& out)
{
    record_update(recorder, attributes, in, out.at("r"), out.find("z"), Triangle::upper);
}

} // namespace

Operator cholesky_operator()
{
    return {.name = "cholesky",
            .layout = Layout::batch,
            .inputs = {{"a"}},
            .outputs = {"l"},
            .attributes = {"lower"},
            .infer = infer_cholesky,
            .record = record_cholesky};
}

Operator cholesky_update_operator()
{
    return {.name = "cholesky_update",
            .layout = Layout::batch,
            .inputs = {{"a"}, {"x"}},
            .outputs = {"l"},
            .attributes = {"forget"},
            .infer = infer_cholesky_update,
            .record = record_cholesky_update};
}

Operator qr_update_operator()
{
    return {.name = "qr_update",
            .layout = Layout::batch,
            .inputs = {{"a"}, {"x"}, {"rhs", kOptional}, {"y", kOptional}},
            .outputs = {"r", "z"},
            .attributes = {"forget"},
            .infer = infer_qr_update,
            .record = record_qr_update};
}

Operator triangular_solve_operator()
{
    return {.name = "triangular_solve",
            .layout = Layout::batch,
            .inputs = {{"a"}, {"rhs"}},
            .outputs = {"x"},
            .attributes = {"lower", "transpose"},
            .infer = infer_triangular_solve,
            .record = record_triangular_solve};
}

} // namespace gramian
