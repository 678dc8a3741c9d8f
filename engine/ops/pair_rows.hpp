// What the ops on the pairs of softmax attention share: checks and parameters, and for their host functions the pairs
// that a query sees. The kernels' side of it is shaders/common/pair_rows.glsl.
#pragma once

#include "ops/softmax_attention.hpp"
#include "ops/softmax_attention_twin.hpp"
#include "shaders/softmax_attention.h"

namespace gramian {

/// Throws invalid_argument when the shapes disagree.
void check_pairs(const SoftmaxAttention& attention);
/// Keys that a query sees at most.
uint32_t most_visible(const SoftmaxAttention& attention);
/// Whether every row of q and k is made of whole, aligned vectors where a kernel can load vectors.
bool has_vectors(const SoftmaxAttention& attention);
gpu::SoftmaxAttentionParameters parameters_of(const SoftmaxAttention& attention);
/// Everything but q that a launch reads.
std::vector<Slice> pairs_read(const SoftmaxAttention& attention);

/// Where a launch finds its tensors.
struct PairArenas {
    uint32_t q, k, v, ring;
    bool has_ring;
};

/// One query and head of a launch.
struct HostQuery {
    size_t row; // of q and o
    const float* q;
    twin::KeyRange seen;
    uint32_t before; // pairs in the ring
    const float *k, *v, *ring_k, *ring_v;
    size_t given, kept; // first rows of k and v, and of the rings
    const gpu::SoftmaxAttentionParameters& p;
    uint32_t head;

    [[nodiscard]] const float* key(uint32_t n) const { return row_of(n, k, ring_k, p.width); }
    [[nodiscard]] const float* value(uint32_t n) const { return row_of(n, v, ring_v, p.columns); }

private:
    [[nodiscard]] const float* row_of(uint32_t n, const float* x, const float* ring, uint32_t width) const
    {
        const bool is_kept = n < before;
        return (is_kept ? ring : x) + ((is_kept ? kept + n % p.keys : given + n - before) * p.heads + head) * width;
    }
};

/// Calls each(query, group) for the queries and heads of a launch whose slot is not idle; group counts from 0.
template <class Each>
void for_each_query(const HostLaunch& launch, const gpu::SoftmaxAttentionParameters& p, const PairArenas& arenas,
                    Each each)
{
    const auto* words = reinterpret_cast<const uint32_t*>(launch.arenas[static_cast<size_t>(Arena::io)]);
    const auto* totals = reinterpret_cast<const uint32_t*>(launch.floats(Arena::state, 0));
    for (uint32_t group = 0; group < launch.groups[0]; ++group) {
        const uint32_t slot = (p.first_row + group) / p.queries;
        const uint32_t token = (p.first_row + group) % p.queries;
        const uint32_t stream = p.streams == kNone ? slot : words[p.streams + slot];
        if (stream == kNone) continue;
        uint32_t before = 0;
        if (arenas.has_ring) before = p.total == kNone ? p.position : totals[p.total + 2 * stream];
        const uint32_t keys = arenas.has_ring    ? before + token + 1
                              : p.total == kNone ? p.keys
                                                 : totals[p.total + stream];
        const size_t given = arenas.has_ring ? size_t{slot} * p.tokens + p.first : size_t{stream} * p.keys;
        for (uint32_t head = 0; head < p.heads; ++head) {
            const size_t row = (size_t{slot} * p.tokens + p.first + token) * p.heads + head;
            const HostQuery query{row,
                                  launch.floats(arenas.q, p.q) + row * p.width,
                                  twin::visible_keys(before + token, keys, p.is_causal != 0, p.window),
                                  before,
                                  launch.floats(arenas.k, p.k),
                                  launch.floats(arenas.v, p.v),
                                  launch.floats(arenas.ring, p.ring_k),
                                  launch.floats(arenas.ring, p.ring_v),
                                  given,
                                  size_t{stream} * p.keys,
                                  p,
                                  head};
            each(query, group);
        }
    }
}

} // namespace gramian
