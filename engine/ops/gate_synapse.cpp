#include "ops/gate_synapse.hpp"

#include "ops/gate_synapse_twin.hpp"
#include "ops/kernels.hpp"
#include "ops/operator.hpp"
#include "shaders/gate_synapse.h"

namespace gramian {
namespace {

// Drivers exist that stop silently after 65,535 loop trips of an invocation.
constexpr uint32_t kMaxTrips = 60'000;

void on_host(const HostLaunch& launch)
{
    const auto p = launch.parameters<gpu::GateSynapseParameters>();
    const auto& c = launch.constants;
    for (uint32_t row = p.first_row; row < p.first_row + launch.groups[0]; ++row) {
        twin::gate_synapse(launch.floats(c[0], p.x) + size_t{row} * p.width, launch.floats(Arena::weights, p.weight),
                           launch.floats(c[1], p.gate) + size_t{row} * p.gate_row,
                           p.bias == kNone ? nullptr : launch.floats(Arena::weights, p.bias),
                           launch.floats(c[2], p.y) + size_t{row} * p.columns, p.width, p.columns);
    }
}

std::vector<std::pair<std::string, Shape>> infer(const Attributes&, const Tensors& in)
{
    const Shape& x = in.at("x").shape;
    const Shape& weight = in.at("weight").shape;
    const Shape& gate = in.at("gate").shape;
    if (x.rank() != 2 || weight.rank() != 2 || weight[1] != x[1]) {
        raise(Status::invalid_argument, "gate_synapse: x {} and weight {}: expected [B, N] and [M, N]", x.text(),
              weight.text());
    }
    // The gates of a node are one value: the vector of M N numbers of each token.
    const Shape flat{x[0], weight[0] * weight[1]};
    const Shape each{x[0], weight[0], weight[1]};
    if (gate != weight && gate != each && gate != flat) {
        raise(Status::invalid_argument, "gate_synapse: gate: expected {}, {} or {}, found {}", each.text(), flat.text(),
              weight.text(), gate.text());
    }
    const Tensor* bias = in.find("bias");
    if (bias && bias->shape != Shape{weight[0]}) {
        raise(Status::invalid_argument, "gate_synapse: bias: expected [{}], found {}", weight[0], bias->shape.text());
    }
    return {{"y", {x[0], weight[0]}}};
}

void record(Recorder& recorder, const Attributes&, const Tensors& in, const Tensors& out)
{
    gate_synapse(recorder, in.at("x"), in.at("weight"), in.at("gate"), in.find("bias"), out.at("y"));
}

} // namespace

void gate_synapse(Recorder& recorder, const Tensor& x, const Tensor& weight, const Tensor& gate, const Tensor* bias,
                  const Tensor& y)
{
    const uint32_t rows = x.shape[0];
    const uint32_t columns = weight.shape[0];
    const uint32_t width = weight.shape[1];
    const uint64_t count = uint64_t{columns} * width;
    const bool is_shared = gate.element_count() == count;
    if (x.shape != Shape{rows, width} || y.shape != Shape{rows, columns} ||
        (!is_shared && gate.element_count() != rows * count)) {
        raise(Status::invalid_argument, "gate_synapse: x {}, weight {}, gate {} and y {} do not fit together",
              x.shape.text(), weight.shape.text(), gate.shape.text(), y.shape.text());
    }
    if (ceil_div(width, 64) > kMaxTrips || columns > recorder.caps.max_groups) {
        raise(Status::unsupported, "gate_synapse: weight {}: expected at most [{}, {}]", weight.shape.text(),
              recorder.caps.max_groups, 64 * kMaxTrips);
    }
    for (uint32_t first = 0; first < rows; first += std::min(recorder.caps.max_groups, rows - first)) {
        Launch launch;
        launch.kernel = {&kernels::gate_synapse, {arena_constant(x), arena_constant(gate), arena_constant(y)}};
        launch.set_push(gpu::GateSynapseParameters{x.offset, weight.offset, gate.offset, bias ? bias->offset : kNone,
                                                   y.offset, first, width, columns,
                                                   is_shared ? 0U : static_cast<uint32_t>(count)});
        launch.groups = {std::min(recorder.caps.max_groups, rows - first), columns, 1};
        launch.reads = {x.slice(), weight.slice(), gate.slice()};
        if (bias) launch.reads.push_back(bias->slice());
        launch.writes = {y.slice()};
        follow_slots(recorder, launch, 0, rows, 1, first);
        launch.host = on_host;
        recorder.list.append(std::move(launch));
    }
}

Operator gate_synapse_operator()
{
    constexpr bool kOptional = true;
    constexpr bool kConstant = true;
    return {.name = "gate_synapse",
            .layout = Layout::rows,
            .inputs = {{"x"}, {"weight", false, kConstant}, {"gate"}, {"bias", kOptional, kConstant}},
            .outputs = {"y"},
            .attributes = {},
            .infer = infer,
            .record = record};
}

} // namespace gramian
