// The element types that a tensor may have in a file or on a device, their sizes and their names.
// Used by the model file, by tensors and by the operators.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace gramian {

// Files are little-endian and are copied, never swapped.
static_assert(std::endian::native == std::endian::little, "Gramian needs a little-endian host");

enum class DType : uint8_t { f32, f16, bf16, f64, i32, i64, u8 };

inline constexpr std::array kAllDTypes = {DType::f32, DType::f16, DType::bf16, DType::f64,
                                          DType::i32, DType::i64, DType::u8};

/// Bytes of one element.
constexpr size_t dtype_size(DType dtype) noexcept
{
    switch (dtype) {
        case DType::f64:
        case DType::i64:
            return 8;
        case DType::f32:
        case DType::i32:
            return 4;
        case DType::f16:
        case DType::bf16:
            return 2;
        case DType::u8:
            return 1;
    }
    return 0;
}

/// The name as model files spell it: "F32", "BF16", …
constexpr std::string_view dtype_name(DType dtype) noexcept
{
    switch (dtype) {
        case DType::f32:
            return "F32";
        case DType::f16:
            return "F16";
        case DType::bf16:
            return "BF16";
        case DType::f64:
            return "F64";
        case DType::i32:
            return "I32";
        case DType::i64:
            return "I64";
        case DType::u8:
            return "U8";
    }
    return "?";
}

/// The type of that name, or nothing.
constexpr std::optional<DType> dtype_of_name(std::string_view name) noexcept
{
    for (const DType dtype : kAllDTypes)
        if (dtype_name(dtype) == name) return dtype;
    return std::nullopt;
}

/// Real numbers, which `to_float` and `to_double` convert.
constexpr bool dtype_is_float(DType dtype) noexcept
{
    return dtype == DType::f32 || dtype == DType::f16 || dtype == DType::bf16 || dtype == DType::f64;
}

} // namespace gramian
