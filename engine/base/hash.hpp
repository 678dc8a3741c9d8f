// A 64-bit checksum of bytes: model fingerprints, saved state, cache keys. It catches accidents, not attackers.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace gramian {

static_assert(std::endian::native == std::endian::little, "the words of hash_bytes are little-endian");

/// The same bytes and seed give the same value on every host and in every version. Eight bytes a step; each step is
/// a bijection of the running value and of its word, so inputs that differ within one aligned word never collide.
/// Pass an earlier hash as the seed to continue with more parts.
inline uint64_t hash_bytes(std::span<const std::byte> bytes, uint64_t seed = 0) noexcept
{
    uint64_t hash = seed ^ (0x9E37'79B9'7F4A'7C15u + bytes.size());
    for (size_t at = 0; at < bytes.size(); at += 8) {
        uint64_t word = 0; // the last word is filled up with zeros; the size keeps it distinct
        std::memcpy(&word, bytes.data() + at, std::min<size_t>(8, bytes.size() - at));
        hash = std::rotl((hash ^ word) * 0xFF51'AFD7'ED55'8CCDu, 29);
    }
    hash = (hash ^ (hash >> 30)) * 0xBF58'476D'1CE4'E5B9u; // the finaliser of splitmix64
    hash = (hash ^ (hash >> 27)) * 0x94D0'49BB'1331'11EBu;
    return hash ^ (hash >> 31);
}

inline uint64_t hash_text(std::string_view text, uint64_t seed = 0) noexcept
{
    return hash_bytes(std::as_bytes(std::span(text)), seed);
}

} // namespace gramian
