// Operations that take each element by itself: activations, gates, sums, products, squashing, normalising by channel.
#pragma once

#include "ops/activation.hpp"
#include "ops/recorder.hpp"

namespace gramian {

/// The numbers are those of shaders/pointwise.comp.
enum class Pointwise : uint32_t { activate, add_activate, gate, add, multiply, squash_clip, squash_tanh, normalize };

/// The same of two values where one comes out of a linear layer: part of that layer's launch (linear.hpp). The numbers
/// are those of shaders/linear.comp.
enum class Pairing : uint32_t { none, sum, product };

/// With y the layer's output: after(before(y) + other), or after(before(y) * other).
struct PairForm {
    Pairing pairing = Pairing::none;
    Activation before = Activation::identity;
    Activation after = Activation::identity;
    std::string_view port = {}; // of the operator that y must come in at; empty: any
};

/// What an operation needs beside x and y, where it needs it.
struct PointwiseOperands {
    Activation activation = Activation::identity;
    const Tensor* gate = nullptr; // second operand, shaped like x
    const Tensor* low = nullptr;  // [C]: lower bound, or mean
    const Tensor* high = nullptr; // [C]: upper bound, or variance
    float epsilon = 0;
    float clip = 0; // 0: not clipped
};

/// With f the activation, g the gate:
///   activate f(x) · add_activate f(x + g) · gate x f(g) (Baldi & Vershynin 2022) · add x + g · multiply x g
///   squash_clip min(max(x, low), high) · squash_tanh low + (tanh x + 1)/2 (high - low)
///   normalize (x - low) / sqrt(high + epsilon), then within +-clip
/// x, y and gate: [rows, C]. Throws invalid_argument when the shapes disagree.
void pointwise(Recorder& recorder, Pointwise operation, const Tensor& x, const PointwiseOperands& operands,
               const Tensor& y);

} // namespace gramian
