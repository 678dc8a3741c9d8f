// Weights that stay halves on the device, which halves the bytes that a token moves: how constants are packed for
// kernels, and how host functions read them.
#pragma once

#include "ops/operator.hpp"

#include <bit>

namespace gramian {

struct NamedArray;

/// Halves lie in the weights arena times this, as shaders/common/weights.glsl expects: the least half then is no
/// denormal, which a device may read as 0.
inline constexpr float kHalfScale = 1024;

/// A constant as its kernel reads it.
struct PackedConstant {
    std::vector<uint32_t> words;
    DType dtype = DType::f32; // f16: two halves a word, the first in the low bits
};

/// Packs a constant of a node or a call. It stays halves if it is stored as such (`stored`: f16, so every value is
/// one), the device has a kernel that reads them, and no value times kHalfScale is above the largest half: otherwise it
/// becomes fp32, which holds every half.
PackedConstant pack_constant(const Port& port, std::span<const float> values, const Shape& shape, DType stored,
                             const Caps& caps);

/// Rounds an array to halves, nearest even, and says so in its type. Throws invalid_argument where a value is not
/// finite or too large for one.
void round_to_halves(NamedArray& array);

/// The bits of floats.
std::vector<uint32_t> words_of(std::span<const float> values);

/// What a half of the weights arena stands for: exact, and never 0 for another number. It is 0 or normal.
inline float weight_of_half(uint16_t half)
{
    const uint32_t sign = uint32_t{half & 0x8000U} << 16U;
    const uint32_t magnitude = uint32_t{half & 0x7FFFU} << 13U; // as a float: 2^-112 of it
    return std::bit_cast<float>(sign | magnitude) * (0x1p112F / kHalfScale);
}

/// Reads the element of that number, from an offset of the weights arena on.
template <bool kHalves>
auto weights_at(const HostLaunch& launch, uint32_t offset)
{
    const float* floats = launch.floats(Arena::weights, offset);
    if constexpr (kHalves) {
        const auto* halves = reinterpret_cast<const uint16_t*>(floats);
        return [halves](size_t at) { return weight_of_half(halves[at]); };
    } else {
        return [floats](size_t at) { return floats[at]; };
    }
}

} // namespace gramian
