#include "ops/linear.hpp"

#include "ops/half_weights.hpp"
#include "ops/kernels.hpp"
#include "ops/linear_twin.hpp"
#include "ops/norm_twin.hpp"
#include "shaders/linear.h"

#include <array>
#include <cassert>

namespace gramian {
namespace {

constexpr uint32_t kRowsPerGroup = 4;
constexpr uint32_t kColumnsPerGroup = 64;
// A loop trip for four inputs and two for 256 of them; drivers exist that stop silently after 65,535.
constexpr uint32_t kMaxWidth = 240'000;
// Constants of the kernels.
constexpr uint32_t kLayersConstant = 2;
constexpr uint32_t kNormConstant = 3;
constexpr uint32_t kPairingConstant = 4;
constexpr uint32_t kOtherConstant = 5;
constexpr uint32_t kAfterConstant = 6;
constexpr uint32_t kActivationConstants = 7;
constexpr uint32_t kNoNorm = 3;

/// The norm of a row, where there is one.
const float* normalize_row(const HostLaunch& launch, const gpu::LinearParameters& p, const float* x, float* room)
{
    if (launch.constants[kNormConstant] == kNoNorm) return x;
    const auto of_weights = [&](uint32_t offset) {
        return offset == kNone ? nullptr : launch.floats(Arena::weights, offset);
    };
    twin::norm<float>(static_cast<Norm>(launch.constants[kNormConstant]), x, of_weights(p.gain), of_weights(p.shift),
                      room, p.width, p.epsilon);
    return room;
}

void pair_row(const HostLaunch& launch, const float* other, float* y, uint32_t columns)
{
    const auto pairing = static_cast<Pairing>(launch.constants[kPairingConstant]);
    const auto after = static_cast<Activation>(launch.constants[kAfterConstant]);
    for (uint32_t i = 0; i < columns; ++i) {
        y[i] = twin::activate(after, pairing == Pairing::sum ? y[i] + other[i] : y[i] * other[i]);
    }
}

template <bool kHalves>
void run_layer(const HostLaunch& launch, const gpu::LinearParameters& p, uint32_t index, const float* x, uint32_t width,
               float* y)
{
    const gpu::LinearLayerParameters& layer = p.layers[index];
    const auto packed = weights_at<kHalves>(launch, layer.weight);
    twin::linear(
        x, [&](uint32_t column, uint32_t i) { return packed(4 * (size_t{i / 4} * layer.columns + column) + i % 4); },
        layer.bias == kNone ? nullptr : launch.floats(Arena::weights, layer.bias), y, 1, width, layer.columns,
        static_cast<Activation>(launch.constants[kActivationConstants + index]));
}

template <bool kHalves, bool kIsChain>
void on_host(const HostLaunch& launch)
{
    const auto p = launch.parameters<gpu::LinearParameters>();
    std::array<float, kMaxNormWidth> room;
    std::array<float, kIsChain ? kMaxChainHidden : 1> hidden;
    for (uint32_t row = 0; row < launch.rows(p.rows); ++row) {
        const float* x = launch.floats(launch.constants[0], p.x) + size_t{row} * p.width;
        x = normalize_row(launch, p, x, room.data());
        if (kIsChain) run_layer<kHalves>(launch, p, 0, x, p.width, hidden.data());
        for (uint32_t i = kIsChain ? 1 : 0; i < launch.constants[kLayersConstant]; ++i) {
            const uint32_t columns = p.layers[i].columns;
            float* y = launch.floats(launch.constants[1], p.layers[i].y) + size_t{row} * columns;
            run_layer<kHalves>(launch, p, i, kIsChain ? hidden.data() : x, kIsChain ? p.layers[0].columns : p.width, y);
            if (static_cast<Pairing>(launch.constants[kPairingConstant]) == Pairing::none) continue;
            pair_row(launch, launch.floats(launch.constants[kOtherConstant], p.other) + size_t{row} * columns, y,
                     columns);
        }
    }
}

void check(const LinearBlock& block, uint32_t rows, uint32_t width)
{
    const LinearLayer& last = block.layers.back();
    for (const LinearLayer& layer : block.layers) {
        const uint32_t columns = layer.y.shape.last();
        const uint32_t inputs = block.is_chain && &layer == &last ? block.layers[0].y.shape.last() : width;
        if (layer.weight.shape != Shape{columns, inputs} || layer.y.element_count() != uint64_t{rows} * columns ||
            (layer.bias && layer.bias->shape != Shape{columns})) {
            raise(Status::invalid_argument, "linear: x {}, weight {} and y {} do not fit together",
                  block.x.shape.text(), layer.weight.shape.text(), layer.y.shape.text());
        }
        assert(layer.weight.dtype == last.weight.dtype && layer.y.arena == last.y.arena);
    }
    if (width > kMaxWidth) raise(Status::unsupported, "linear: width {}, at most {}", width, kMaxWidth);
    assert(block.layers.size() <= kMaxLayers && (!block.norm || width <= kMaxNormWidth));
    assert(!block.is_chain || (block.layers.size() == 2 && width <= kMaxChainWidth &&
                               last.weight.shape[1] <= kMaxChainHidden && last.weight.shape[0] <= kMaxChainColumns));
    assert(block.other.has_value() == (block.pairing != Pairing::none));
    assert(!block.other ||
           ((block.is_chain || block.layers.size() == 1) && block.other->element_count() == last.y.element_count()));
}

std::vector<uint32_t> constants_of(const LinearBlock& block)
{
    std::vector<uint32_t> constants{arena_constant(block.x),
                                    arena_constant(block.layers.back().y),
                                    static_cast<uint32_t>(block.layers.size()),
                                    block.norm ? static_cast<uint32_t>(block.norm->kind) : kNoNorm,
                                    static_cast<uint32_t>(block.pairing),
                                    arena_constant(block.other ? *block.other : block.x),
                                    static_cast<uint32_t>(block.after)};
    for (const LinearLayer& layer : block.layers) constants.push_back(static_cast<uint32_t>(layer.activation));
    constants.resize(kActivationConstants + kMaxLayers, static_cast<uint32_t>(Activation::identity));
    return constants;
}

struct Variant {
    const Shader* shader;
    HostFunction host;
};

Variant variant_of(const LinearBlock& block)
{
    const bool has_halves = block.layers.back().weight.dtype == DType::f16;
    if (block.is_chain && has_halves) return {&kernels::linear_chain_halves, on_host<true, true>};
    if (block.is_chain) return {&kernels::linear_chain, on_host<false, true>};
    if (has_halves) return {&kernels::linear_halves, on_host<true, false>};
    return {&kernels::linear, on_host<false, false>};
}

/// Of `count` rows from row `first` on.
gpu::LinearParameters parameters_of(const LinearBlock& block, uint32_t first, uint32_t count)
{
    const auto offset_of = [](const Tensor* constant) { return constant ? constant->offset : kNone; };
    const uint32_t width = block.x.shape.last();
    gpu::LinearParameters p{};
    p.x = block.x.offset + first * width;
    p.rows = count;
    p.width = width;
    p.gain = offset_of(block.gain);
    p.shift = offset_of(block.shift);
    p.epsilon = block.norm ? block.norm->epsilon : 0;
    if (block.other) p.other = block.other->offset + first * block.layers.back().y.shape.last();
    for (size_t i = 0; i < block.layers.size(); ++i) {
        const LinearLayer& layer = block.layers[i];
        const uint32_t columns = layer.y.shape.last();
        p.layers[i] = {layer.weight.offset, offset_of(layer.bias), layer.y.offset + first * columns, columns};
    }
    return p;
}

void add_slices(Launch& launch, const LinearBlock& block)
{
    launch.reads = {block.x.slice()};
    for (const Tensor* tensor : {block.gain, block.shift, block.other ? &*block.other : nullptr}) {
        if (tensor) launch.reads.push_back(tensor->slice());
    }
    for (const LinearLayer& layer : block.layers) {
        launch.reads.push_back(packed_slice(layer.weight));
        if (layer.bias) launch.reads.push_back(layer.bias->slice());
        const bool is_kept = block.is_chain && &layer == &block.layers.front(); // in shared memory
        if (!is_kept) launch.writes.push_back(layer.y.slice());
    }
}

} // namespace

std::vector<float> pack_linear_weight(std::span<const float> weight, uint32_t columns, uint32_t width)
{
    assert(weight.size() == size_t{columns} * width);
    std::vector<float> packed(size_t{4} * ceil_div(width, 4) * columns, 0.0F);
    for (uint32_t column = 0; column < columns; ++column) {
        for (uint32_t i = 0; i < width; ++i) {
            packed[4 * (size_t{i / 4} * columns + column) + i % 4] = weight[size_t{column} * width + i];
        }
    }
    return packed;
}

Slice packed_slice(const Tensor& weight)
{
    const uint64_t vectors = uint64_t{ceil_div(weight.shape[1], 4)} * weight.shape[0];
    return {weight.arena, uint64_t{4} * weight.offset, 4 * dtype_size(weight.dtype) * vectors};
}

bool suits_chain(const Caps& caps, uint32_t rows, bool has_halves)
{
    const Shader& shader = has_halves ? kernels::linear_chain_halves : kernels::linear_chain;
    return (caps.is_software || caps.is_host) && rows >= kLeastChainRows && !caps.refuses(shader.name);
}

void linear_block(Recorder& recorder, const LinearBlock& block)
{
    const uint32_t width = block.x.shape.last();
    const auto rows = static_cast<uint32_t>(block.x.element_count() / width);
    check(block, rows, width);
    const Variant variant = variant_of(block);
    uint32_t groups = 0;
    for (const LinearLayer& layer : block.layers) groups += ceil_div(layer.y.shape.last(), kColumnsPerGroup);
    if (block.is_chain) groups = 1;
    const uint32_t rows_per_launch = recorder.caps.max_groups * kRowsPerGroup;
    for (uint32_t first = 0; first < rows; first += std::min(rows_per_launch, rows - first)) {
        const uint32_t count = std::min(rows_per_launch, rows - first);
        Launch launch;
        launch.kernel = {variant.shader, constants_of(block)};
        launch.set_push(parameters_of(block, first, count));
        launch.groups = {groups, ceil_div(count, kRowsPerGroup), 1};
        follow_slots(recorder, launch, 1, rows, kRowsPerGroup, first);
        add_slices(launch, block);
        launch.host = variant.host;
        recorder.list.append(std::move(launch));
    }
}

void linear(Recorder& recorder, const Tensor& x, const Tensor& weight, const Tensor* bias, const Tensor& y,
            Activation activation)
{
    linear_block(recorder, {.x = x, .layers = {{weight, bias, y, activation}}});
}

} // namespace gramian
