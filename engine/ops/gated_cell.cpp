#include "ops/gated_cell.hpp"

#include "ops/gated_cell_twin.hpp"
#include "ops/half_weights.hpp"
#include "ops/kernels.hpp"
#include "ops/linear.hpp"
#include "ops/operator.hpp"
#include "shaders/gated_cell.h"

#include <cstring>

namespace gramian {
namespace {

// Drivers exist that stop silently after 65,535 loop trips of an invocation: longer sequences become several launches.
constexpr uint32_t kMaxTrips = 60'000;
constexpr uint32_t kMaxWidth = 1'024; // h in shared memory, twice

enum Constant : uint32_t { kYArena, kStateArena, kIsLstm, kHasInitial };

template <bool kHalves>
void on_host(const HostLaunch& launch)
{
    const auto p = launch.parameters<gpu::GatedCellParameters>();
    const auto& k = launch.constants;
    const auto* words = reinterpret_cast<const uint32_t*>(launch.arenas[static_cast<size_t>(Arena::io)]);
    const uint32_t rows = (k[kIsLstm] ? 4 : 3) * p.width;
    const auto packed = weights_at<kHalves>(launch, p.weight);
    const auto weight = [&](uint32_t row, uint32_t i) { return packed(4 * (size_t{i / 4} * rows + row) + i % 4); };
    for (uint32_t slot = p.first_slot; slot < p.first_slot + launch.groups[0]; ++slot) {
        const uint32_t stream = p.streams == kNone ? slot : words[p.streams + slot];
        const uint32_t all = p.counts == kNone ? p.tokens : words[p.counts + slot];
        const uint32_t end = std::min(all, p.first + p.count);
        if (stream == kNone || end <= p.first) continue;
        const auto state = [&](uint32_t offset) {
            return launch.floats(k[kStateArena], offset) + size_t{stream} * p.width;
        };
        const auto begin = [&](uint32_t initial, uint32_t kept) {
            if (k[kHasInitial])
                std::memmove(state(kept), state(initial), size_t{4} * p.width);
            else
                std::fill_n(state(kept), p.width, 0.0F);
        };
        begin(p.initial_h, p.h);
        if (k[kIsLstm]) begin(p.initial_c, p.c);
        for (uint32_t t = p.first; t < end; ++t) {
            const size_t token = size_t{slot} * p.tokens + t;
            twin::gated_cell_step(launch.floats(Arena::activations, p.gates) + token * rows, weight,
                                  p.bias == kNone ? nullptr : launch.floats(Arena::weights, p.bias), state(p.h),
                                  k[kIsLstm] ? state(p.c) : nullptr, p.width);
            std::memcpy(launch.floats(k[kYArena], p.y) + token * p.width, state(p.h), size_t{4} * p.width);
        }
    }
}

} // namespace

void gated_cell(Recorder& recorder, const GatedCell& cell)
{
    const Shape& x = cell.x.shape;
    const uint32_t width = cell.y.shape[2];
    const uint32_t rows = (cell.is_lstm ? 4 : 3) * width;
    // The input's half is a layer over all tokens; only the rest has to wait for the token before.
    const Tensor gates = recorder.temporary({x[0], x[1], rows});
    linear(recorder, cell.x.as({x[0] * x[1], x[2]}), cell.weight_ih, cell.bias_ih, gates.as({x[0] * x[1], rows}),
           Activation::identity);
    const bool has_halves = cell.weight_hh.dtype == DType::f16;
    const uint32_t trips = ceil_div(width, 64) * (ceil_div(width, 4) + 6) + 1; // of an invocation for a token
    const uint32_t tokens_per_launch = (kMaxTrips - 2 * kMaxWidth / 64) / trips;
    const auto offset = [](const Tensor* tensor) { return tensor ? tensor->offset : kNone; };
    for (uint32_t first = 0; first < x[1]; first += std::min(tokens_per_launch, x[1] - first)) {
        const bool continues = first > 0;
        for (uint32_t slot = 0; slot < x[0]; slot += std::min(recorder.caps.max_groups, x[0] - slot)) {
            Launch launch;
            launch.kernel = {has_halves ? &kernels::gated_cell_halves : &kernels::gated_cell,
                             {arena_constant(cell.y), arena_constant(cell.h), cell.is_lstm ? 1U : 0U,
                              continues || cell.initial_h ? 1U : 0U}};
            launch.set_push(gpu::GatedCellParameters{gates.offset, cell.weight_hh.offset, offset(cell.bias_hh),
                                                     cell.y.offset, continues ? cell.h.offset : offset(cell.initial_h),
                                                     continues ? offset(cell.c) : offset(cell.initial_c), cell.h.offset,
                                                     offset(cell.c), cell.map.streams, cell.map.counts, slot, x[1],
                                                     first, std::min(tokens_per_launch, x[1] - first), width});
            launch.groups = {std::min(recorder.caps.max_groups, x[0] - slot), 1, 1};
            follow_slots(recorder, launch, 0, x[0], 1, slot);
            launch.reads = {gates.slice(), packed_slice(cell.weight_hh)};
            for (const Tensor* tensor : {cell.bias_hh, cell.initial_h, cell.initial_c}) {
                if (tensor) launch.reads.push_back(tensor->slice());
            }
            launch.writes = {cell.y.slice(), cell.h.slice()};
            if (cell.c) launch.writes.push_back(cell.c->slice());
            launch.host = has_halves ? on_host<true> : on_host<false>;
            recorder.list.append(std::move(launch));
        }
    }
}

// The operators ---------------------------------------------------------------------------------------------------

namespace {

std::vector<float> pack(std::span<const float> weight, const Shape& shape)
{
    return pack_linear_weight(weight, shape[0], shape[1]);
}

uint32_t width_of(const Tensors& in)
{
    const Shape& w = in.at("weight_hh").shape;
    return w.rank() == 2 ? w[1] : 0;
}

void require(const Tensors& in, const char* port, const Shape& expected)
{
    const Tensor* tensor = in.find(port);
    if (!tensor || tensor->shape == expected) return;
    raise(Status::invalid_argument, "{}: expected {}, found {}", port, expected.text(), tensor->shape.text());
}

template <bool kLstm>
std::vector<StateShape> states(const Attributes&, const Tensors& in)
{
    std::vector<StateShape> kept{{"state", {width_of(in)}}};
    if (kLstm) kept.push_back({"state_c", {width_of(in)}});
    return kept;
}

template <bool kLstm>
std::vector<std::pair<std::string, Shape>> infer(const Attributes&, const Tensors& in)
{
    const Shape& x = in.at("x").shape;
    const uint32_t width = width_of(in);
    const uint32_t rows = (kLstm ? 4 : 3) * width;
    if (x.rank() != 3 || width == 0 || width > kMaxWidth) {
        raise(Status::invalid_argument, "x {} and weight_hh {}: expected [B, T, C] and [{} M, M], M up to {}", x.text(),
              in.at("weight_hh").shape.text(), kLstm ? 4 : 3, kMaxWidth);
    }
    require(in, "weight_hh", {rows, width});
    require(in, "weight_ih", {rows, x[2]});
    for (const char* bias : {"bias_ih", "bias_hh"}) require(in, bias, {rows});
    for (const char* state : {"state", "state_c"}) require(in, state, {x[0], width});
    if (kLstm && in.has("state") != in.has("state_c")) {
        raise(Status::invalid_argument, "state and state_c: expected both or neither");
    }
    std::vector<std::pair<std::string, Shape>> out{{"y", {x[0], x[1], width}}, {"state", {x[0], width}}};
    if (kLstm) out.emplace_back("state_c", Shape{x[0], width});
    return out;
}

template <bool kLstm>
GatedCell call_of(const Tensors& in, const Tensors& out, const Tensors& kept, const Tensors& initial)
{
    GatedCell cell;
    cell.is_lstm = kLstm;
    cell.x = in.at("x");
    cell.weight_ih = in.at("weight_ih");
    cell.weight_hh = in.at("weight_hh");
    cell.bias_ih = in.find("bias_ih");
    cell.bias_hh = in.find("bias_hh");
    cell.y = out.at("y");
    cell.h = kept.at("state");
    cell.c = kept.find("state_c");
    cell.initial_h = initial.find("state");
    cell.initial_c = initial.find("state_c");
    return cell;
}

template <bool kLstm>
void record(Recorder& recorder, const Attributes&, const Tensors& in, const Tensors& out)
{
    gated_cell(recorder, call_of<kLstm>(in, out, out, in));
}

template <bool kLstm>
void record_recurrent(Recorder& recorder, const Attributes&, const Tensors& in, const Tensors& kept, const Tensors& out,
                      const SlotMap& map)
{
    GatedCell cell = call_of<kLstm>(in, out, kept, kept);
    cell.map = map;
    gated_cell(recorder, cell);
}

template <bool kLstm>
Operator cell_operator(const char* name)
{
    static const RecurrentOps recurrent{states<kLstm>, record_recurrent<kLstm>};
    constexpr bool kOptional = true;
    constexpr bool kConstant = true;
    Operator op{
        .name = name,
        .layout = Layout::sequences,
        .inputs = {{"x"},
                   {.name = "weight_ih", .is_constant = kConstant, .pack = pack, .halves = &kernels::linear_halves},
                   {.name = "weight_hh", .is_constant = kConstant, .pack = pack, .halves = &kernels::gated_cell_halves},
                   {"bias_ih", kOptional, kConstant},
                   {"bias_hh", kOptional, kConstant},
                   {"state", kOptional}},
        .outputs = {"y"},
        .infer = infer<kLstm>,
        .record = record<kLstm>,
        .recurrent = &recurrent};
    if (kLstm) op.inputs.push_back({"state_c", kOptional});
    return op;
}

} // namespace

Operator gru_operator()
{
    return cell_operator<false>("gru");
}

Operator lstm_operator()
{
    return cell_operator<true>("lstm");
}

} // namespace gramian
