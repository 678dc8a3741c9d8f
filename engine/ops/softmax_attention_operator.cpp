// The operator `softmax_attention`: over a sequence, and over the pairs that a stream keeps.
#include "ops/append.hpp"
#include "ops/operator.hpp"
#include "ops/softmax_attention.hpp"

#include <cmath>

namespace gramian {
namespace {

using Shapes = std::vector<std::pair<std::string, Shape>>;

float softmax_scale(const Attributes& attributes, uint32_t width)
{
    return static_cast<float>(attributes.number("scale", 1 / std::sqrt(static_cast<double>(width)), -1e30, 1e30));
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
    const bool needs_square = attributes.flag("causal", false) || attributes.count("window", 0, 0, 1U << 30) > 0;
    if (needs_square && q[1] != k[1]) {
        raise(Status::invalid_argument, "softmax_attention: causal or window with T {} and N {}: expected T = N", q[1],
              k[1]);
    }
    return {{"o", {q[0], q[1], q[2], v[3]}}};
}

void record_softmax(Recorder& recorder, const Attributes& attributes, const Tensors& in, const Tensors& out)
{
    SoftmaxAttention attention;
    attention.q = in.at("q");
    attention.k = in.at("k");
    attention.v = in.at("v");
    attention.o = out.at("o");
    attention.scale = softmax_scale(attributes, attention.q.shape.last());
    attention.is_causal = attributes.flag("causal", false);
    attention.window = attributes.count("window", 0, 0, 1U << 30);
    softmax_attention(recorder, attention);
}

uint32_t softmax_capacity(const Attributes& attributes)
{
    if (!attributes.has("capacity")) {
        raise(attributes.status(),
              "{}: softmax_attention keeps every pair that it is shown: attribute 'capacity' is missing",
              attributes.where());
    }
    return attributes.count("capacity", 0, 1, 1U << 24);
}

std::vector<StateShape> softmax_states(const Attributes& attributes, const Tensors& in)
{
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
                  const Tensor& out, const SlotMap& map)
{
    SoftmaxAttention attention;
    attention.q = in.at("q");
    attention.k = states.at("k");
    attention.v = states.at("v");
    attention.o = out;
    attention.total = &states.at("total");
    attention.map = map;
    attention.scale = softmax_scale(attributes, attention.q.shape.last());
    softmax_attention(recorder, attention);
}

const ContextOps kSoftmaxContext{{"k", "v"}, softmax_states, observe_softmax, nullptr, read_softmax, softmax_capacity};

} // namespace

Operator softmax_attention_operator()
{
    return {.name = "softmax_attention",
            .layout = Layout::heads,
            .inputs = {{"q"}, {"k"}, {"v"}},
            .outputs = {"o"},
            .attributes = {"scale", "causal", "window", "capacity"},
            .infer = infer_softmax,
            .record = record_softmax,
            .context = &kSoftmaxContext};
}

} // namespace gramian
