// The operator `log_recurrence`: the position embedding of log-space attention (Heinsen 2024, arXiv:2404.05843).
//
//     s_t = log(e^(log sigmoid(a_t) + s_{t-1}) + e^b_t),  s_{-1} = 0 unless a state is given
//
// a, b: [B,T,C] -> s: [B,T,C], state: [B,C] = the last s, and with `chunks` the states after each piece. The step form:
// the parallel one subtracts sums of logarithms that grow with T, and their rounding with them.
#include "shaders/log_recurrence.h"
#include "ops/copy.hpp"
#include "ops/kernels.hpp"
#include "ops/log_recurrence_twin.hpp"
#include "ops/operator.hpp"
#include "ops/pieces.hpp"

namespace gramian {
namespace {

constexpr uint32_t kTokensPerLaunch = 60'000; // one loop trip each; drivers exist that stop silently after 65,535

void on_host(const HostLaunch& launch)
{
    const auto p = launch.parameters<gpu::LogRecurrenceParameters>();
    const auto& c = launch.constants;
    const auto* words = reinterpret_cast<const uint32_t*>(launch.arenas[static_cast<size_t>(Arena::io)]);
    for (uint32_t slot = 0; slot < launch.groups[1]; ++slot) {
        const uint32_t stream = p.streams == kNone ? slot : words[p.streams + slot];
        const uint32_t end = std::min(p.first + p.count, p.counts == kNone ? p.tokens : words[p.counts + slot]);
        if (stream == kNone || end <= p.first) continue;
        float* state = launch.floats(c[3], p.state) + size_t{stream} * p.channels;
        const float* initial = launch.floats(c[3], p.initial) + size_t{stream} * p.channels;
        for (uint32_t i = 0; i < p.channels; ++i) state[i] = c[4] ? initial[i] : 0.0F;
        for (uint32_t t = p.first; t < end; ++t) {
            const size_t at = (size_t{slot} * p.tokens + t) * p.channels;
            const float* a = launch.floats(c[0], p.a) + at;
            const float* b = launch.floats(c[1], p.b) + at;
            float* s = launch.floats(c[2], p.s) + at;
            for (uint32_t i = 0; i < p.channels; ++i) {
                state[i] = twin::log_recurrence_step(a[i], b[i], state[i]);
                s[i] = state[i];
            }
        }
    }
}

struct LogRecurrence {
    Tensor a, b, s;                  // [B, T, C]
    Tensor state;                    // [streams, C]
    const Tensor* initial = nullptr; // like state, may be state; null: zeros, log 1
    SlotMap map;
    uint32_t first = 0;
    uint32_t count = 0;
};

void log_recurrence(Recorder& recorder, const LogRecurrence& r)
{
    const Shape& a = r.a.shape;
    bool has_initial = r.initial != nullptr;
    gpu::LogRecurrenceParameters p{r.a.offset,
                                   r.b.offset,
                                   r.s.offset,
                                   has_initial ? r.initial->offset : r.state.offset,
                                   r.state.offset,
                                   r.map.streams,
                                   r.map.counts,
                                   a[1],
                                   0,
                                   0,
                                   a[2]};
    for (uint32_t done = 0; done < r.count; done += p.count) {
        p.first = r.first + done;
        p.count = std::min(kTokensPerLaunch, r.count - done);
        Launch launch;
        launch.kernel = {
            &kernels::log_recurrence,
            {arena_constant(r.a), arena_constant(r.b), arena_constant(r.s), arena_constant(r.state), has_initial}};
        launch.set_push(p);
        launch.groups = {ceil_div(a[2], 64), a[0], 1};
        launch.reads = {r.a.slice(), r.b.slice()};
        if (r.initial) launch.reads.push_back(r.initial->slice());
        if (done > 0) launch.reads.push_back(r.state.slice());
        launch.writes = {r.s.slice(), r.state.slice()};
        follow_slots(recorder, launch, 1, a[0]);
        launch.host = on_host;
        recorder.list.append(std::move(launch));
        has_initial = true;
        p.initial = p.state; // the next launch goes on from where this one stopped
    }
}

std::vector<std::pair<std::string, Shape>> infer(const Attributes& attributes, const Tensors& in)
{
    const Shape& a = in.at("a").shape;
    const Shape& b = in.at("b").shape;
    if (a.rank() != 3 || a != b) {
        raise(Status::invalid_argument, "log_recurrence: a {} and b {}: expected [B,T,C] for both", a.text(), b.text());
    }
    const Shape state{a[0], a[2]};
    if (const Tensor* given = in.find("state"); given && given->shape != state) {
        raise(Status::invalid_argument, "log_recurrence: state: expected {}, found {}", state.text(),
              given->shape.text());
    }
    std::vector<std::pair<std::string, Shape>> out{{"s", a}, {"state", state}};
    if (attributes.has("chunks")) {
        const auto pieces = static_cast<uint32_t>(pieces_of(attributes, a[1]).size());
        out.emplace_back("state_chunks", Shape{pieces, a[0], a[2]});
    }
    return out;
}

void record(Recorder& recorder, const Attributes& attributes, const Tensors& in, const Tensors& out)
{
    LogRecurrence r;
    r.a = in.at("a");
    r.b = in.at("b");
    r.s = out.at("s");
    r.state = out.at("state");
    r.initial = in.find("state");
    uint32_t piece = 0;
    for (const uint32_t count : pieces_of(attributes, r.a.shape[1])) {
        r.count = count;
        log_recurrence(recorder, r);
        r.first += count;
        r.initial = &r.state;
        if (const Tensor* all = out.find("state_chunks")) {
            copy_columns(recorder, r.state, 0, piece_of(*all, piece), 0, r.state.shape.last());
        }
        ++piece;
    }
}

std::vector<StateShape> recurrent_states(const Attributes&, const Tensors& in)
{
    return {{"state", {in.at("a").shape.last()}}};
}

void record_recurrent(Recorder& recorder, const Attributes&, const Tensors& in, const Tensors& states,
                      const Tensors& out, const SlotMap& map)
{
    LogRecurrence r;
    r.a = in.at("a");
    r.b = in.at("b");
    r.s = out.at("s");
    r.state = states.at("state");
    r.initial = &r.state;
    r.map = map;
    r.count = r.a.shape[1];
    log_recurrence(recorder, r);
}

const RecurrentOps kRecurrent{recurrent_states, record_recurrent};

} // namespace

Operator log_recurrence_operator()
{
    constexpr bool kOptional = true;
    return {.name = "log_recurrence",
            .layout = Layout::sequences,
            .inputs = {{"a"}, {"b"}, {"state", kOptional}},
            .outputs = {"s"},
            .attributes = {"chunks"},
            .infer = infer,
            .record = record,
            .recurrent = &kRecurrent};
}

} // namespace gramian
