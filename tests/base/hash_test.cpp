#include "base/hash.hpp"

#include <doctest/doctest.h>
#include <vector>

using namespace gramian;

namespace {

using Bytes = std::vector<std::byte>;

} // namespace

TEST_CASE("hash: the value is fixed, and every bit, the size and the seed count")
{
    const Bytes bytes(37);
    const uint64_t hash = hash_bytes(bytes);
    for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
        Bytes changed = bytes;
        changed[bit / 8] ^= static_cast<std::byte>(1u << (bit % 8));
        CHECK(hash_bytes(changed) != hash);
    }
    CHECK(hash_bytes(Bytes(36)) != hash);
    CHECK(hash_bytes(Bytes(40)) != hash);
    CHECK(hash_bytes(bytes, 1) != hash);
    CHECK(hash_text("gramian") == 13919944632414202345u); // saved files depend on it
}
