#include "ops/softmax_attention.hpp"

#include "ops/kernels.hpp"
#include "ops/pair_rows.hpp"
#include "ops/state_read.hpp"

namespace gramian {
namespace {

// Drivers exist that stop silently after 65,535 loop trips of an invocation.
constexpr uint64_t kMaxTrips = 60'000;

enum Constant : uint32_t { kQArena, kKArena, kVArena, kOArena, kColumns, kHasVectors, kHasRing, kRingArena };

void on_host(const HostLaunch& launch)
{
    const auto p = launch.parameters<gpu::SoftmaxAttentionParameters>();
    const auto& c = launch.constants;
    const PairArenas arenas{c[kQArena], c[kKArena], c[kVArena], c[kRingArena], c[kHasRing] != 0};
    for_each_query(launch, p, arenas, [&](const HostQuery& query, uint32_t) {
        twin::softmax_attention(
            query.seen, query.q, [&](uint32_t n) { return query.key(n); }, [&](uint32_t n) { return query.value(n); },
            launch.floats(c[kOArena], p.o) + query.row * p.columns, p.width, p.columns, p.scale);
    });
}

void check_trips(const SoftmaxAttention& attention, uint32_t group_columns)
{
    const uint32_t keys = most_visible(attention);
    const uint32_t width = attention.q.shape[3];
    const uint32_t blocks = ceil_div(keys, 64) + (attention.window > 0 ? 1 : 0); // a window may begin in one
    const uint64_t trips = uint64_t{blocks} * (width + group_columns + 10);
    if (trips <= kMaxTrips) return;
    raise(Status::unsupported, "softmax_attention: {} keys of width {} take {} loop trips, at most {}", keys, width,
          trips, kMaxTrips);
}

} // namespace

void softmax_attention(Recorder& recorder, const SoftmaxAttention& attention)
{
    const uint32_t columns = attention.v.shape.last();
    const uint32_t group_columns = columns_per_group(columns);
    check_pairs(attention);
    check_trips(attention, group_columns);
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
        launch.reads = pairs_read(attention);
        launch.reads.push_back(attention.q.slice());
        launch.writes = {attention.o.slice()};
        launch.host = on_host;
        recorder.list.append(std::move(launch));
    }
}

} // namespace gramian
