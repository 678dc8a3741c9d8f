#include "ops/half_weights.hpp"

#include "base/half.hpp"
#include "ops/run_operator.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace gramian {
namespace {

constexpr float kLargestHalf = 65'504;

bool fits_halves(std::span<const float> values)
{
    return std::ranges::all_of(values, [](float value) { return std::abs(value) * kHalfScale <= kLargestHalf; });
}

std::vector<uint32_t> words_of_halves(std::span<const float> values)
{
    std::vector<uint32_t> words((values.size() + 1) / 2);
    for (size_t i = 0; i < values.size(); ++i) {
        words[i / 2] |= uint32_t{float_to_half(values[i] * kHalfScale)} << (i % 2 ? 16U : 0U);
    }
    return words;
}

} // namespace

void round_to_halves(NamedArray& array)
{
    std::vector<float> rounded;
    rounded.reserve(array.values.size());
    for (size_t i = 0; i < array.values.size(); ++i) {
        rounded.push_back(half_to_float(float_to_half(array.values[i])));
        if (std::isfinite(rounded.back())) continue;
        raise(Status::invalid_argument, "tensor {}: element {} is {}, expected a number that a half holds, at most {}",
              in_quotes(array.name), i, array.values[i], kLargestHalf);
    }
    array.values = std::move(rounded);
    array.dtype = DType::f16;
}

std::vector<uint32_t> words_of(std::span<const float> values)
{
    std::vector<uint32_t> words(values.size());
    if (!values.empty()) std::memcpy(words.data(), values.data(), values.size_bytes());
    return words;
}

PackedConstant pack_constant(const Port& port, std::span<const float> values, const Shape& shape, DType stored,
                             const Caps& caps)
{
    const bool stays_half =
        stored == DType::f16 && port.halves && !caps.refuses(port.halves->name) && fits_halves(values);
    // What is packed is a matrix; its operator is still to refuse what is none.
    const bool is_packed = port.pack && shape.rank() == 2;
    const std::vector<float> packed = is_packed ? port.pack(values, shape) : std::vector<float>();
    const std::span<const float> ordered = is_packed ? std::span<const float>(packed) : values;
    if (stays_half) return {words_of_halves(ordered), DType::f16};
    return {words_of(ordered), DType::f32};
}

} // namespace gramian
