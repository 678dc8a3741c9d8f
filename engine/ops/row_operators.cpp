#include "ops/row_operators.hpp"

#include "ops/copy.hpp"
#include "ops/kernels.hpp"
#include "ops/linear.hpp"
#include "ops/norm.hpp"
#include "ops/pointwise.hpp"

namespace gramian {
namespace {

using Shapes = std::vector<std::pair<std::string, Shape>>;
constexpr bool kOptional = true;
constexpr bool kConstant = true;

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

void record_linear(Recorder& recorder, const Attributes&, const Tensors& in, const Tensors& out)
{
    linear(recorder, in.at("x"), in.at("weight"), in.find("bias"), out.at("y"), Activation::identity);
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

Shapes infer_normalize(const Attributes& attributes, const Tensors& in)
{
    attributes.number("epsilon", 0, 0, 1e30);
    attributes.number("clip", 0, 0, 1e30);
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

uint32_t norm_heads(const Attributes& attributes)
{
    return attributes.count("heads", 1, 1, 1U << 16);
}

Shapes infer_norm(const Attributes& attributes, const Tensors& in)
{
    const Shape& x = in.at("x").shape;
    for (const char* port : {"weight", "bias"}) {
        if (const Tensor* constant = in.find(port)) require_channels("norm", port, constant->shape, x.last());
    }
    attributes.number("epsilon", 0, 0, 1e30);
    const uint32_t heads = norm_heads(attributes);
    if (x.last() % heads != 0) {
        raise(Status::invalid_argument, "{} channels are no multiple of {} heads", x.last(), heads);
    }
    return {{"y", x}};
}

template <Norm kKind>
NormForm norm_form(const Attributes& attributes)
{
    const double epsilon = kKind == Norm::layer ? 1e-5 : kKind == Norm::rms ? 1e-6 : 1e-12;
    return {kKind, static_cast<float>(attributes.number("epsilon", epsilon, 0, 1e30))};
}

template <Norm kKind>
std::optional<NormForm> whole_norm(const Attributes& attributes)
{
    return norm_heads(attributes) == 1 ? std::optional(norm_form<kKind>(attributes)) : std::nullopt;
}

template <Norm kKind>
void record_norm(Recorder& recorder, const Attributes& attributes, const Tensors& in, const Tensors& out)
{
    norm(recorder, kKind, in.at("x"), in.find("weight"), in.find("bias"), out.at("y"), norm_heads(attributes),
         norm_form<kKind>(attributes).epsilon);
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

} // namespace

std::vector<Operator> row_operators()
{
    return {
        {.name = "linear",
         .inputs =
             {{"x"},
              {.name = "weight", .is_constant = kConstant, .pack = pack_linear, .halves = &kernels::linear_halves},
              {"bias", kOptional, kConstant}},
         .outputs = {"y"},
         .infer = infer_linear,
         .record = record_linear,
         .is_linear = true},
        {.name = "activation",
         .inputs = {{"x"}},
         .outputs = {"y"},
         .attributes = {"kind"},
         .infer = infer_activation,
         .record = record_activation,
         .activation = [](const Attributes& attributes) { return kind_of(attributes, std::nullopt); }},
        {.name = "squash",
         .inputs = {{"x"}},
         .outputs = {"y"},
         .attributes = {"kind", "low", "high"},
         .infer = infer_squash,
         .record = record_squash,
         .constants = squash_constants},
        {.name = "normalize",
         .inputs = {{"x"},
                    {"mean", false, kConstant},
                    {.name = "variance", .is_constant = kConstant, .is_nonnegative = true}},
         .outputs = {"y"},
         .attributes = {"epsilon", "clip"},
         .infer = infer_normalize,
         .record = record_normalize},
        {.name = "layer_norm",
         .inputs = {{"x"}, {"weight", false, kConstant}, {"bias", kOptional, kConstant}},
         .outputs = {"y"},
         .attributes = {"epsilon"},
         .infer = infer_norm,
         .record = record_norm<Norm::layer>,
         .norm = whole_norm<Norm::layer>},
        {.name = "rms_norm",
         .inputs = {{"x"}, {"weight", false, kConstant}},
         .outputs = {"y"},
         .attributes = {"epsilon"},
         .infer = infer_norm,
         .record = record_norm<Norm::rms>,
         .norm = whole_norm<Norm::rms>},
        {.name = "l2_norm",
         .inputs = {{"x"}},
         .outputs = {"y"},
         .attributes = {"epsilon", "heads"},
         .infer = infer_norm,
         .record = record_norm<Norm::l2>,
         .norm = whole_norm<Norm::l2>},
        {.name = "concat",
         .inputs = {{.name = "x", .is_variadic = true}},
         .outputs = {"y"},
         .infer = infer_concat,
         .record = record_concat},
        {.name = "slice",
         .inputs = {{"x"}},
         .outputs = {"y"},
         .attributes = {"offset", "size"},
         .infer = infer_slice,
         .record = record_slice},
        {.name = "add",
         .inputs = {{"a"}, {"b"}},
         .outputs = {"y"},
         .infer = infer_same,
         .record = record_pair<Pointwise::add>,
         .pair = [](const Attributes&) { return PairForm{Pairing::sum}; }},
        {.name = "multiply",
         .inputs = {{"a"}, {"b"}},
         .outputs = {"y"},
         .infer = infer_same,
         .record = record_pair<Pointwise::multiply>,
         .pair = [](const Attributes&) { return PairForm{Pairing::product}; }},
        {.name = "gate_output",
         .inputs = {{"x"}, {"gate"}},
         .outputs = {"y"},
         .attributes = {"kind"},
         .infer = infer_gate,
         .record = record_pair<Pointwise::gate>,
         .pair =
             [](const Attributes& attributes) {
                 return PairForm{.pairing = Pairing::product, .before = kind_of(attributes, 0), .port = "gate"};
             }},
        {.name = "add_activation",
         .inputs = {{"x"}, {"gate"}},
         .outputs = {"y"},
         .attributes = {"kind"},
         .infer = infer_gate,
         .record = record_pair<Pointwise::add_activate>,
         .pair =
             [](const Attributes& attributes) {
                 return PairForm{.pairing = Pairing::sum, .after = kind_of(attributes, 0)};
             }},
    };
}

} // namespace gramian
