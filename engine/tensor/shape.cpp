#include "tensor/shape.hpp"

#include <fmt/ranges.h>

namespace gramian {

Shape Shape::checked(std::span<const uint64_t> extents, const std::string& what)
{
    if (extents.size() > kMaxRank) {
        raise(Status::invalid_argument, "{}: rank {}, expected at most {}", what, extents.size(), kMaxRank);
    }
    Shape shape;
    uint64_t count = 1;
    for (uint64_t extent : extents) {
        if (extent >= (uint64_t{1} << 31) || (count *= extent) >= (uint64_t{1} << 31)) {
            raise(Status::invalid_argument, "{}: shape [{}] holds 2^31 elements or more", what,
                  fmt::join(extents, ", "));
        }
        shape.append(static_cast<uint32_t>(extent));
    }
    return shape;
}

std::string Shape::text() const
{
    return fmt::format("[{}]", fmt::join(extents_.begin(), extents_.begin() + rank_, ", "));
}

} // namespace gramian
