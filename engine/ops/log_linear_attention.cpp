// The operator `log_linear_attention` (Guo et al. 2025, arXiv:2506.04761): linear attention with a scalar decay whose
// memory is one state a level, a level for every doubling of the distance.
//
//     o_t = scale sum_s level_scale[t][level(t, s)] e^(g_{s+1} + … + g_t) (q_t . k_s) v_s
//
// level(t, s) = 0 for s = t, else the bit length of t xor s. q, k: [B,T,H,D], v: [B,T,H,E], decay g: [B,T,H],
// level_scale: [B,T,H,L] -> o: [B,T,H,E]. A call needs L levels for its T tokens: T at most 2^(L-1). A node goes on
// beyond: its last level takes all that is older.
#include "shaders/log_linear_attention.h"
#include "ops/kernels.hpp"
#include "ops/log_linear_attention_twin.hpp"
#include "ops/operator.hpp"
#include "ops/state_read.hpp"

namespace gramian {
namespace {

// Drivers exist that stop silently after 65,535 loop trips of an invocation: longer work becomes several launches.
constexpr uint64_t kMaxTrips = 60'000;
constexpr uint32_t kMaxLevels = 32;

struct LogLinearAttention {
    Tensor q, k;   // [B, T, H, D]
    Tensor v, o;   // [B, T, H, E]
    Tensor decay;  // [B, T, H]
    Tensor scales; // [B, T, H, L]
    Tensor state;  // [streams, H, L, D, E]
    Tensor seen;   // [streams, H, 2]: tokens so far modulo 2^16, and how many times 2^16: a float counts to 2^24
    bool has_state = true; // or it is empty
    float scale = 1;
    SlotMap map;
};

enum Constant : uint32_t {
    kQArena,
    kKArena,
    kVArena,
    kDecayArena,
    kScalesArena,
    kOArena,
    kStateArena,
    kColumns,
    kHasInitial
};

void run_head(const HostLaunch& launch, const gpu::LogLinearAttentionParameters& p, uint32_t slot, uint32_t head)
{
    const auto& c = launch.constants;
    const auto* words = reinterpret_cast<const uint32_t*>(launch.arenas[static_cast<size_t>(Arena::io)]);
    const uint32_t stream = p.streams == kNone ? slot : words[p.streams + slot];
    const uint32_t end = std::min(p.first + p.count, p.counts == kNone ? p.tokens : words[p.counts + slot]);
    if (stream == kNone || end <= p.first) return;
    const twin::LogLinearSize size{p.levels, p.width, p.columns};
    const size_t at = size_t{stream} * p.heads + head;
    float* state = launch.floats(c[kStateArena], p.state) + at * size.levels * size.width * size.columns;
    float* seen = launch.floats(c[kStateArena], p.seen) + 2 * at;
    const uint32_t before = c[kHasInitial] ? static_cast<uint32_t>(seen[0] + 65'536.0 * seen[1]) : 0;
    for (uint32_t t = p.first; t < end; ++t) {
        const size_t row = (size_t{slot} * p.tokens + t) * p.heads + head;
        twin::log_linear_step(
            size, before + t - p.first, launch.floats(c[kQArena], p.q) + row * size.width,
            launch.floats(c[kKArena], p.k) + row * size.width, launch.floats(c[kVArena], p.v) + row * size.columns,
            launch.floats(c[kScalesArena], p.scales) + row * size.levels, launch.floats(c[kDecayArena], p.decay)[row],
            p.scale, state, launch.floats(c[kOArena], p.o) + row * size.columns);
    }
    const uint32_t after = before + end - p.first;
    seen[0] = static_cast<float>(after % 65'536);
    seen[1] = static_cast<float>(after / 65'536);
}

void on_host(const HostLaunch& launch)
{
    const auto p = launch.parameters<gpu::LogLinearAttentionParameters>();
    for (uint32_t slot = 0; slot < launch.groups[2]; ++slot) {
        for (uint32_t head = 0; head < p.heads; ++head) run_head(launch, p, slot, head);
    }
}

void log_linear_attention(Recorder& recorder, const LogLinearAttention& a)
{
    const Shape& k = a.k.shape;
    const uint32_t columns = a.v.shape[3];
    const uint32_t levels = a.scales.shape[3];
    const uint32_t group_columns = columns_per_group(columns);
    // Loop trips of an invocation for one token, the test that ends a loop counted: rows of every level, the sum over
    // lanes.
    const uint64_t rows = ceil_div(k[3], 64 / group_columns);
    const uint64_t trips = ceil_div(columns, group_columns) * (rows * (levels + 3) + 10);
    if (trips > kMaxTrips) {
        raise(Status::unsupported, "log_linear_attention: {} levels of {} x {} a head need {} loop trips, at most {}",
              levels, k[3], columns, trips, kMaxTrips);
    }
    gpu::LogLinearAttentionParameters p{a.q.offset,
                                        a.k.offset,
                                        a.v.offset,
                                        a.decay.offset,
                                        a.scales.offset,
                                        a.o.offset,
                                        a.state.offset,
                                        a.seen.offset,
                                        a.map.streams,
                                        a.map.counts,
                                        k[1],
                                        0,
                                        0,
                                        k[2],
                                        levels,
                                        k[3],
                                        columns,
                                        a.scale};
    bool has_initial = a.has_state;
    for (uint32_t done = 0; done < k[1]; done += p.count) {
        p.first = done;
        p.count = std::min(static_cast<uint32_t>(kMaxTrips / trips), k[1] - done);
        Launch launch;
        launch.kernel = {&kernels::log_linear_attention,
                         {arena_constant(a.q), arena_constant(a.k), arena_constant(a.v), arena_constant(a.decay),
                          arena_constant(a.scales), arena_constant(a.o), arena_constant(a.state), group_columns,
                          has_initial}};
        launch.set_push(p);
        launch.groups = {1, k[2], k[0]};
        launch.reads = {a.q.slice(), a.k.slice(), a.v.slice(), a.decay.slice(), a.scales.slice()};
        if (has_initial) launch.reads.insert(launch.reads.end(), {a.state.slice(), a.seen.slice()});
        launch.writes = {a.o.slice(), a.state.slice(), a.seen.slice()};
        follow_slots(recorder, launch, 2, k[0]);
        launch.host = on_host;
        recorder.list.append(std::move(launch));
        has_initial = true;
    }
}

std::vector<std::pair<std::string, Shape>> infer(const Attributes& attributes, const Tensors& in)
{
    const Shape& k = in.at("k").shape;
    const Shape& v = in.at("v").shape;
    const Shape& decay = in.at("decay").shape;
    const Shape& scales = in.at("level_scale").shape;
    attributes.number("scale", 1, -1e30, 1e30);
    if (k.rank() != 4 || in.at("q").shape != k || v.rank() != 4 || v[0] != k[0] || v[1] != k[1] || v[2] != k[2]) {
        raise(Status::invalid_argument,
              "log_linear_attention: q {}, k {} and v {}: expected [B,T,H,D], [B,T,H,D] and [B,T,H,E]",
              in.at("q").shape.text(), k.text(), v.text());
    }
    if (decay != Shape{k[0], k[1], k[2]}) {
        raise(Status::invalid_argument, "log_linear_attention: decay: expected {}, found {}",
              Shape{k[0], k[1], k[2]}.text(), decay.text());
    }
    if (scales.rank() != 4 || scales[0] != k[0] || scales[1] != k[1] || scales[2] != k[2] || scales[3] > kMaxLevels) {
        raise(Status::invalid_argument,
              "log_linear_attention: level_scale: expected [{},{},{},L], L up to {}, found {}", k[0], k[1], k[2],
              kMaxLevels, scales.text());
    }
    return {{"o", v}};
}

LogLinearAttention from(const Attributes& attributes, const Tensors& in, const Tensors& out)
{
    LogLinearAttention a;
    a.q = in.at("q");
    a.k = in.at("k");
    a.v = in.at("v");
    a.decay = in.at("decay");
    a.scales = in.at("level_scale");
    a.o = out.at("o");
    a.scale = static_cast<float>(attributes.number("scale", 1, -1e30, 1e30));
    return a;
}

void record(Recorder& recorder, const Attributes& attributes, const Tensors& in, const Tensors& out)
{
    LogLinearAttention a = from(attributes, in, out);
    const Shape& k = a.k.shape;
    const uint32_t levels = a.scales.shape[3];
    const auto needed = static_cast<uint32_t>(std::bit_width(k[1] - 1)) + 1;
    if (levels < needed) {
        raise(Status::invalid_argument, "log_linear_attention: {} tokens need {} levels, level_scale has {}", k[1],
              needed, levels);
    }
    a.has_state = false;
    a.state = recorder.temporary({k[0], k[2], levels, k[3], a.v.shape[3]});
    a.seen = recorder.temporary({k[0], k[2], 2});
    log_linear_attention(recorder, a);
}

std::vector<StateShape> recurrent_states(const Attributes&, const Tensors& in)
{
    const Shape& k = in.at("k").shape;
    return {{"state", {k[2], in.at("level_scale").shape[3], k[3], in.at("v").shape[3]}}, {"seen", {k[2], 2}}};
}

void record_recurrent(Recorder& recorder, const Attributes& attributes, const Tensors& in, const Tensors& states,
                      const Tensors& out, const SlotMap& map)
{
    LogLinearAttention a = from(attributes, in, out);
    a.state = states.at("state");
    a.seen = states.at("seen");
    a.map = map;
    log_linear_attention(recorder, a);
}

const RecurrentOps kRecurrent{recurrent_states, record_recurrent};

} // namespace

Operator log_linear_attention_operator()
{
    return {.name = "log_linear_attention",
            .layout = Layout::heads,
            .inputs = {{"q"}, {"k"}, {"v"}, {"decay"}, {"level_scale"}},
            .outputs = {"o"},
            .attributes = {"scale"},
            .infer = infer,
            .record = record,
            .recurrent = &kRecurrent};
}

} // namespace gramian
