#include "ops/pieces.hpp"

#include <numeric>

namespace gramian {

std::vector<uint32_t> pieces_of(const Attributes& attributes, uint32_t tokens)
{
    if (!attributes.has("chunks")) return {tokens};
    std::vector<uint32_t> pieces = attributes.counts("chunks");
    const uint64_t sum = std::accumulate(pieces.begin(), pieces.end(), uint64_t{0});
    if (sum != tokens) {
        raise(attributes.status(), "{}: attribute 'chunks': the pieces sum to {}, expected T = {}", attributes.where(),
              sum, tokens);
    }
    return pieces;
}

Tensor piece_of(const Tensor& all, uint32_t index)
{
    Shape shape;
    for (uint32_t axis = 1; axis < all.shape.rank(); ++axis) shape.append(all.shape[axis]);
    return {all.arena, all.offset + index * static_cast<uint32_t>(shape.element_count()), shape};
}

} // namespace gramian
