#include "ops/copy.hpp"

#include "ops/kernels.hpp"
#include "shaders/copy.h"

namespace gramian {
namespace {

void on_host(const HostLaunch& launch)
{
    const auto p = launch.parameters<gpu::CopyParameters>();
    for (uint32_t row = 0; row < launch.rows(p.count) / p.width; ++row) {
        if (launch.constants[2]) {
            std::fill_n(launch.floats(launch.constants[1], p.y) + size_t{row} * p.y_stride, p.width, p.value);
            continue;
        }
        const float* from = launch.floats(launch.constants[0], p.x) + size_t{row} * p.x_stride + p.x_first;
        std::copy_n(from, p.width, launch.floats(launch.constants[1], p.y) + size_t{row} * p.y_stride + p.y_first);
    }
}

} // namespace

void copy_columns(Recorder& recorder, const Tensor& x, uint32_t x_first, const Tensor& y, uint32_t y_first,
                  uint32_t width)
{
    const uint32_t x_stride = x.shape.last();
    const uint32_t y_stride = y.shape.last();
    const auto rows = static_cast<uint32_t>(x.element_count() / x_stride);
    if (x_first + width > x_stride || y_first + width > y_stride || uint64_t{rows} * y_stride != y.element_count()) {
        raise(Status::invalid_argument, "copy: columns {}+{} of x {} to {}+{} of y {}", x_first, width, x.shape.text(),
              y_first, width, y.shape.text());
    }
    Launch launch;
    launch.kernel = {&kernels::copy, {arena_constant(x), arena_constant(y), 0U}};
    launch.set_push(
        gpu::CopyParameters{x.offset, y.offset, rows * width, width, x_stride, x_first, y_stride, y_first, 0.0F});
    set_line(recorder, launch, rows * width, x.arena == Arena::weights ? 1 : rows);
    launch.reads = {x.slice()};
    launch.writes = {y.slice()};
    launch.host = on_host;
    recorder.list.append(std::move(launch));
}

const Tensor* in_activations(Recorder& recorder, const Tensor* tensor, Tensor& copy)
{
    if (!tensor || tensor->arena == Arena::activations) return tensor;
    copy = recorder.temporary(tensor->shape);
    copy_columns(recorder, *tensor, 0, copy, 0, tensor->shape.last());
    return &copy;
}

void copy_whole(Recorder& recorder, const Tensor& x, const Tensor& y)
{
    const auto count = static_cast<uint32_t>(x.element_count());
    copy_columns(recorder, x.as({1, count}), 0, y.as({1, count}), 0, count);
}

void fill_columns(Recorder& recorder, const Tensor& y, float value)
{
    const uint32_t width = y.shape.last();
    const auto count = static_cast<uint32_t>(y.element_count());
    Launch launch;
    launch.kernel = {&kernels::copy, {arena_constant(y), arena_constant(y), 1U}};
    launch.set_push(gpu::CopyParameters{y.offset, y.offset, count, width, width, 0, width, 0, value});
    set_line(recorder, launch, count, count / width);
    launch.writes = {y.slice()};
    launch.host = on_host;
    recorder.list.append(std::move(launch));
}

} // namespace gramian
