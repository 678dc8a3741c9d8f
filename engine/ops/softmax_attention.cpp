#include "ops/softmax_attention.hpp"

#include "ops/kernels.hpp"
#include "ops/softmax_attention_twin.hpp"
#include "ops/state_read.hpp"
#include "shaders/softmax_attention.h"

namespace gramian {
namespace {

// Drivers exist that stop silently after 65,535 loop trips of an invocation.
constexpr uint64_t kMaxTrips = 60'000;

void on_host(const HostLaunch& launch)
{
    const auto p = launch.parameters<gpu::SoftmaxAttentionParameters>();
    const auto& c = launch.constants;
    const auto* words = reinterpret_cast<const uint32_t*>(launch.arenas[static_cast<size_t>(Arena::io)]);
    const auto* totals = reinterpret_cast<const uint32_t*>(launch.floats(Arena::state, 0));
    for (uint32_t row = p.first_row; row < p.first_row + launch.groups[0]; ++row) {
        const uint32_t slot = row / p.queries;
        const uint32_t stream = p.streams == kNone ? slot : words[p.streams + slot];
        if (stream == kNone) continue;
        const uint32_t keys = p.total == kNone ? p.keys : totals[p.total + stream];
        for (uint32_t head = 0; head < p.heads; ++head) {
            const float* k = launch.floats(c[1], p.k);
            const float* v = launch.floats(c[2], p.v);
            const auto at = [&](uint32_t s) { return (size_t{stream} * p.keys + s) * p.heads + head; };
            const size_t query = size_t{row} * p.heads + head;
            twin::softmax_attention(
                row % p.queries, launch.floats(c[0], p.q) + query * p.width,
                [&](uint32_t s) { return k + at(s) * p.width; }, [&](uint32_t s) { return v + at(s) * p.columns; },
                launch.floats(c[3], p.o) + query * p.columns, keys, p.width, p.columns, p.scale, p.is_causal != 0,
                p.window);
        }
    }
}

/// Whether every row of q and k is made of whole, aligned vectors where the kernel can load vectors.
bool has_vectors(const SoftmaxAttention& attention)
{
    const auto is_loadable = [](const Tensor& tensor) {
        return (tensor.arena == Arena::state || tensor.arena == Arena::activations) && tensor.offset % 4 == 0;
    };
    return attention.q.shape.last() % 4 == 0 && is_loadable(attention.q) && is_loadable(attention.k);
}

void check(const SoftmaxAttention& attention, uint32_t group_columns)
{
    const Shape& q = attention.q.shape;
    const Shape& k = attention.k.shape;
    const Shape& v = attention.v.shape;
    const bool fits = q.rank() == 4 && k.rank() == 4 && v.rank() == 4 &&
                      (k[0] == q[0] || attention.map.streams != kNone) && k[2] == q[2] && k[3] == q[3] &&
                      v[0] == k[0] && v[1] == k[1] && v[2] == k[2] &&
                      attention.o.shape == Shape{q[0], q[1], q[2], v[3]};
    if (!fits) {
        raise(Status::invalid_argument, "softmax_attention: q {}, k {}, v {} and o {} do not fit together", q.text(),
              k.text(), v.text(), attention.o.shape.text());
    }
    const uint64_t trips = uint64_t{ceil_div(k[1], 64)} * (k[3] + group_columns + 10);
    if (trips > kMaxTrips) {
        raise(Status::unsupported, "softmax_attention: {} keys of width {} take {} loop trips, at most {}", k[1], k[3],
              trips, kMaxTrips);
    }
}

} // namespace

void softmax_attention(Recorder& recorder, const SoftmaxAttention& attention)
{
    const Shape& q = attention.q.shape;
    const uint32_t columns = attention.v.shape.last();
    const uint32_t group_columns = columns_per_group(columns);
    check(attention, group_columns);
    const uint32_t rows = q[0] * q[1];
    for (uint32_t first = 0; first < rows; first += std::min(recorder.caps.max_groups, rows - first)) {
        Launch launch;
        launch.kernel = {&kernels::softmax_attention,
                         {arena_constant(attention.q), arena_constant(attention.k), arena_constant(attention.v),
                          arena_constant(attention.o), group_columns, has_vectors(attention) ? 1U : 0U}};
        launch.set_push(gpu::SoftmaxAttentionParameters{
            attention.q.offset, attention.k.offset, attention.v.offset, attention.o.offset,
            attention.total ? attention.total->offset : kNone, attention.map.streams, first, q[1], attention.k.shape[1],
            q[2], q[3], columns, attention.scale, attention.is_causal ? 1U : 0U, attention.window});
        launch.groups = {std::min(recorder.caps.max_groups, rows - first), q[2], ceil_div(columns, group_columns)};
        follow_slots(recorder, launch, 0, rows, 1, first);
        launch.reads = {attention.q.slice(), attention.k.slice(), attention.v.slice()};
        if (attention.total) launch.reads.push_back(attention.total->slice());
        launch.writes = {attention.o.slice()};
        launch.host = on_host;
        recorder.list.append(std::move(launch));
    }
}

} // namespace gramian
