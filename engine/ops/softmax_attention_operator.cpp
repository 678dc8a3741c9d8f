// The operator `softmax_attention`: over a sequence, over the pairs that a stream was shown, and token by token over a
// ring of pairs.
//
// q: [B,T,H,D], k: [B,N,H,D], v: [B,N,H,E] -> o: [B,T,H,E]. A node keeps `capacity` pairs a stream and refuses what
// would exceed them; with a window of w keys the last w are enough, however long the stream. `chunks`: the sequence
// piece by piece, as a node decodes it. `budget` R: each answer is made of R of the pairs that its query sees, chosen
// by the `method` of value_aware_sparse (topk_refit).
#include "ops/append.hpp"
#include "ops/operator.hpp"
#include "ops/pieces.hpp"
#include "ops/sparse_attention.hpp"

#include <cmath>
#include <numeric>

namespace gramian {
namespace {

constexpr uint32_t kMaxCapacity = 1U << 24;

using Shapes = std::vector<std::pair<std::string, Shape>>;

float softmax_scale(const Attributes& attributes, uint32_t width)
{
    return static_cast<float>(attributes.number("scale", 1 / std::sqrt(static_cast<double>(width)), -1e30, 1e30));
}

uint32_t window_of(const Attributes& attributes)
{
    return attributes.count("window", 0, 0, 1U << 30);
}

uint32_t softmax_capacity(const Attributes& attributes)
{
    if (!attributes.has("capacity")) {
        raise(attributes.status(),
              "{}: softmax_attention keeps every pair that it is shown: attribute 'capacity' is missing",
              attributes.where());
    }
    return attributes.count("capacity", 0, 1, kMaxCapacity);
}

constexpr std::string_view kMethods[] = {"oblivious", "topk_refit", "frank_wolfe", "forward", "exact"};

uint32_t budget_of(const Attributes& attributes)
{
    return attributes.count("budget", 0, 0, 65'536);
}

/// The answer, of all keys or of a budget of them.
void attend(Recorder& recorder, const Attributes& attributes, const SoftmaxAttention& attention)
{
    const auto method = static_cast<SparseMethod>(attributes.choice("method", kMethods, 1));
    if (const uint32_t budget = budget_of(attributes); budget > 0)
        sparse_attention(recorder, attention, budget, method);
    else
        softmax_attention(recorder, attention);
}

Shapes infer_softmax(const Attributes& attributes, const Tensors& in)
{
    const Shape& q = in.at("q").shape;
    const Shape& k = in.at("k").shape;
    const Shape& v = in.at("v").shape;
    if (q.rank() != 4 || k.rank() != 4 || v.rank() != 4 || k[0] != q[0] || k[2] != q[2] || k[3] != q[3] ||
        v[0] != k[0] || v[1] != k[1] || v[2] != k[2]) {
        raise(Status::invalid_argument,
              "softmax_attention: q {}, k {} and v {}: expected [B,T,H,D], [B,N,H,D] and [B,N,H,E]", q.text(), k.text(),
              v.text());
    }
    softmax_scale(attributes, q[3]);
    const bool is_causal = attributes.flag("causal", false);
    if ((is_causal || window_of(attributes) > 0) && q[1] != k[1]) {
        raise(Status::invalid_argument, "softmax_attention: causal or window with T {} and N {}: expected T = N", q[1],
              k[1]);
    }
    if (attributes.has("chunks") && !is_causal) {
        raise(Status::invalid_argument, "softmax_attention: attribute 'chunks' needs causal");
    }
    (void)pieces_of(attributes, q[1]);
    (void)attributes.choice("method", kMethods, 1);
    if (attributes.has("method") && budget_of(attributes) == 0) {
        raise(Status::invalid_argument, "softmax_attention: attribute 'method' chooses the keys of a budget: expected "
                                        "'budget' as well");
    }
    return {{"o", {q[0], q[1], q[2], v[3]}}};
}

SoftmaxAttention attention_of(const Attributes& attributes, const Tensors& in, const Tensor& out)
{
    SoftmaxAttention attention;
    attention.q = in.at("q");
    attention.k = in.at("k");
    attention.v = in.at("v");
    attention.o = out;
    attention.scale = softmax_scale(attributes, attention.q.shape.last());
    attention.is_causal = attributes.flag("causal", false);
    attention.window = window_of(attributes);
    return attention;
}

// Token by token over a ring ----------------------------------------------------------------------------------------

struct RingSize {
    uint32_t rows;
    uint32_t limit; // tokens that a stream can take, or 0
};

/// A window is a ring of its keys for ever, unless the capacity is smaller; without one every pair is kept.
/// `otherwise`: the capacity where none is given, or 0: it has to be.
RingSize ring_of(const Attributes& attributes, uint32_t otherwise)
{
    const uint32_t window = window_of(attributes);
    if (window > kMaxCapacity) {
        raise(Status::unsupported, "{}: a window of {} keys, a stream keeps at most {}", attributes.where(), window,
              kMaxCapacity);
    }
    if (!attributes.has("capacity") && (window > 0 || otherwise > 0)) return {window > 0 ? window : otherwise, 0};
    const uint32_t capacity = softmax_capacity(attributes);
    if (window > 0 && window <= capacity) return {window, 0};
    return {capacity, capacity};
}

/// Totals of an endless stream go on from a multiple of the ring and of the kernel's blocks of 64.
uint32_t fold_of(const RingSize& size)
{
    return size.limit > 0 ? 0 : std::lcm(size.rows, 64U);
}

std::vector<StateShape> ring_states(const Attributes& attributes, const Tensors& in)
{
    if (!attributes.flag("causal", false)) {
        raise(Status::unsupported, "{}: a node that goes token by token needs 'causal'", attributes.where());
    }
    const Shape& k = in.at("k").shape;
    const uint32_t rows = ring_of(attributes, 0).rows;
    return {{"k", {rows, k[2], k[3]}}, {"v", {rows, k[2], in.at("v").shape[3]}}, {"total", {2}}};
}

void record_ring(Recorder& recorder, const Attributes& attributes, const Tensors& in, const Tensors& states,
                 const Tensors& out, const SlotMap& map)
{
    SoftmaxAttention attention = attention_of(attributes, in, out.at("o"));
    const PairRing ring{states.at("k"), states.at("v"), &states.at("total"), 0, fold_of(ring_of(attributes, 0))};
    attention.ring = &ring;
    attention.map = map;
    attend(recorder, attributes, attention);
    ring_append(recorder, ring, attention.k, attention.v, 0, attention.k.shape[1], map);
}

uint32_t ring_limit(const Attributes& attributes)
{
    return ring_of(attributes, 0).limit;
}

const RecurrentOps kSoftmaxRing{ring_states, record_ring, ring_limit};

void record_pieces(Recorder& recorder, const Attributes& attributes, SoftmaxAttention& attention)
{
    const Shape& k = attention.k.shape;
    const RingSize size = ring_of(attributes, k[1]);
    if (size.limit > 0 && k[1] > size.limit) {
        raise(Status::invalid_argument, "{}: {} tokens, and it keeps at most {} (its 'capacity')", attributes.where(),
              k[1], size.limit);
    }
    PairRing ring;
    ring.k = recorder.temporary({k[0], size.rows, k[2], k[3]});
    ring.v = recorder.temporary({k[0], size.rows, k[2], attention.v.shape[3]});
    attention.ring = &ring;
    for (const uint32_t count : pieces_of(attributes, k[1])) {
        attention.count = count;
        attend(recorder, attributes, attention);
        ring_append(recorder, ring, attention.k, attention.v, attention.first, count, {});
        attention.first += count;
        ring.position += count;
    }
}

void record_softmax(Recorder& recorder, const Attributes& attributes, const Tensors& in, const Tensors& out)
{
    SoftmaxAttention attention = attention_of(attributes, in, out.at("o"));
    if (attributes.has("chunks"))
        record_pieces(recorder, attributes, attention);
    else
        attend(recorder, attributes, attention);
}

// Over what a stream was shown ---------------------------------------------------------------------------------------

std::vector<StateShape> softmax_states(const Attributes& attributes, const Tensors& in)
{
    if (attributes.flag("causal", false) || window_of(attributes) > 0) {
        raise(Status::invalid_argument,
              "{}: over a context input every query sees all that was shown: expected no causal and no window",
              attributes.where());
    }
    const Shape& k = in.at("k").shape;
    const uint32_t capacity = softmax_capacity(attributes);
    return {{"k", {capacity, k[2], k[3]}}, {"v", {capacity, k[2], in.at("v").shape[3]}}, {"total", {1}}};
}

Tensor as_rows(const Tensor& tensor)
{
    const Shape& s = tensor.shape;
    return tensor.as({s[0], s[1], s[2] * s[3]});
}

void observe_softmax(Recorder& recorder, const Attributes&, const Tensors& in, const Tensors& states,
                     const SlotMap& map)
{
    append(recorder, {as_rows(in.at("k")), as_rows(states.at("k")), &states.at("total"), map});
    append(recorder, {as_rows(in.at("v")), as_rows(states.at("v")), nullptr, map});
}

void read_softmax(Recorder& recorder, const Attributes& attributes, const Tensors& in, const Tensors& states,
                  const Tensors& out, const SlotMap& map)
{
    SoftmaxAttention attention;
    attention.q = in.at("q");
    attention.k = states.at("k");
    attention.v = states.at("v");
    attention.o = out.first();
    attention.total = &states.at("total");
    attention.map = map;
    attention.scale = softmax_scale(attributes, attention.q.shape.last());
    attend(recorder, attributes, attention);
}

const ContextOps kSoftmaxContext{{"k", "v"}, softmax_states, observe_softmax, nullptr, read_softmax, softmax_capacity};

} // namespace

Operator softmax_attention_operator()
{
    return {.name = "softmax_attention",
            .layout = Layout::heads,
            .inputs = {{"q"}, {"k"}, {"v"}},
            .outputs = {"o"},
            .attributes = {"scale", "causal", "window", "capacity", "chunks", "budget", "method"},
            .infer = infer_softmax,
            .record = record_softmax,
            .context = &kSoftmaxContext,
            .recurrent = &kSoftmaxRing};
}

} // namespace gramian
