#include "ops/matrix_product.hpp"

#include "ops/kernels.hpp"
#include "ops/problems.hpp"
#include "ops/solve_report.hpp"

namespace gramian {
namespace {

/// Element (i, j) of the matrix of one batch element and head.
struct HostMatrix {
    const float* base;
    size_t row;
    bool is_transposed;

    HostMatrix(const float* arena, const gpu::MatrixView& view, uint32_t batch, uint32_t head, bool transposed)
        : base(arena + size_t{batch} * view.batch + size_t{head} * view.head), row(view.row), is_transposed(transposed)
    {
    }
    [[nodiscard]] float at(uint32_t i, uint32_t j) const
    {
        return is_transposed ? base[j * row + i] : base[i * row + j];
    }
};

void on_host(const HostLaunch& launch)
{
    const auto p = launch.parameters<gpu::MatrixProductParameters>();
    const auto& c = launch.constants;
    for_each_problem(launch, p.streams, launch.groups[2], p.heads, [&](const ProblemIndex& at) {
        const HostMatrix a(launch.floats(c[0], p.a.offset), p.a, at.stream, at.head, c[5] != 0);
        const HostMatrix x(launch.floats(c[1], p.x.offset), p.x, at.stream, at.head, c[6] != 0);
        const HostMatrix base(launch.floats(c[2], p.base.offset), p.base, at.stream, at.head, false);
        float* y =
            launch.floats(Arena::activations, p.y.offset) + size_t{at.slot} * p.y.batch + size_t{at.head} * p.y.head;
        const float* w = launch.floats(c[1], p.w) + at.problem * p.rows * p.columns;
        for (uint32_t i = 0; i < p.rows; ++i) {
            float shift = c[7] ? launch.floats(c[3], p.report)[at.own * kSolveReportWords + 1] : 0.0F;
            if (c[7] && p.ridge != kNone) shift += launch.floats(c[4], p.ridge)[size_t{at.head} * p.rows + i];
            for (uint32_t j = 0; j < p.columns; ++j) {
                float sum = 0;
                for (uint32_t k = 0; k < p.inner; ++k) sum += a.at(i, k) * x.at(k, j);
                float value = p.sign * sum + (p.base.offset == kNone ? 0.0F : base.at(i, j));
                if (c[7]) value -= shift * w[size_t{i} * p.columns + j];
                y[i * size_t{p.y.row} + j] = value;
            }
        }
    });
}

} // namespace

gpu::MatrixView matrix_view(const Tensor& tensor)
{
    const Shape& s = tensor.shape;
    return {tensor.offset, s[1] * s[2] * s[3], s[2] * s[3], s[3]};
}

gpu::MatrixView token_view(const Tensor& tensor)
{
    const Shape& s = tensor.shape;
    return {tensor.offset, s[1] * s[2] * s[3], s[3], s[2] * s[3]};
}

void matrix_product(Recorder& recorder, const MatrixProduct& product)
{
    assert(product.inner <= kMaxLoopTrips && product.a.tensor && product.x.tensor && product.y.tensor);
    const auto arena = [](const Tensor* tensor) { return tensor ? arena_constant(*tensor) : 2U; };
    const auto offset = [](const Tensor* tensor) { return tensor ? tensor->offset : kNone; };
    Launch launch;
    launch.kernel = {&kernels::matrix_product,
                     {arena(product.a.tensor), arena(product.x.tensor), arena(product.base.tensor),
                      arena(product.report), arena(product.ridge), product.a.is_transposed ? 1U : 0U,
                      product.x.is_transposed ? 1U : 0U, product.w ? 1U : 0U}};
    launch.set_push(gpu::MatrixProductParameters{product.a.view, product.x.view, product.base.view, product.y.view,
                                                 offset(product.w), offset(product.ridge), offset(product.report),
                                                 product.map.streams, product.heads, product.rows, product.columns,
                                                 product.inner, product.sign});
    launch.groups = {ceil_div(product.rows, 64) * ceil_div(product.columns, 4), product.heads, product.slots};
    launch.reads = {product.a.tensor->slice(), product.x.tensor->slice()};
    for (const Tensor* tensor : {product.base.tensor, product.w, product.ridge, product.report}) {
        if (tensor) launch.reads.push_back(tensor->slice());
    }
    launch.writes = {product.y.tensor->slice()};
    launch.host = on_host;
    recorder.list.append(std::move(launch));
}

void ridge_residual(Recorder& recorder, const Tensor& a, const Tensor& rhs, const Tensor* ridge, const Tensor& x,
                    const Tensor& residual, const Tensor& report, const SlotMap& map)
{
    MatrixProduct product;
    product.a = {&a, matrix_view(a), true}; // symmetric: neighbouring lanes read neighbours
    product.x = {&x, matrix_view(x)};
    product.base = {&rhs, matrix_view(rhs)};
    product.y = {&residual, matrix_view(residual)};
    product.heads = a.shape[1];
    product.slots = report.shape[0];
    product.rows = product.inner = a.shape[2];
    product.columns = rhs.shape[3];
    product.sign = -1;
    product.w = &x;
    product.ridge = ridge;
    product.report = &report;
    product.map = map;
    matrix_product(recorder, product);
}

} // namespace gramian
