#include "base/half.hpp"

#include <bit>
#include <cmath>
#include <cstdint>
#include <doctest/doctest.h>
#include <initializer_list>
#include <limits>

using namespace gramian;

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// The value of a finite half, from its definition instead of its bits in a float.
float by_definition(uint16_t half)
{
    const int exponent = (half >> 10) & 0x1F;
    const int mantissa = half & 0x3FF;
    const double magnitude = exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
    return static_cast<float>((half & 0x8000) != 0 ? -magnitude : magnitude);
}

} // namespace

TEST_CASE("half: every one of the 65,536 values survives the way to float and back")
{
    int wrong = 0;
    for (uint32_t bits = 0; bits < 65'536; ++bits) {
        const auto half = static_cast<uint16_t>(bits);
        const float value = half_to_float(half);
        const bool is_special = (half & 0x7C00) == 0x7C00;
        const bool is_nan = is_special && (half & 0x3FF) != 0;
        if (is_nan) {
            const uint16_t back = float_to_half(value);
            const bool is_kept = std::isnan(value) && (back & 0x7C00) == 0x7C00 && (back & 0x3FF) != 0;
            wrong += !is_kept || (back & 0x8000) != (half & 0x8000) || (back & 0x1FF) != (half & 0x1FF);
        } else {
            const float expected = is_special ? ((half & 0x8000) != 0 ? -kInfinity : kInfinity) : by_definition(half);
            wrong += std::bit_cast<uint32_t>(value) != std::bit_cast<uint32_t>(expected);
            wrong += float_to_half(value) != half;
        }
    }
    CHECK(wrong == 0);
}

TEST_CASE("half: between every two neighbours it rounds to the nearer, and a tie to the even one")
{
    int wrong = 0;
    for (uint16_t low = 0; low < 0x7BFF; ++low) {
        const auto high = static_cast<uint16_t>(low + 1);
        const float middle = (by_definition(low) + by_definition(high)) / 2; // exact: one more bit than a half has
        for (const int sign : {0x0000, 0x8000}) {
            const float side = sign != 0 ? -1.0f : 1.0f;
            wrong += float_to_half(side * std::nextafter(middle, 0.0f)) != (low | sign);
            wrong += float_to_half(side * std::nextafter(middle, kInfinity)) != (high | sign);
            wrong += float_to_half(side * middle) != ((low % 2 == 0 ? low : high) | sign);
        }
    }
    CHECK(wrong == 0);
}

TEST_CASE("half: what is too large becomes infinite, what is too small zero, each with its sign")
{
    CHECK(float_to_half(65'504.0f) == 0x7BFF);
    CHECK(float_to_half(std::nextafter(65'520.0f, 0.0f)) == 0x7BFF);
    CHECK(float_to_half(65'520.0f) == 0x7C00);
    CHECK(float_to_half(-65'520.0f) == 0xFC00);
    CHECK(float_to_half(std::numeric_limits<float>::max()) == 0x7C00);
    CHECK(float_to_half(kInfinity) == 0x7C00);
    CHECK(float_to_half(-kInfinity) == 0xFC00);
    CHECK(float_to_half(0x1p-25f) == 0x0000);
    CHECK(float_to_half(std::nextafter(0x1p-25f, 1.0f)) == 0x0001);
    CHECK(float_to_half(-std::numeric_limits<float>::denorm_min()) == 0x8000);
    CHECK(float_to_half(-0.0f) == 0x8000);
}

TEST_CASE("half: a NaN whose payload lies in the dropped bits stays a NaN")
{
    for (const uint32_t bits : {0x7F80'0001u, 0xFF80'0001u, 0x7FC0'0000u, 0xFFFF'FFFFu}) {
        const uint16_t half = float_to_half(std::bit_cast<float>(bits));
        CHECK((half & 0x7C00) == 0x7C00);
        CHECK((half & 0x3FF) != 0);
        CHECK((half >> 15) == (bits >> 31));
    }
}

TEST_CASE("bfloat16: every value is the upper half of a float")
{
    int wrong = 0;
    for (uint32_t bits = 0; bits < 65'536; ++bits) {
        const float value = bfloat16_to_float(static_cast<uint16_t>(bits));
        const bool is_nan = (bits & 0x7F80) == 0x7F80 && (bits & 0x7F) != 0;
        wrong += is_nan ? !std::isnan(value) : std::bit_cast<uint32_t>(value) != bits << 16;
    }
    CHECK(wrong == 0);
    CHECK(bfloat16_to_float(0x3F80) == 1.0f);
    CHECK(bfloat16_to_float(0xC049) == -3.140625f);
}
