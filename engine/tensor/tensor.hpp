// A tensor is a slice of an arena with a shape: it owns nothing. `ArenaLayout` hands out the slices.
#pragma once

#include "device/launch.hpp"
#include "tensor/dtype.hpp"
#include "tensor/shape.hpp"

#include <algorithm>

namespace gramian {

/// Row-major fp32 (or 32-bit words) at an offset of an arena, a multiple of four words. A constant may be f16: two
/// halves a word.
struct Tensor {
    Arena arena = Arena::activations;
    uint32_t offset = 0; // words
    Shape shape;
    DType dtype = DType::f32;

    [[nodiscard]] uint64_t element_count() const { return shape.element_count(); }
    [[nodiscard]] uint64_t bytes() const { return (dtype_size(dtype) * element_count() + 3) / 4 * 4; }
    [[nodiscard]] Slice slice() const { return {arena, uint64_t{4} * offset, bytes()}; }
    /// The same elements under another shape.
    [[nodiscard]] Tensor as(Shape other) const
    {
        assert(other.element_count() == element_count());
        return {arena, offset, other, dtype};
    }
};

/// Places tensors one after the other in an arena that is allocated afterwards: a device refuses to allocate more than
/// 32-bit offsets reach.
class ArenaLayout {
public:
    /// `guard` elements stay free behind every tensor: tests find stray writes there.
    explicit ArenaLayout(Arena arena, uint32_t guard = 0) : arena_(arena), guard_(guard) {}

    [[nodiscard]] Tensor take(const Shape& shape)
    {
        const Tensor tensor{arena_, static_cast<uint32_t>(elements_), shape};
        elements_ = (elements_ + shape.element_count() + guard_ + kAlignment - 1) / kAlignment * kAlignment;
        return tensor;
    }
    [[nodiscard]] uint64_t bytes() const { return 4 * elements_; }

private:
    static constexpr uint64_t kAlignment = 16; // elements: a cache line
    Arena arena_;
    uint32_t guard_;
    uint64_t elements_ = 0;
};

} // namespace gramian
