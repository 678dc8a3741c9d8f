// The extents of a tensor, row-major, last one contiguous. At most six of them. Used by every layer above device.
#pragma once

#include "base/error.hpp"

#include <array>
#include <cassert>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>

namespace gramian {

class Shape {
public:
    static constexpr uint32_t kMaxRank = 6;

    Shape() = default;
    Shape(std::initializer_list<uint32_t> extents)
    {
        for (uint32_t extent : extents) append(extent);
    }
    /// Throws invalid_argument on a rank over six, an extent of 2^32 or more, or 2^31 elements or more:
    /// kernels index elements with 32 bits.
    static Shape checked(std::span<const uint64_t> extents, const std::string& what);

    void append(uint32_t extent)
    {
        assert(rank_ < kMaxRank);
        extents_[rank_++] = extent;
    }
    [[nodiscard]] uint32_t rank() const { return rank_; }
    [[nodiscard]] uint32_t operator[](uint32_t axis) const
    {
        assert(axis < rank_);
        return extents_[axis];
    }
    [[nodiscard]] uint64_t element_count() const
    {
        uint64_t count = 1;
        for (uint32_t axis = 0; axis < rank_; ++axis) count *= extents_[axis];
        return count;
    }
    [[nodiscard]] uint32_t last() const { return extents_[rank_ - 1]; }
    /// "[2, 3, 5]"
    [[nodiscard]] std::string text() const;

    friend bool operator==(const Shape& a, const Shape& b)
    {
        return a.rank_ == b.rank_ && std::equal(a.extents_.begin(), a.extents_.begin() + a.rank_, b.extents_.begin());
    }

private:
    std::array<uint32_t, kMaxRank> extents_{};
    uint32_t rank_ = 0;
};

} // namespace gramian
