#include "shaders/local_keep.h"
#include "ops/kernels.hpp"
#include "ops/local_attention.hpp"

namespace gramian {
namespace {

// Drivers exist that stop silently after 65,535 loop trips of an invocation.
constexpr uint64_t kMaxTrips = 60'000;

using Parameters = gpu::LocalKeepParameters;

/// One stream and head. x: the rows of its slot; `stride` floats from token to token.
void keep_rows(const float* x, float* ring, const Parameters& p, uint32_t held, uint32_t count)
{
    const size_t stride = size_t{p.heads} * p.width;
    for (uint32_t t = count - std::min(count, p.ring); t < count; ++t) {
        std::copy_n(x + t * stride, p.width, ring + (held + t) % p.ring * stride);
    }
}

void keep_sum(const float* x, float* sum, const Parameters& p, uint32_t held, uint32_t count)
{
    const uint32_t open = (held + count) / p.chunk * p.chunk;
    if (open > held) std::fill_n(sum, p.width, 0.0F);
    for (uint32_t t = open > held ? open - held : 0; t < count; ++t) {
        for (uint32_t i = 0; i < p.width; ++i) sum[i] += x[size_t{t} * p.heads * p.width + i];
    }
}

void on_host(const HostLaunch& launch)
{
    const auto p = launch.parameters<Parameters>();
    const auto& c = launch.constants;
    const auto* words = reinterpret_cast<const uint32_t*>(launch.arenas[static_cast<size_t>(Arena::io)]);
    auto* counts = reinterpret_cast<uint32_t*>(launch.floats(Arena::state, p.held));
    for (uint32_t slot = 0; slot < launch.groups[1]; ++slot) {
        const uint32_t stream = p.streams == kNone ? slot : words[p.streams + slot];
        const uint32_t count = p.counts == kNone ? p.tokens : words[p.counts + slot];
        if (stream == kNone || count == 0) continue;
        for (uint32_t head = 0; head < p.heads; ++head) {
            uint32_t& held = counts[size_t{stream} * p.heads + head];
            const size_t from = (size_t{slot} * p.tokens * p.heads + head) * p.width;
            const size_t row = (size_t{stream} * p.ring * p.heads + head) * p.width;
            const size_t sum = (size_t{stream} * p.heads + head) * p.width;
            keep_rows(launch.floats(c[1], p.k) + from, launch.floats(Arena::state, p.ring_k) + row, p, held, count);
            keep_rows(launch.floats(c[2], p.v) + from, launch.floats(Arena::state, p.ring_v) + row, p, held, count);
            keep_sum(launch.floats(c[0], p.q) + from, launch.floats(Arena::state, p.sum_q) + sum, p, held, count);
            keep_sum(launch.floats(c[1], p.k) + from, launch.floats(Arena::state, p.sum_k) + sum, p, held, count);
            held += count;
        }
    }
}

} // namespace

void local_keep(Recorder& recorder, const Tensor& q, const Tensor& k, const Tensor& v, const LocalState& state,
                uint32_t chunk, const SlotMap& map)
{
    const Shape& shape = q.shape;
    const uint32_t ring = state.ring_k.shape[1];
    const uint64_t trips =
        uint64_t{ring} * shape[3] / 64 + 1 + uint64_t{ceil_div(shape[3], 64)} * (uint64_t{chunk} + 1);
    if (trips > kMaxTrips) {
        raise(Status::unsupported, "a window that keeps {} tokens of width {} takes {} loop trips, at most {}", ring,
              shape[3], trips, kMaxTrips);
    }
    Launch launch;
    launch.kernel = {&kernels::local_keep, {arena_constant(q), arena_constant(k), arena_constant(v)}};
    launch.set_push(Parameters{q.offset, k.offset, v.offset, state.held.offset, state.sum_q.offset, state.sum_k.offset,
                               state.ring_k.offset, state.ring_v.offset, map.streams, map.counts, shape[1], shape[2],
                               shape[3], ring, chunk});
    launch.groups = {shape[2], shape[0], 1};
    follow_slots(recorder, launch, 1, shape[0]);
    launch.reads = {q.slice(), k.slice(), v.slice(), state.held.slice(), state.sum_q.slice(), state.sum_k.slice()};
    launch.writes = {state.held.slice(), state.sum_q.slice(), state.sum_k.slice(), state.ring_k.slice(),
                     state.ring_v.slice()};
    launch.host = on_host;
    recorder.list.append(std::move(launch));
}

} // namespace gramian
