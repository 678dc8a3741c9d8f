#include "ops/sparse_attention.hpp"

#include "ops/kernels.hpp"
#include "ops/pair_rows.hpp"
#include "ops/problems.hpp"
#include "shaders/sparse_attention.h"

namespace gramian {
namespace {

enum Constant : uint32_t { kQArena, kKArena, kVArena, kHasVectors, kHasRing, kRingArena };

constexpr float kNever = -3.4e38F; // a logit whose weight is 0

void gather_on_host(const HostLaunch& launch)
{
    const auto p = launch.parameters<gpu::SparseAttentionParameters>();
    const auto& c = launch.constants;
    const uint32_t problems = launch.groups[0] * p.pairs.heads;
    float* all_logits = launch.floats(Arena::activations, p.logits);
    float* all_values = launch.floats(Arena::activations, p.values);
    // An idle slot is a problem too, as small as can be.
    std::fill_n(all_logits, size_t{problems} * p.seen, 0.0F);
    std::fill_n(all_values, size_t{problems} * p.seen * p.pairs.columns, 0.0F);
    const PairArenas arenas{c[kQArena], c[kKArena], c[kVArena], c[kRingArena], c[kHasRing] != 0};
    for_each_query(launch, p.pairs, arenas, [&](const HostQuery& query, uint32_t group) {
        const size_t problem = size_t{group} * p.pairs.heads + query.head;
        float* logits = all_logits + problem * p.seen;
        float* values = all_values + problem * p.seen * p.pairs.columns;
        const uint32_t count = std::min(p.seen, query.seen.end - std::min(query.seen.begin, query.seen.end));
        for (uint32_t n = 0; n < p.seen && count > 0; ++n) {
            const uint32_t key = query.seen.begin + std::min(n, count - 1);
            float sum = 0;
            for (uint32_t i = 0; i < p.pairs.width; ++i) sum += query.q[i] * query.key(key)[i];
            logits[n] = n < count ? p.pairs.scale * sum : kNever;
            std::copy_n(query.value(key), p.pairs.columns, values + size_t{n} * p.pairs.columns);
        }
    });
}

void answer_on_host(const HostLaunch& launch)
{
    const auto p = launch.parameters<gpu::SparseAttentionParameters>();
    const uint32_t columns = p.pairs.columns;
    for (uint32_t problem = 0; problem < launch.groups[0] * p.pairs.heads; ++problem) {
        const uint32_t group = p.pairs.first_row + problem / p.pairs.heads;
        const uint32_t token = group / p.pairs.queries * p.pairs.tokens + p.pairs.first + group % p.pairs.queries;
        float* o = launch.floats(launch.constants[0], p.pairs.o) +
                   (size_t{token} * p.pairs.heads + problem % p.pairs.heads) * columns;
        std::fill_n(o, columns, 0.0F);
        const size_t first = size_t{problem} * p.budget;
        for (uint32_t r = 0; r < p.budget; ++r) {
            const float key = launch.floats(Arena::activations, p.indices)[first + r];
            if (!(key >= 0)) break;
            const float weight = launch.floats(Arena::activations, p.chosen)[first + r];
            const float* value = launch.floats(Arena::activations, p.values) +
                                 (size_t{problem} * p.seen + static_cast<uint32_t>(key)) * columns;
            for (uint32_t j = 0; j < columns; ++j) o[j] += weight * value[j];
        }
    }
}

/// Queries `first` to first + rows of all slots together.
void record_rows(Recorder& recorder, const SoftmaxAttention& attention, ValueAwareSparse sparse, uint32_t first,
                 uint32_t rows)
{
    gpu::SparseAttentionParameters p{};
    p.pairs = parameters_of(attention);
    p.pairs.first_row = first;
    p.seen = most_visible(attention);
    p.budget = sparse.budget;
    const uint32_t problems = rows * p.pairs.heads;
    const Tensor logits = recorder.temporary({problems, p.seen});
    sparse.logits = &logits;
    sparse.v = recorder.temporary({problems, p.seen, p.pairs.columns});
    sparse.indices = recorder.temporary({problems, p.budget});
    sparse.weights = recorder.temporary({problems, p.budget});
    sparse.error = recorder.temporary({problems});
    p.logits = logits.offset;
    p.values = sparse.v.offset;
    p.indices = sparse.indices.offset;
    p.chosen = sparse.weights.offset;

    const PairRing* ring = attention.ring;
    Launch gather;
    gather.kernel = {&kernels::sparse_pairs,
                     {arena_constant(attention.q), arena_constant(attention.k), arena_constant(attention.v),
                      has_vectors(attention) ? 1U : 0U, ring ? 1U : 0U, arena_constant(ring ? ring->k : attention.k)}};
    gather.set_push(p);
    gather.groups = {rows, p.pairs.heads, 1};
    gather.reads = pairs_read(attention);
    gather.reads.push_back(attention.q.slice());
    gather.writes = {logits.slice(), sparse.v.slice()};
    gather.host = gather_on_host;
    recorder.list.append(std::move(gather));

    value_aware_sparse(recorder, sparse);

    Launch answer;
    answer.kernel = {&kernels::sparse_answer, {arena_constant(attention.o)}};
    answer.set_push(p);
    answer.groups = {rows, p.pairs.heads, 1};
    answer.reads = {sparse.v.slice(), sparse.indices.slice(), sparse.weights.slice()};
    answer.writes = {attention.o.slice()};
    answer.host = answer_on_host;
    recorder.list.append(std::move(answer));
}

} // namespace

void sparse_attention(Recorder& recorder, const SoftmaxAttention& attention, uint32_t budget, SparseMethod method)
{
    check_pairs(attention);
    const uint32_t seen = most_visible(attention);
    const uint32_t heads = attention.q.shape[2], width = attention.q.shape[3], columns = attention.v.shape[3];
    // Loop trips of an invocation of sparse_pairs: scores, then copies.
    const uint64_t trips = uint64_t{ceil_div(seen, 64)} * (width + 2) + uint64_t{seen} * columns / 64 + 3;
    if (trips > kMaxLoopTrips) {
        raise(Status::unsupported,
              "softmax_attention: a budget among {} keys of width {} with {} values takes {} loop "
              "trips, at most {}",
              seen, width, columns, trips, kMaxLoopTrips);
    }
    ValueAwareSparse sparse;
    sparse.budget = budget;
    sparse.method = method;
    const uint32_t rows = attention.q.shape[0] * parameters_of(attention).queries;
    // A problem is a workgroup of the launches that choose: 65,535 of them at once, at most.
    constexpr uint64_t kLeastBytes = (uint64_t{32} << 20) / 65'000;
    const uint64_t bytes = uint64_t{4} * seen * (columns + 3);
    in_parts(recorder, rows, heads * std::max(bytes, kLeastBytes),
             [&](uint32_t first, uint32_t count) { record_rows(recorder, attention, sparse, first, count); });
}

} // namespace gramian
