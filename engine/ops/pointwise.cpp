#include "ops/pointwise.hpp"

#include "ops/kernels.hpp"
#include "ops/pointwise_twin.hpp"
#include "shaders/pointwise.h"

namespace gramian {
namespace {

void on_host(const HostLaunch& launch)
{
    const auto p = launch.parameters<gpu::PointwiseParameters>();
    const float* x = launch.floats(launch.constants[0], p.x);
    const float* gate = launch.floats(launch.constants[1], p.gate);
    float* y = launch.floats(launch.constants[2], p.y);
    const auto operation = static_cast<Pointwise>(launch.constants[3]);
    const auto activation = static_cast<Activation>(launch.constants[4]);
    const bool has_gate = operation >= Pointwise::add_activate && operation <= Pointwise::multiply;
    const bool has_bounds = operation >= Pointwise::squash_clip;
    for (uint32_t i = 0; i < launch.rows(p.count); ++i) {
        const float low = has_bounds ? launch.floats(Arena::weights, p.low)[i % p.columns] : 0;
        const float high = has_bounds ? launch.floats(Arena::weights, p.high)[i % p.columns] : 0;
        y[i] = twin::pointwise(operation, activation, x[i], has_gate ? gate[i] : 0, low, high, p.epsilon, p.clip);
    }
}

} // namespace

void pointwise(Recorder& recorder, Pointwise operation, const Tensor& x, const PointwiseOperands& operands,
               const Tensor& y)
{
    const Tensor* gate = operands.gate;
    if (x.element_count() != y.element_count() || (gate && gate->element_count() != x.element_count())) {
        raise(Status::invalid_argument, "pointwise: x {} and y {} differ", x.shape.text(), y.shape.text());
    }
    const auto count = static_cast<uint32_t>(x.element_count());
    Launch launch;
    launch.kernel = {&kernels::pointwise,
                     {arena_constant(x), gate ? arena_constant(*gate) : arena_constant(x), arena_constant(y),
                      static_cast<uint32_t>(operation), static_cast<uint32_t>(operands.activation)}};
    launch.set_push(gpu::PointwiseParameters{x.offset, gate ? gate->offset : 0, operands.low ? operands.low->offset : 0,
                                             operands.high ? operands.high->offset : 0, y.offset, count, x.shape.last(),
                                             operands.epsilon, operands.clip});
    set_line(recorder, launch, count, count / x.shape.last());
    launch.reads = {x.slice()};
    for (const Tensor* operand : {gate, operands.low, operands.high}) {
        if (operand) launch.reads.push_back(operand->slice());
    }
    launch.writes = {y.slice()};
    launch.host = on_host;
    recorder.list.append(std::move(launch));
}

} // namespace gramian
