#include "ops/pair_rows.hpp"

namespace gramian {
namespace {

bool is_ring_of(const PairRing& ring, const Shape& k, const Shape& v)
{
    const Shape& rows = ring.k.shape;
    return rows.rank() == 4 && rows[1] > 0 && rows[2] == k[2] && rows[3] == k[3] &&
           ring.v.shape == Shape{rows[0], rows[1], rows[2], v[3]} && ring.v.arena == ring.k.arena;
}

} // namespace

void check_pairs(const SoftmaxAttention& attention)
{
    const Shape& q = attention.q.shape;
    const Shape& k = attention.k.shape;
    const Shape& v = attention.v.shape;
    const bool fits = q.rank() == 4 && k.rank() == 4 && v.rank() == 4 &&
                      (k[0] == q[0] || attention.map.streams != kNone) && k[2] == q[2] && k[3] == q[3] &&
                      v[0] == k[0] && v[1] == k[1] && v[2] == k[2] &&
                      attention.o.shape == Shape{q[0], q[1], q[2], v[3]} && attention.first < q[1] &&
                      (!attention.ring || (k == q && is_ring_of(*attention.ring, k, v)));
    if (fits) return;
    raise(Status::invalid_argument, "softmax_attention: q {}, k {}, v {} and o {} do not fit together", q.text(),
          k.text(), v.text(), attention.o.shape.text());
}

uint32_t most_visible(const SoftmaxAttention& attention)
{
    const uint32_t keys = attention.ring ? attention.ring->k.shape[1] : attention.k.shape[1];
    if (attention.window == 0) return keys;
    return std::min(keys, attention.is_causal || attention.ring ? attention.window : 2 * attention.window - 1);
}

bool has_vectors(const SoftmaxAttention& attention)
{
    const auto is_loadable = [](const Tensor& tensor) {
        return (tensor.arena == Arena::state || tensor.arena == Arena::activations) && tensor.offset % 4 == 0;
    };
    return attention.q.shape.last() % 4 == 0 && is_loadable(attention.q) && is_loadable(attention.k) &&
           (!attention.ring || is_loadable(attention.ring->k));
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

std::vector<Slice> pairs_read(const SoftmaxAttention& attention)
{
    std::vector<Slice> slices{attention.k.slice(), attention.v.slice()};
    const PairRing* ring = attention.ring;
    if (ring) slices.insert(slices.end(), {ring->k.slice(), ring->v.slice()});
    const Tensor* total = ring ? ring->total : attention.total;
    if (total) slices.push_back(total->slice());
    return slices;
}

} // namespace gramian
