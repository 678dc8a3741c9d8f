#include "ops/softmax_attention.hpp"

#include "ops/kernels.hpp"
#include "ops/softmax_attention_twin.hpp"
#include "ops/state_read.hpp"
#include "shaders/softmax_attention.h"

namespace gramian {
namespace {

// Drivers exist that stop silently after 65,535 loop trips of an invocation.
constexpr uint64_t kMaxTrips = 60'000;

enum Constant : uint32_t { kQArena, kKArena, kVArena, kOArena, kColumns, kHasVectors, kHasRing, kRingArena };

/// One query of a slot, all heads. `before`: the pairs that the ring holds.
void answer(const HostLaunch& launch, const gpu::SoftmaxAttentionParameters& p, uint32_t slot, uint32_t token,
            uint32_t stream, uint32_t before, uint32_t keys)
{
    const auto& c = launch.constants;
    const bool has_ring = c[kHasRing] != 0;
    const twin::KeyRange range = twin::visible_keys(before + token, keys, p.is_causal != 0, p.window);
    const size_t given = has_ring ? size_t{slot} * p.tokens + p.first : size_t{stream} * p.keys;
    for (uint32_t head = 0; head < p.heads; ++head) {
        const auto row = [&](uint32_t arena, uint32_t at, uint32_t ring, uint32_t n, uint32_t width) {
            return n < before ? launch.floats(c[kRingArena], ring) +
                                    ((size_t{stream} * p.keys + n % p.keys) * p.heads + head) * width
                              : launch.floats(arena, at) + ((given + n - before) * p.heads + head) * width;
        };
        const size_t query = ((size_t{slot} * p.tokens + p.first + token) * p.heads + head);
        twin::softmax_attention(
            range, launch.floats(c[kQArena], p.q) + query * p.width,
            [&](uint32_t n) { return row(c[kKArena], p.k, p.ring_k, n, p.width); },
            [&](uint32_t n) { return row(c[kVArena], p.v, p.ring_v, n, p.columns); },
            launch.floats(c[kOArena], p.o) + query * p.columns, p.width, p.columns, p.scale);
    }
}

void on_host(const HostLaunch& launch)
{
    const auto p = launch.parameters<gpu::SoftmaxAttentionParameters>();
    const bool has_ring = launch.constants[kHasRing] != 0;
    const auto* words = reinterpret_cast<const uint32_t*>(launch.arenas[static_cast<size_t>(Arena::io)]);
    const auto* totals = reinterpret_cast<const uint32_t*>(launch.floats(Arena::state, 0));
    for (uint32_t i = p.first_row; i < p.first_row + launch.groups[0]; ++i) {
        const uint32_t slot = i / p.queries;
        const uint32_t token = i % p.queries;
        const uint32_t stream = p.streams == kNone ? slot : words[p.streams + slot];
        if (stream == kNone) continue;
        if (has_ring) {
            const uint32_t before = p.total == kNone ? p.position : totals[p.total + 2 * stream];
            answer(launch, p, slot, token, stream, before, before + token + 1);
        } else {
            answer(launch, p, slot, token, stream, 0, p.total == kNone ? p.keys : totals[p.total + stream]);
        }
    }
}

/// Whether every row of q and k is made of whole, aligned vectors where the kernel can load vectors.
bool has_vectors(const SoftmaxAttention& attention)
{
    const auto is_loadable = [](const Tensor& tensor) {
        return (tensor.arena == Arena::state || tensor.arena == Arena::activations) && tensor.offset % 4 == 0;
    };
    return attention.q.shape.last() % 4 == 0 && is_loadable(attention.q) && is_loadable(attention.k) &&
           (!attention.ring || is_loadable(attention.ring->k));
}

bool is_ring_of(const PairRing& ring, const Shape& k, const Shape& v)
{
    const Shape& rows = ring.k.shape;
    return rows.rank() == 4 && rows[1] > 0 && rows[2] == k[2] && rows[3] == k[3] &&
           ring.v.shape == Shape{rows[0], rows[1], rows[2], v[3]} && ring.v.arena == ring.k.arena;
}

void check(const SoftmaxAttention& attention, uint32_t group_columns)
{
    const Shape& q = attention.q.shape;
    const Shape& k = attention.k.shape;
    const Shape& v = attention.v.shape;
    const bool fits = q.rank() == 4 && k.rank() == 4 && v.rank() == 4 &&
                      (k[0] == q[0] || attention.map.streams != kNone) && k[2] == q[2] && k[3] == q[3] &&
                      v[0] == k[0] && v[1] == k[1] && v[2] == k[2] &&
                      attention.o.shape == Shape{q[0], q[1], q[2], v[3]} && attention.first < q[1] &&
                      (!attention.ring || (k == q && is_ring_of(*attention.ring, k, v)));
    if (!fits) {
        raise(Status::invalid_argument, "softmax_attention: q {}, k {}, v {} and o {} do not fit together", q.text(),
              k.text(), v.text(), attention.o.shape.text());
    }
    uint32_t keys = attention.ring ? attention.ring->k.shape[1] : k[1];
    if (attention.window > 0) keys = std::min(keys, attention.is_causal ? attention.window : 2 * attention.window);
    const uint32_t blocks = ceil_div(keys, 64) + (attention.window > 0 ? 1 : 0); // a window may begin in one
    const uint64_t trips = uint64_t{blocks} * (k[3] + group_columns + 10);
    if (trips > kMaxTrips) {
        raise(Status::unsupported, "softmax_attention: {} keys of width {} take {} loop trips, at most {}", keys, k[3],
              trips, kMaxTrips);
    }
}

gpu::SoftmaxAttentionParameters parameters_of(const SoftmaxAttention& a)
{
    const Shape& q = a.q.shape;
    gpu::SoftmaxAttentionParameters p{};
    p.q = a.q.offset;
    p.k = a.k.offset;
    p.v = a.v.offset;
    p.o = a.o.offset;
    p.total = a.total ? a.total->offset : kNone;
    p.streams = a.map.streams;
    p.queries = a.count > 0 ? a.count : q[1] - a.first;
    p.keys = a.k.shape[1];
    p.heads = q[2];
    p.width = q[3];
    p.columns = a.v.shape[3];
    p.scale = a.scale;
    p.is_causal = a.is_causal || a.ring ? 1 : 0;
    p.window = a.window;
    p.tokens = q[1];
    p.first = a.first;
    if (!a.ring) return p;
    p.total = a.ring->total ? a.ring->total->offset : kNone;
    p.keys = a.ring->k.shape[1];
    p.ring_k = a.ring->k.offset;
    p.ring_v = a.ring->v.offset;
    p.position = a.ring->position;
    return p;
}

} // namespace

void softmax_attention(Recorder& recorder, const SoftmaxAttention& attention)
{
    const uint32_t columns = attention.v.shape.last();
    const uint32_t group_columns = columns_per_group(columns);
    check(attention, group_columns);
    gpu::SoftmaxAttentionParameters p = parameters_of(attention);
    const PairRing* ring = attention.ring;
    const uint32_t rows = attention.q.shape[0] * p.queries;
    for (uint32_t first = 0; first < rows; first += std::min(recorder.caps.max_groups, rows - first)) {
        p.first_row = first;
        Launch launch;
        launch.kernel = {&kernels::softmax_attention,
                         {arena_constant(attention.q), arena_constant(attention.k), arena_constant(attention.v),
                          arena_constant(attention.o), group_columns, has_vectors(attention) ? 1U : 0U, ring ? 1U : 0U,
                          arena_constant(ring ? ring->k : attention.k)}};
        launch.set_push(p);
        launch.groups = {std::min(recorder.caps.max_groups, rows - first), p.heads, ceil_div(columns, group_columns)};
        follow_slots(recorder, launch, 0, rows, 1, first);
        launch.reads = {attention.q.slice(), attention.k.slice(), attention.v.slice()};
        if (ring) launch.reads.insert(launch.reads.end(), {ring->k.slice(), ring->v.slice()});
        const Tensor* total = ring ? ring->total : attention.total;
        if (total) launch.reads.push_back(total->slice());
        launch.writes = {attention.o.slice()};
        launch.host = on_host;
        recorder.list.append(std::move(launch));
    }
}

} // namespace gramian
