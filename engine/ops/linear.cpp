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
// Constants of the kernel.
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
void on_host(const HostLaunch& launch)
{
    const auto p = launch.parameters<gpu::LinearParameters>();
    std::array<float, kMaxNormWidth> room;
    for (uint32_t row = 0; row < launch.rows(p.rows); ++row) {
        const float* x = launch.floats(launch.constants[0], p.x) + size_t{row} * p.width;
        x = normalize_row(launch, p, x, room.data());
        for (uint32_t i = 0; i < launch.constants[kLayersConstant]; ++i) {
            const gpu::LinearLayerParameters& layer = p.layers[i];
            const auto packed = weights_at<kHalves>(launch, layer.weight);
            const size_t at = size_t{row} * layer.columns;
            float* y = launch.floats(launch.constants[1], layer.y) + at;
            twin::linear(
                x,
                [&](uint32_t column, uint32_t input) {
                    return packed(4 * (size_t{input / 4} * layer.columns + column) + input % 4);
                },
                layer.bias == kNone ? nullptr : launch.floats(Arena::weights, layer.bias), y, 1, p.width, layer.columns,
                static_cast<Activation>(launch.constants[kActivationConstants + i]));
            if (static_cast<Pairing>(launch.constants[kPairingConstant]) == Pairing::none) continue;
            pair_row(launch, launch.floats(launch.constants[kOtherConstant], p.other) + at, y, layer.columns);
        }
    }
}

void check(const LinearBlock& block, uint32_t rows, uint32_t width)
{
    for (const LinearLayer& layer : block.layers) {
        const uint32_t columns = layer.y.shape.last();
        if (layer.weight.shape != Shape{columns, width} || layer.y.element_count() != uint64_t{rows} * columns ||
            (layer.bias && layer.bias->shape != Shape{columns})) {
            raise(Status::invalid_argument, "linear: x {}, weight {} and y {} do not fit together",
                  block.x.shape.text(), layer.weight.shape.text(), layer.y.shape.text());
        }
        assert(layer.weight.dtype == block.layers[0].weight.dtype && layer.y.arena == block.layers[0].y.arena);
    }
    if (width > kMaxWidth) raise(Status::unsupported, "linear: width {}, at most {}", width, kMaxWidth);
    assert(!block.layers.empty() && block.layers.size() <= kMaxLayers && (!block.norm || width <= kMaxNormWidth));
    assert(block.other.has_value() == (block.pairing != Pairing::none) && (!block.other || block.layers.size() == 1));
    assert(!block.other || block.other->element_count() == block.layers[0].y.element_count());
}

std::vector<uint32_t> constants_of(const LinearBlock& block)
{
    std::vector<uint32_t> constants{arena_constant(block.x),
                                    arena_constant(block.layers[0].y),
                                    static_cast<uint32_t>(block.layers.size()),
                                    block.norm ? static_cast<uint32_t>(block.norm->kind) : kNoNorm,
                                    static_cast<uint32_t>(block.pairing),
                                    arena_constant(block.other ? *block.other : block.x),
                                    static_cast<uint32_t>(block.after)};
    for (const LinearLayer& layer : block.layers) constants.push_back(static_cast<uint32_t>(layer.activation));
    constants.resize(kActivationConstants + kMaxLayers, static_cast<uint32_t>(Activation::identity));
    return constants;
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
    if (block.other) p.other = block.other->offset + first * block.layers[0].y.shape.last();
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
        launch.writes.push_back(layer.y.slice());
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

void linear_block(Recorder& recorder, const LinearBlock& block)
{
    const uint32_t width = block.x.shape.last();
    const auto rows = static_cast<uint32_t>(block.x.element_count() / width);
    check(block, rows, width);
    const bool has_halves = block.layers[0].weight.dtype == DType::f16;
    uint32_t groups = 0;
    for (const LinearLayer& layer : block.layers) groups += ceil_div(layer.y.shape.last(), kColumnsPerGroup);
    const uint32_t rows_per_launch = recorder.caps.max_groups * kRowsPerGroup;
    for (uint32_t first = 0; first < rows; first += std::min(rows_per_launch, rows - first)) {
        const uint32_t count = std::min(rows_per_launch, rows - first);
        Launch launch;
        launch.kernel = {has_halves ? &kernels::linear_halves : &kernels::linear, constants_of(block)};
        launch.set_push(parameters_of(block, first, count));
        launch.groups = {groups, ceil_div(count, kRowsPerGroup), 1};
        follow_slots(recorder, launch, 1, rows, kRowsPerGroup, first);
        add_slices(launch, block);
        launch.host = has_halves ? on_host<true> : on_host<false>;
        recorder.list.append(std::move(launch));
    }
}

void linear(Recorder& recorder, const Tensor& x, const Tensor& weight, const Tensor* bias, const Tensor& y,
            Activation activation)
{
    linear_block(recorder, {.x = x, .layers = {{weight, bias, y, activation}}});
}

} // namespace gramian
