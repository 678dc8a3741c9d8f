#include "ops/short_conv.hpp"

#include "ops/kernels.hpp"
#include "ops/operator.hpp"
#include "ops/short_conv_twin.hpp"
#include "shaders/short_conv.h"

namespace gramian {
namespace {

// Drivers exist that stop silently after 65,535 loop trips of an invocation: longer sequences become several launches.
constexpr uint32_t kMaxTrips = 60'000;
constexpr uint32_t kMaxTaps = 1'024;

enum Constant : uint32_t { kXArena, kYArena, kStateArena, kActivation, kHasInitial, kHasState };

void on_host(const HostLaunch& launch)
{
    const auto p = launch.parameters<gpu::ShortConvParameters>();
    const auto& c = launch.constants;
    const auto* words = reinterpret_cast<const uint32_t*>(launch.arenas[static_cast<size_t>(Arena::io)]);
    const uint32_t before = p.taps - 1;
    if (p.first > 0) return; // the first launch takes every token
    for (uint32_t slot = 0; slot < launch.rows(p.slots * p.channels) / p.channels; ++slot) {
        const uint32_t stream = p.streams == kNone ? slot : words[p.streams + slot];
        const uint32_t count = p.counts == kNone ? p.tokens : words[p.counts + slot];
        if (stream == kNone || count == 0) continue;
        const size_t kept = size_t{stream} * before * p.channels;
        const size_t at = size_t{slot} * p.tokens * p.channels;
        twin::short_conv<float>(launch.floats(c[kXArena], p.x) + at, launch.floats(Arena::weights, p.weight),
                                p.bias == kNone ? nullptr : launch.floats(Arena::weights, p.bias),
                                c[kHasInitial] ? launch.floats(c[kStateArena], p.initial) + kept : nullptr,
                                c[kHasState] ? launch.floats(c[kStateArena], p.state) + kept : nullptr,
                                launch.floats(c[kYArena], p.y) + at, count, p.channels, p.taps,
                                static_cast<Activation>(c[kActivation]));
    }
}

void check(const ShortConv& conv)
{
    const Shape& x = conv.x.shape;
    const Shape& w = conv.weight.shape;
    const bool fits = x.rank() == 3 && conv.y.shape == x && w.rank() == 2 && w[0] == x[2] &&
                      (!conv.bias || conv.bias->shape == Shape{x[2]}) &&
                      (!conv.state || (conv.state->shape[1] == w[1] - 1 && conv.state->shape[2] == x[2]));
    if (!fits) {
        raise(Status::invalid_argument, "short_conv: x {}, weight {} and y {} do not fit together", x.text(), w.text(),
              conv.y.shape.text());
    }
}

} // namespace

void short_conv(Recorder& recorder, const ShortConv& conv)
{
    check(conv);
    const Shape& x = conv.x.shape;
    const uint32_t taps = conv.weight.shape[1];
    const uint32_t tokens_per_launch = kMaxTrips / (taps + 2) - 1; // a loop also counts the trip that ends it
    for (uint32_t first = 0; first < x[1]; first += std::min(tokens_per_launch, x[1] - first)) {
        Launch launch;
        const Tensor& state_like = conv.state ? *conv.state : conv.initial ? *conv.initial : conv.x;
        launch.kernel = {&kernels::short_conv,
                         {arena_constant(conv.x), arena_constant(conv.y), arena_constant(state_like),
                          static_cast<uint32_t>(conv.activation), conv.initial ? 1U : 0U, conv.state ? 1U : 0U}};
        launch.set_push(gpu::ShortConvParameters{
            conv.x.offset, conv.weight.offset, conv.bias ? conv.bias->offset : kNone, conv.y.offset,
            conv.initial ? conv.initial->offset : kNone, conv.state ? conv.state->offset : kNone, conv.map.streams,
            conv.map.counts, x[0], x[1], first, std::min(tokens_per_launch, x[1] - first), x[2], taps});
        set_line(recorder, launch, x[0] * x[2], x[0]);
        launch.reads = {conv.x.slice(), conv.weight.slice()};
        for (const Tensor* tensor : {conv.bias, conv.initial}) {
            if (tensor) launch.reads.push_back(tensor->slice());
        }
        launch.writes = {conv.y.slice()};
        if (conv.state) launch.writes.push_back(conv.state->slice());
        launch.host = on_host;
        recorder.list.append(std::move(launch));
    }
}

// The operator ----------------------------------------------------------------------------------------------------

namespace {

Activation kind_of(const Attributes& attributes)
{
    return static_cast<Activation>(attributes.choice("kind", kActivationNames, 0));
}

std::vector<StateShape> states(const Attributes&, const Tensors& in)
{
    const uint32_t before = in.at("weight").shape[1] - 1;
    if (before == 0) return {}; // a single tap remembers nothing
    return {{"state", {before, in.at("x").shape[2]}}};
}

std::vector<std::pair<std::string, Shape>> infer(const Attributes& attributes, const Tensors& in)
{
    kind_of(attributes);
    const Shape& x = in.at("x").shape;
    const Shape& w = in.at("weight").shape;
    if (x.rank() != 3 || w.rank() != 2 || w[0] != x[2] || w[1] > kMaxTaps) {
        raise(Status::invalid_argument, "short_conv: x {} and weight {}: expected [B, T, C] and [C, K], K up to {}",
              x.text(), w.text(), kMaxTaps);
    }
    const Tensor* bias = in.find("bias");
    if (bias && bias->shape != Shape{x[2]}) {
        raise(Status::invalid_argument, "short_conv: bias: expected [{}], found {}", x[2], bias->shape.text());
    }
    std::vector<std::pair<std::string, Shape>> out{{"y", x}};
    const Tensor* given = in.find("state");
    if (w[1] > 1) out.emplace_back("state", Shape{x[0], w[1] - 1, x[2]});
    if (given && (w[1] == 1 || given->shape != out[1].second)) {
        raise(Status::invalid_argument, "short_conv: state: expected {}, found {}",
              w[1] == 1 ? "none" : out[1].second.text(), given->shape.text());
    }
    return out;
}

ShortConv call_of(const Attributes& attributes, const Tensors& in, const Tensors& out)
{
    ShortConv conv;
    conv.x = in.at("x");
    conv.weight = in.at("weight");
    conv.bias = in.find("bias");
    conv.y = out.at("y");
    conv.activation = kind_of(attributes);
    return conv;
}

void record(Recorder& recorder, const Attributes& attributes, const Tensors& in, const Tensors& out)
{
    ShortConv conv = call_of(attributes, in, out);
    conv.state = out.find("state");
    conv.initial = in.find("state");
    short_conv(recorder, conv);
}

void record_recurrent(Recorder& recorder, const Attributes& attributes, const Tensors& in, const Tensors& kept,
                      const Tensors& out, const SlotMap& map)
{
    ShortConv conv = call_of(attributes, in, out);
    conv.state = kept.find("state");
    conv.initial = conv.state;
    conv.map = map;
    short_conv(recorder, conv);
}

const RecurrentOps kRecurrent{states, record_recurrent};

} // namespace

Operator short_conv_operator()
{
    constexpr bool kOptional = true;
    constexpr bool kConstant = true;
    return {.name = "short_conv",
            .layout = Layout::sequences,
            .inputs = {{"x"}, {"weight", false, kConstant}, {"bias", kOptional, kConstant}, {"state", kOptional}},
            .outputs = {"y"},
            .attributes = {"kind"},
            .infer = infer,
            .record = record,
            .recurrent = &kRecurrent};
}

} // namespace gramian
