// The one table of operators. Each knows its ports, attributes, shape rule and how it records itself; operators that
// are a single kernel are written out here, the others come from files of their own.
#include "ops/append.hpp"
#include "ops/copy.hpp"
#include "ops/intention.hpp"
#include "ops/linear.hpp"
#include "ops/linear_attention.hpp"
#include "ops/norm.hpp"
#include "ops/operator.hpp"
#include "ops/outer_sum.hpp"
#include "ops/pointwise.hpp"
#include "ops/ridge_solve.hpp"
#include "ops/softmax_attention.hpp"

#include <cmath>

namespace gramian {
namespace {

using Shapes = std::vector<std::pair<std::string, Shape>>;

Activation kind_of(const Attributes& attributes, std::optional<uint32_t> otherwise)
{
    return static_cast<Activation>(attributes.choice("kind", kActivationNames, otherwise));
}

void require_channels(const char* op, const char* port, const Shape& found, uint32_t channels)
{
    if (found == Shape{channels}) return;
    raise(Status::invalid_argument, "{}: {}: expected [{}], found {}", op, port, channels, found.text());
}

// linear ---------------------------------------------------------------------------------------------------------

Shapes infer_linear(const Attributes&, const Tensors& in)
{
    const Shape& x = in.at("x").shape;
    const Shape& weight = in.at("weight").shape;
    if (x.rank() != 2 || weight.rank() != 2 || weight[1] != x[1]) {
        raise(Status::invalid_argument, "linear: x {} and weight {}: expected [rows, in] and [out, in]", x.text(),
              weight.text());
    }
    if (const Tensor* bias = in.find("bias")) require_channels("linear", "bias", bias->shape, weight[0]);
    return {{"y", {x[0], weight[0]}}};
}

void record_linear_with(Recorder& recorder, const Attributes&, const Tensors& in, const Tensors& out,
                        Activation activation)
{
    linear(recorder, in.at("x"), in.at("weight"), in.find("bias"), out.at("y"), activation);
}

void record_linear(Recorder& recorder, const Attributes& attributes, const Tensors& in, const Tensors& out)
{
    record_linear_with(recorder, attributes, in, out, Activation::identity);
}

std::vector<float> pack_linear(std::span<const float> weight, const Shape& shape)
{
    return pack_linear_weight(weight, shape[0], shape[1]);
}

// Pointwise ------------------------------------------------------------------------------------------------------

Shapes infer_same(const Attributes&, const Tensors& in)
{
    const Shape& x = in.entries().front().tensor.shape;
    for (const Tensors::Entry& entry : in.entries()) {
        if (entry.tensor.shape == x) continue;
        raise(Status::invalid_argument, "{}: expected {}, found {}", entry.name, x.text(), entry.tensor.shape.text());
    }
    return {{"y", x}};
}

Shapes infer_activation(const Attributes& attributes, const Tensors& in)
{
    kind_of(attributes, std::nullopt);
    return infer_same(attributes, in);
}

Shapes infer_gate(const Attributes& attributes, const Tensors& in)
{
    kind_of(attributes, 0);
    return infer_same(attributes, in);
}

void record_activation(Recorder& recorder, const Attributes& attributes, const Tensors& in, const Tensors& out)
{
    PointwiseOperands operands;
    operands.activation = kind_of(attributes, std::nullopt);
    pointwise(recorder, Pointwise::activate, in.at("x"), operands, out.at("y"));
}

template <Pointwise kOperation>
void record_pair(Recorder& recorder, const Attributes& attributes, const Tensors& in, const Tensors& out)
{
    PointwiseOperands operands;
    operands.activation = kind_of(attributes, 0);
    operands.gate = &in.entries()[1].tensor;
    pointwise(recorder, kOperation, in.entries()[0].tensor, operands, out.at("y"));
}

constexpr std::string_view kSquashNames[] = {"none", "clip", "tanh"};

Shapes infer_squash(const Attributes& attributes, const Tensors& in)
{
    const Shape& x = in.at("x").shape;
    if (attributes.choice("kind", kSquashNames, std::nullopt) == 0) return {{"y", x}};
    const std::vector<float> low = attributes.numbers("low", x.last());
    const std::vector<float> high = attributes.numbers("high", x.last());
    for (size_t i = 0; i < low.size(); ++i) {
        if (low[i] <= high[i]) continue;
        raise(attributes.status(), "{}: squash: low {} is above high {} in channel {}", attributes.where(), low[i],
              high[i], i);
    }
    return {{"y", x}};
}

std::vector<Constant> squash_constants(const Attributes& attributes, const Tensors& in)
{
    if (attributes.choice("kind", kSquashNames, std::nullopt) == 0) return {};
    const uint32_t channels = in.at("x").shape.last();
    return {{"low", attributes.numbers("low", channels)}, {"high", attributes.numbers("high", channels)}};
}

void record_squash(Recorder& recorder, const Attributes& attributes, const Tensors& in, const Tensors& out)
{
    const uint32_t kind = attributes.choice("kind", kSquashNames, std::nullopt);
    PointwiseOperands operands;
    operands.low = in.find("low");
    operands.high = in.find("high");
    const Pointwise operations[] = {Pointwise::activate, Pointwise::squash_clip, Pointwise::squash_tanh};
    pointwise(recorder, operations[kind], in.at("x"), operands, out.at("y"));
}

Shapes infer_normalize(const Attributes&, const Tensors& in)
{
    const Shape& x = in.at("x").shape;
    require_channels("normalize", "mean", in.at("mean").shape, x.last());
    require_channels("normalize", "variance", in.at("variance").shape, x.last());
    return {{"y", x}};
}

void record_normalize(Recorder& recorder, const Attributes& attributes, const Tensors& in, const Tensors& out)
{
    PointwiseOperands operands;
    operands.low = &in.at("mean");
    operands.high = &in.at("variance");
    operands.epsilon = static_cast<float>(attributes.number("epsilon", 1e-8, 0, 1e30));
    operands.clip = static_cast<float>(attributes.number("clip", 0, 0, 1e30));
    pointwise(recorder, Pointwise::normalize, in.at("x"), operands, out.at("y"));
}

// Normalisation and shape ----------------------------------------------------------------------------------------

Shapes infer_norm(const Attributes& attributes, const Tensors& in)
{
    const Shape& x = in.at("x").shape;
    for (const char* port : {"weight", "bias"}) {
        if (const Tensor* constant = in.find(port)) require_channels("norm", port, constant->shape, x.last());
    }
    const uint32_t heads = attributes.count("heads", 1, 1, 1U << 16);
    if (x.last() % heads != 0) {
        raise(Status::invalid_argument, "{} channels are no multiple of {} heads", x.last(), heads);
    }
    return {{"y", x}};
}

template <Norm kKind>
void record_norm(Recorder& recorder, const Attributes& attributes, const Tensors& in, const Tensors& out)
{
    const double epsilon = kKind == Norm::layer ? 1e-5 : kKind == Norm::rms ? 1e-6 : 1e-12;
    norm(recorder, kKind, in.at("x"), in.find("weight"), in.find("bias"), out.at("y"),
         attributes.count("heads", 1, 1, 1U << 16), static_cast<float>(attributes.number("epsilon", epsilon, 0, 1e30)));
}

Shapes infer_concat(const Attributes&, const Tensors& in)
{
    const uint32_t rows = in.entries().front().tensor.shape[0];
    uint32_t columns = 0;
    for (const Tensors::Entry& entry : in.entries()) {
        const Shape& shape = entry.tensor.shape;
        if (shape.rank() != 2 || shape[0] != rows) {
            raise(Status::invalid_argument, "concat: {}: expected [{}, C], found {}", entry.name, rows, shape.text());
        }
        columns += shape[1];
    }
    return {{"y", {rows, columns}}};
}

void record_concat(Recorder& recorder, const Attributes&, const Tensors& in, const Tensors& out)
{
    uint32_t first = 0;
    for (const Tensors::Entry& entry : in.entries()) {
        const uint32_t width = entry.tensor.shape.last();
        copy_columns(recorder, entry.tensor, 0, out.at("y"), first, width);
        first += width;
    }
}

Shapes infer_slice(const Attributes& attributes, const Tensors& in)
{
    const Shape& x = in.at("x").shape;
    const uint32_t offset = attributes.count("offset", 0, 0, 1U << 24);
    const uint32_t size = attributes.count("size", 0, 0, 1U << 24);
    if (x.rank() != 2 || size == 0 || offset + size > x[1]) {
        raise(Status::invalid_argument, "slice: channels {} to {} of {}", offset, offset + size, x.text());
    }
    return {{"y", {x[0], size}}};
}

void record_slice(Recorder& recorder, const Attributes& attributes, const Tensors& in, const Tensors& out)
{
    const Tensor& y = out.at("y");
    copy_columns(recorder, in.at("x"), attributes.count("offset", 0, 0, 1U << 24), y, 0, y.shape.last());
}

// ridge_solve ----------------------------------------------------------------------------------------------------

Shapes infer_ridge_solve(const Attributes& attributes, const Tensors& in)
{
    attributes.only("solver", "cholesky");
    attributes.only("refine", 0);
    const Tensor* a = in.find("a");
    const Tensor* rhs = in.find("rhs");
    const Tensor* k = in.find("k");
    const Tensor* v = in.find("v");
    if ((!a == !k) || (!rhs == !v) || (!a != !rhs)) {
        raise(Status::invalid_argument, "ridge_solve: expected either a and rhs, or k and v");
    }
    const Shape& left = a ? a->shape : k->shape;
    const Shape& right = a ? rhs->shape : v->shape;
    if (left.rank() != 3 || right.rank() != 3 || right[0] != left[0] || right[1] != left[1] ||
        (a && left[1] != left[2])) {
        raise(Status::invalid_argument, "ridge_solve: {} {} and {} {}: expected {}", a ? "a" : "k", left.text(),
              a ? "rhs" : "v", right.text(), a ? "[B,P,P] and [B,P,K]" : "[B,N,P] and [B,N,K]");
    }
    return {{"x", {left[0], left[2], right[2]}}, {"report", {left[0], kSolveReportWords}}};
}

void record_ridge_solve(Recorder& recorder, const Attributes& attributes, const Tensors& in, const Tensors& out)
{
    const Shape& x = out.at("x").shape;
    RidgeSolve solve;
    if (in.has("k")) {
        const Shape& k = in.at("k").shape;
        const Tensor y = in.at("v").as({k[0], k[1], 1, x[2]});
        OuterSum sum;
        sum.x = in.at("k").as({k[0], k[1], 1, k[2]});
        sum.y = &sum.x;
        sum.z = recorder.temporary({k[0], 1, k[2], k[2]});
        outer_sum(recorder, sum);
        solve.a = sum.z;
        sum.y = &y;
        sum.z = recorder.temporary({k[0], 1, k[2], x[2]});
        outer_sum(recorder, sum);
        solve.rhs = sum.z;
    } else {
        solve.a = in.at("a").as({x[0], 1, x[1], x[1]});
        solve.rhs = in.at("rhs").as({x[0], 1, x[1], x[2]});
    }
    if (attributes.has("alpha") && attributes.has("alpha_relative")) {
        raise(attributes.status(), "{}: both 'alpha' and 'alpha_relative' are given, expected one of them",
              attributes.where());
    }
    solve.is_relative = !attributes.has("alpha");
    solve.alpha = attributes.number(solve.is_relative ? "alpha_relative" : "alpha", 1e-4, 0, 1e30);
    solve.x = out.at("x").as({x[0], 1, x[1], x[2]});
    solve.report = out.at("report").as({x[0], 1, kSolveReportWords});
    ridge_solve(recorder, solve);
}

// softmax_attention ----------------------------------------------------------------------------------------------

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
                  const Tensor& out)
{
    SoftmaxAttention attention;
    attention.q = in.at("q");
    attention.k = states.at("k");
    attention.v = states.at("v");
    attention.o = out;
    attention.total = &states.at("total");
    attention.scale = softmax_scale(attributes, attention.q.shape.last());
    softmax_attention(recorder, attention);
}

const ContextOps kSoftmaxContext{{"k", "v"}, softmax_states, observe_softmax, nullptr, read_softmax, softmax_capacity};

std::vector<Operator> make_operators()
{
    constexpr bool kOptional = true;
    constexpr bool kConstant = true;
    std::vector<Operator> table{
        {"linear",
         Layout::rows,
         {{"x"}, {"weight", false, kConstant, pack_linear}, {"bias", kOptional, kConstant}},
         {"y"},
         {},
         infer_linear,
         record_linear,
         nullptr,
         nullptr,
         record_linear_with},
        {"activation",
         Layout::rows,
         {{"x"}},
         {"y"},
         {"kind"},
         infer_activation,
         record_activation,
         nullptr,
         nullptr,
         nullptr,
         [](const Attributes& attributes) { return kind_of(attributes, std::nullopt); }},
        {"squash",
         Layout::rows,
         {{"x"}},
         {"y"},
         {"kind", "low", "high"},
         infer_squash,
         record_squash,
         squash_constants},
        {"normalize",
         Layout::rows,
         {{"x"}, {"mean", false, kConstant}, {"variance", false, kConstant}},
         {"y"},
         {"epsilon", "clip"},
         infer_normalize,
         record_normalize},
        {"layer_norm",
         Layout::rows,
         {{"x"}, {"weight", false, kConstant}, {"bias", kOptional, kConstant}},
         {"y"},
         {"epsilon"},
         infer_norm,
         record_norm<Norm::layer>},
        {"rms_norm",
         Layout::rows,
         {{"x"}, {"weight", false, kConstant}},
         {"y"},
         {"epsilon"},
         infer_norm,
         record_norm<Norm::rms>},
        {"l2_norm", Layout::rows, {{"x"}}, {"y"}, {"epsilon", "heads"}, infer_norm, record_norm<Norm::l2>},
        {"concat", Layout::rows, {{.name = "x", .is_variadic = true}}, {"y"}, {}, infer_concat, record_concat},
        {"slice", Layout::rows, {{"x"}}, {"y"}, {"offset", "size"}, infer_slice, record_slice},
        {"add", Layout::rows, {{"a"}, {"b"}}, {"y"}, {}, infer_same, record_pair<Pointwise::add>},
        {"multiply", Layout::rows, {{"a"}, {"b"}}, {"y"}, {}, infer_same, record_pair<Pointwise::multiply>},
        {"gate_output", Layout::rows, {{"x"}, {"gate"}}, {"y"}, {"kind"}, infer_gate, record_pair<Pointwise::gate>},
        {"add_activation",
         Layout::rows,
         {{"x"}, {"gate"}},
         {"y"},
         {"kind"},
         infer_gate,
         record_pair<Pointwise::add_activate>},
        {"ridge_solve",
         Layout::batch,
         {{"a", kOptional}, {"rhs", kOptional}, {"k", kOptional}, {"v", kOptional}},
         {"x"},
         {"alpha", "alpha_relative", "solver", "refine", "iterations"},
         infer_ridge_solve,
         record_ridge_solve},
        {"softmax_attention",
         Layout::heads,
         {{"q"}, {"k"}, {"v"}},
         {"o"},
         {"scale", "causal", "window", "capacity"},
         infer_softmax,
         record_softmax,
         nullptr,
         &kSoftmaxContext},
    };
    table.push_back(intention_operator());
    table.push_back(linear_attention_operator());
    return table;
}

} // namespace

const std::vector<Operator>& operators()
{
    static const std::vector<Operator> table = make_operators();
    return table;
}

} // namespace gramian
