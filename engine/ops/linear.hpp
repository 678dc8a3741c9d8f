// y = f(W x + b): the op, the packing that its kernel reads weights in, and what a launch of it can do besides, to the
// bits of a launch for each: several layers, a norm before them, a pointwise function of two values after them.
#pragma once

#include "ops/norm.hpp"
#include "ops/pointwise.hpp"
#include "ops/recorder.hpp"

#include <optional>
#include <span>
#include <vector>

namespace gramian {

/// Reorders W [columns, width] for the kernel: [ceil(width / 4), columns] vectors of four consecutive inputs,
/// padded with zeros, so that lanes that own neighbouring columns read neighbouring vectors.
std::vector<float> pack_linear_weight(std::span<const float> weight, uint32_t columns, uint32_t width);

/// What a packed weight of that shape, floats or halves, takes up.
Slice packed_slice(const Tensor& weight);

/// y = f(W x + b).  x: [rows, width]; weight: packed, floats or halves, [columns, width]; bias: [columns] or null; y:
/// [rows, columns]. Throws invalid_argument when the shapes disagree, unsupported beyond a width of
/// 240,000.
void linear(Recorder& recorder, const Tensor& x, const Tensor& weight, const Tensor* bias, const Tensor& y,
            Activation activation);

struct LinearLayer {
    Tensor weight;
    const Tensor* bias = nullptr;
    Tensor y;
    Activation activation = Activation::identity;
};

/// Limits of a block.
inline constexpr uint32_t kMaxLayers = 6;
inline constexpr uint32_t kMaxLayerColumns = 1U << 20; // of a layer: workgroups in a dimension
inline constexpr uint32_t kMaxNormWidth = 8'192;       // loop trips of a kernel, and room of the host's
inline constexpr uint32_t kMaxChainWidth = 256;        // of a chain: x, what the first layer makes, and y
inline constexpr uint32_t kMaxChainHidden = 512;       // lie in shared memory
inline constexpr uint32_t kMaxChainColumns = 4'096;    // loop trips
inline constexpr uint32_t kLeastChainRows = 32;        // eight workgroups

struct LinearBlock {
    Tensor x; // [rows, width]
    std::optional<NormForm> norm = std::nullopt;
    const Tensor* gain = nullptr; // of the norm, [width]
    const Tensor* shift = nullptr;
    std::vector<LinearLayer> layers; // all weights floats or all halves, all y in one arena
    bool is_chain = false; // two layers, and the second one reads what the first one makes, which nobody else does
    std::optional<Tensor> other = std::nullopt; // [rows, columns], of the only layer, or the last of a chain
    Pairing pairing = Pairing::none;
    Activation after = Activation::identity; // of the sum or product
};

/// Whether the device runs chains of so many rows: on processors, where a launch costs more than that each workgroup
/// takes four rows whole, and GPUs would be left with too few of them.
bool suits_chain(const Caps& caps, uint32_t rows, bool has_halves);

/// One launch (or more, of more rows than one takes) for all of a block. Throws as `linear`.
void linear_block(Recorder& recorder, const LinearBlock& block);

} // namespace gramian
