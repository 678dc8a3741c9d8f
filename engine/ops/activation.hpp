// Pointwise functions and feature maps by name. The numbers are those of shaders/common/{activation,feature}.glsl.
#pragma once

#include "base/error.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <string_view>

namespace gramian {

enum class Activation : uint32_t { identity, relu, tanh, sigmoid, silu, gelu, gelu_tanh, elu, softplus, exp, cos };
enum class Feature : uint32_t { identity, elu1, exp, relu };

inline constexpr std::array<std::string_view, 11> kActivationNames{
    "identity", "relu", "tanh", "sigmoid", "silu", "gelu", "gelu_tanh", "elu", "softplus", "exp", "cos"};
inline constexpr std::array<std::string_view, 4> kFeatureNames{"identity", "elu1", "exp", "relu"};

namespace twin {

/// f(x) as the name says: Hendrycks & Gimpel 2016 for gelu (by erf) and gelu_tanh, elu with slope 1.
template <class Real>
Real activate(Activation kind, Real x)
{
    switch (kind) {
        case Activation::identity:
            return x;
        case Activation::relu:
            return x > 0 ? x : Real(0);
        case Activation::tanh:
            return std::tanh(x);
        case Activation::sigmoid:
            return 1 / (1 + std::exp(-x));
        case Activation::silu:
            return x / (1 + std::exp(-x));
        case Activation::gelu:
            return x * Real(0.5) * std::erfc(-x * Real(0.70710678118654752440));
        case Activation::gelu_tanh:
            return Real(0.5) * x * (1 + std::tanh(Real(0.79788456080286535588) * (x + Real(0.044715) * x * x * x)));
        case Activation::elu:
            return x > 0 ? x : std::expm1(x);
        case Activation::softplus:
            return std::max(x, Real(0)) + std::log1p(std::exp(-std::abs(x)));
        case Activation::exp:
            return std::exp(x);
        case Activation::cos:
            return std::cos(x);
    }
    return x;
}

template <class Real>
Real feature(Feature kind, Real x)
{
    switch (kind) {
        case Feature::identity:
            return x;
        case Feature::elu1:
            return x > 0 ? x + 1 : std::exp(x);
        case Feature::exp:
            return std::exp(x);
        case Feature::relu:
            return x > 0 ? x : Real(0);
    }
    return x;
}

} // namespace twin
} // namespace gramian
