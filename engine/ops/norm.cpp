#include "ops/norm.hpp"

#include "ops/kernels.hpp"
#include "ops/norm_twin.hpp"
#include "shaders/norm.h"

namespace gramian {
namespace {

void on_host(const HostLaunch& launch)
{
    const auto p = launch.parameters<gpu::NormParameters>();
    const auto kind = static_cast<Norm>(launch.constants[2]);
    for (uint32_t row = p.first_row; row < p.first_row + launch.groups[0]; ++row) {
        for (uint32_t head = 0; head < p.heads; ++head) {
            const size_t at = (size_t{row} * p.heads + head) * p.width;
            const size_t channel = size_t{head} * p.width;
            const auto of_block = [&](uint32_t offset) {
                return offset == kNone ? nullptr : launch.floats(Arena::weights, offset) + channel;
            };
            twin::norm<float>(kind, launch.floats(launch.constants[0], p.x) + at, of_block(p.weight), of_block(p.bias),
                              launch.floats(launch.constants[1], p.y) + at, p.width, p.epsilon);
        }
    }
}

} // namespace

void norm(Recorder& recorder, Norm kind, const Tensor& x, const Tensor* weight, const Tensor* bias, const Tensor& y,
          uint32_t heads, float epsilon)
{
    const uint32_t channels = x.shape.last();
    if (channels % heads != 0 || y.element_count() != x.element_count() ||
        (weight && weight->shape != Shape{channels}) || (bias && bias->shape != Shape{channels})) {
        raise(Status::invalid_argument, "norm: x {}, y {} and {} heads do not fit together", x.shape.text(),
              y.shape.text(), heads);
    }
    const auto rows = static_cast<uint32_t>(x.element_count() / channels);
    for (uint32_t first = 0; first < rows; first += std::min(recorder.caps.max_groups, rows - first)) {
        Launch launch;
        launch.kernel = {&kernels::norm, {arena_constant(x), arena_constant(y), static_cast<uint32_t>(kind)}};
        launch.set_push(gpu::NormParameters{x.offset, weight ? weight->offset : kNone, bias ? bias->offset : kNone,
                                            y.offset, first, heads, channels / heads, epsilon});
        launch.groups = {std::min(recorder.caps.max_groups, rows - first), heads, 1};
        follow_slots(recorder, launch, 0, rows, 1, first);
        launch.reads = {x.slice()};
        for (const Tensor* constant : {weight, bias}) {
            if (constant) launch.reads.push_back(constant->slice());
        }
        launch.writes = {y.slice()};
        launch.host = on_host;
        recorder.list.append(std::move(launch));
    }
}

} // namespace gramian
