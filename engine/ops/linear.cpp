#include "ops/linear.hpp"

#include "ops/half_weights.hpp"
#include "ops/kernels.hpp"
#include "ops/linear_twin.hpp"
#include "shaders/linear.h"

#include <cassert>

namespace gramian {
namespace {

constexpr uint32_t kRowsPerGroup = 4;
constexpr uint32_t kColumnsPerGroup = 64;
// A loop trip for four inputs and two for 256 of them; drivers exist that stop silently after 65,535.
constexpr uint32_t kMaxWidth = 240'000;

template <bool kHalves>
void on_host(const HostLaunch& launch)
{
    const auto p = launch.parameters<gpu::LinearParameters>();
    const float* bias = launch.constants[3] ? launch.floats(Arena::weights, p.bias) : nullptr;
    const auto packed = weights_at<kHalves>(launch, p.weight);
    twin::linear(
        launch.floats(launch.constants[0], p.x),
        [&](uint32_t column, uint32_t i) { return packed(4 * (size_t{i / 4} * p.columns + column) + i % 4); }, bias,
        launch.floats(launch.constants[1], p.y), launch.rows(p.rows), p.width, p.columns,
        static_cast<Activation>(launch.constants[2]));
}

} // namespace

std::vector<float> pack_linear_weight(std::span<const float> weight, uint32_t columns, uint32_t width)
{
    assert(weight.size() == size_t{columns} * width);
    std::vector<float> packed(size_t{4} * ceil_div(width, 4) * columns, 0.0F);
    for (uint32_t column = 0; column < columns; ++column) {
        for (uint32_t i = 0; i < width; ++i) {
            packed[4 * (size_t{i / 4} * columns + column) + i % 4] = weight[size_t{column} * width + i];
        }
    }
    return packed;
}

Slice packed_slice(const Tensor& weight)
{
    const uint64_t vectors = uint64_t{ceil_div(weight.shape[1], 4)} * weight.shape[0];
    return {weight.arena, uint64_t{4} * weight.offset, 4 * dtype_size(weight.dtype) * vectors};
}

void linear(Recorder& recorder, const Tensor& x, const Tensor& weight, const Tensor* bias, const Tensor& y,
            Activation activation)
{
    const uint32_t width = x.shape.last();
    const uint32_t columns = y.shape.last();
    const auto rows = static_cast<uint32_t>(x.element_count() / width);
    if (weight.shape != Shape{columns, width} || y.element_count() != uint64_t{rows} * columns ||
        (bias && bias->shape != Shape{columns})) {
        raise(Status::invalid_argument, "linear: x {}, weight {} and y {} do not fit together", x.shape.text(),
              weight.shape.text(), y.shape.text());
    }
    if (width > kMaxWidth) raise(Status::unsupported, "linear: width {}, at most {}", width, kMaxWidth);
    const bool has_halves = weight.dtype == DType::f16;
    const uint32_t rows_per_launch = recorder.caps.max_groups * kRowsPerGroup;
    for (uint32_t first = 0; first < rows; first += std::min(rows_per_launch, rows - first)) {
        const uint32_t count = std::min(rows_per_launch, rows - first);
        Launch launch;
        launch.kernel = {has_halves ? &kernels::linear_halves : &kernels::linear,
                         {arena_constant(x), arena_constant(y), static_cast<uint32_t>(activation), bias ? 1U : 0U}};
        launch.set_push(gpu::LinearParameters{x.offset + first * width, weight.offset, bias ? bias->offset : 0,
                                              y.offset + first * columns, count, width, columns});
        launch.groups = {ceil_div(columns, kColumnsPerGroup), ceil_div(count, kRowsPerGroup), 1};
        follow_slots(recorder, launch, 1, rows, kRowsPerGroup, first);
        launch.reads = {x.slice(), packed_slice(weight)};
        if (bias) launch.reads.push_back(bias->slice());
        launch.writes = {y.slice()};
        launch.host = has_halves ? on_host<true> : on_host<false>;
        recorder.list.append(std::move(launch));
    }
}

} // namespace gramian
