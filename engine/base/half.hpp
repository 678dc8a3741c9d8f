// Conversion between float and the two 16-bit formats of model files and kernels: IEEE binary16 and bfloat16.
// Plain integer arithmetic, so every host gives the same bits.
#pragma once

#include <bit>
#include <cstdint>

namespace gramian {

/// Exact. Infinities stay, a NaN keeps its sign and payload.
constexpr float half_to_float(uint16_t half) noexcept
{
    const uint32_t sign = (half & 0x8000u) << 16;
    const uint32_t exponent = (half >> 10) & 0x1Fu;
    const uint32_t mantissa = half & 0x3FFu;
    if (exponent == 0x1F) return std::bit_cast<float>(sign | 0x7F80'0000u | (mantissa << 13));
    if (exponent != 0) return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (mantissa << 13));
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24f; // zero or subnormal; exact in float
    return sign != 0 ? -magnitude : magnitude;
}

/// Rounds to nearest, ties to even. From 65520 up it gives infinity; a NaN stays one.
constexpr uint16_t float_to_half(float value) noexcept
{
    const uint32_t bits = std::bit_cast<uint32_t>(value);
    const uint32_t sign = (bits >> 16) & 0x8000u;
    const uint32_t magnitude = bits & 0x7FFF'FFFFu;
    if (magnitude > 0x7F80'0000u) {
        const uint32_t payload = (magnitude >> 13) & 0x3FFu;
        return static_cast<uint16_t>(sign | 0x7C00u | (payload != 0 ? payload : 0x200u));
    }
    if (magnitude >= 0x477F'F000u) return static_cast<uint16_t>(sign | 0x7C00u); // >= 65520
    if (magnitude < 0x3300'0000u) return static_cast<uint16_t>(sign);            // < 2^-25, half the least subnormal

    // A normal half keeps 10 of the 23 mantissa bits; a subnormal one counts units of 2^-24 and keeps fewer.
    const uint32_t exponent = magnitude >> 23;
    const bool is_normal = exponent >= 113;
    const uint32_t kept_with_rest = is_normal ? magnitude - (112u << 23) : (magnitude & 0x7F'FFFFu) | 0x80'0000u;
    const uint32_t dropped_bits = is_normal ? 13 : 126 - exponent;
    const uint32_t kept = kept_with_rest >> dropped_bits;
    const uint32_t rest = kept_with_rest & ((1u << dropped_bits) - 1);
    const uint32_t tie = 1u << (dropped_bits - 1);
    const bool rounds_up = rest > tie || (rest == tie && (kept & 1u) != 0);
    return static_cast<uint16_t>(sign |
                                 (kept + (rounds_up ? 1u : 0u))); // a carry moves into the exponent, as it should
}

/// Exact: a bfloat16 is the upper half of a float.
constexpr float bfloat16_to_float(uint16_t bfloat16) noexcept
{
    return std::bit_cast<float>(static_cast<uint32_t>(bfloat16) << 16);
}

} // namespace gramian
