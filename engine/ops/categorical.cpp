#include "ops/categorical.hpp"

#include "ops/categorical_twin.hpp"
#include "ops/kernels.hpp"
#include "ops/operator.hpp"
#include "shaders/categorical.h"

namespace gramian {
namespace {

constexpr uint32_t kMaxChannels = 65'536;

void on_host(const HostLaunch& launch)
{
    const auto p = launch.parameters<gpu::CategoricalParameters>();
    const auto& c = launch.constants;
    const auto* words = reinterpret_cast<const uint32_t*>(launch.arenas[static_cast<size_t>(Arena::io)]);
    const auto choice = static_cast<Choice>(c[3]);
    for (uint32_t row = p.first_row; row < p.first_row + launch.groups[0]; ++row) {
        const float* x = launch.floats(c[0], p.x) + size_t{row} * p.channels;
        float* y = launch.floats(c[1], p.y) + size_t{row} * (choice == Choice::softmax ? p.channels : 1);
        if (choice == Choice::softmax) twin::softmax(x, y, p.channels);
        if (choice == Choice::argmax) *y = static_cast<float>(twin::argmax(x, p.channels));
        if (choice != Choice::sample) continue;
        const uint32_t before = p.positions == kNone ? 0 : words[p.positions + row / p.tokens];
        const float key = p.key == kNone ? 0.0F : launch.floats(c[2], p.key)[row];
        const double u = twin::draw(uint64_t{p.seed_high} << 32 | p.seed_low, key, before + row % p.tokens);
        *y = static_cast<float>(twin::sample(x, p.channels, static_cast<float>(u)));
    }
}

} // namespace

void categorical(Recorder& recorder, const Categorical& choice)
{
    const Shape& x = choice.x.shape;
    const uint32_t rows = x[0] * x[1];
    const bool has_index = choice.choice != Choice::softmax;
    if (x[2] > kMaxChannels || choice.y.element_count() != uint64_t{rows} * (has_index ? 1 : x[2])) {
        raise(Status::invalid_argument, "categorical: x {} and y {} do not fit together, C up to {}", x.text(),
              choice.y.shape.text(), kMaxChannels);
    }
    for (uint32_t first = 0; first < rows; first += std::min(recorder.caps.max_groups, rows - first)) {
        Launch launch;
        launch.kernel = {&kernels::categorical,
                         {arena_constant(choice.x), arena_constant(choice.y),
                          arena_constant(choice.key ? *choice.key : choice.x), static_cast<uint32_t>(choice.choice)}};
        launch.set_push(gpu::CategoricalParameters{
            choice.x.offset, choice.y.offset, choice.key ? choice.key->offset : kNone, first, x[1], x[2],
            choice.map.positions, static_cast<uint32_t>(choice.seed), static_cast<uint32_t>(choice.seed >> 32)});
        launch.groups = {std::min(recorder.caps.max_groups, rows - first), 1, 1};
        follow_slots(recorder, launch, 0, rows, 1, first);
        launch.reads = {choice.x.slice()};
        if (choice.key) launch.reads.push_back(choice.key->slice());
        launch.writes = {choice.y.slice()};
        launch.host = on_host;
        recorder.list.append(std::move(launch));
    }
}

// The operators ---------------------------------------------------------------------------------------------------

namespace {

uint64_t seed_of(const Attributes& attributes)
{
    return static_cast<uint64_t>(attributes.count("seed", 0, 0, UINT32_MAX));
}

template <Choice kChoice>
std::vector<std::pair<std::string, Shape>> infer(const Attributes& attributes, const Tensors& in)
{
    const Shape& x = in.at("x").shape;
    if (x.rank() != 3 || x[2] > kMaxChannels) {
        raise(Status::invalid_argument, "x {}: expected [B, T, C], C up to {}", x.text(), kMaxChannels);
    }
    if (kChoice == Choice::softmax) return {{"y", x}};
    if (kChoice == Choice::sample) seed_of(attributes);
    const Shape one{x[0], x[1], 1};
    const Tensor* key = in.find("key");
    if (key && key->shape != one) {
        raise(Status::invalid_argument, "key: expected {}, found {}", one.text(), key->shape.text());
    }
    return {{"y", one}};
}

template <Choice kChoice>
void record_with_map(Recorder& recorder, const Attributes& attributes, const Tensors& in, const Tensors& out,
                     const SlotMap& map)
{
    Categorical choice;
    choice.choice = kChoice;
    choice.x = in.at("x");
    choice.y = out.at("y");
    choice.key = in.find("key");
    if (kChoice == Choice::sample) choice.seed = seed_of(attributes);
    choice.map = map;
    categorical(recorder, choice);
}

template <Choice kChoice>
void record(Recorder& recorder, const Attributes& attributes, const Tensors& in, const Tensors& out)
{
    record_with_map<kChoice>(recorder, attributes, in, out, {});
}

std::vector<StateShape> no_states(const Attributes&, const Tensors&)
{
    return {}; // a draw depends on the stream's position, which the session keeps
}

void record_sample(Recorder& recorder, const Attributes& attributes, const Tensors& in, const Tensors&,
                   const Tensors& out, const SlotMap& map)
{
    record_with_map<Choice::sample>(recorder, attributes, in, out, map);
}

const RecurrentOps kSampleRecurrent{no_states, record_sample};

} // namespace

Operator argmax_operator()
{
    return {.name = "argmax",
            .layout = Layout::sequences,
            .inputs = {{"x"}},
            .outputs = {"y"},
            .infer = infer<Choice::argmax>,
            .record = record<Choice::argmax>,
            .makes_index = true};
}

Operator sample_operator()
{
    constexpr bool kOptional = true;
    return {.name = "sample",
            .layout = Layout::sequences,
            .inputs = {{"x"}, {"key", kOptional}},
            .outputs = {"y"},
            .attributes = {"seed"},
            .infer = infer<Choice::sample>,
            .record = record<Choice::sample>,
            .recurrent = &kSampleRecurrent,
            .makes_index = true};
}

Operator softmax_operator()
{
    return {.name = "softmax",
            .layout = Layout::sequences,
            .inputs = {{"x"}},
            .outputs = {"y"},
            .infer = infer<Choice::softmax>,
            .record = record<Choice::softmax>};
}

} // namespace gramian
