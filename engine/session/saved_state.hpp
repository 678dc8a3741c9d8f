// The bytes of saved streams: a header that says what they belong to, then every stream in canonical order, then a
// checksum. Restored exactly or refused. Used by Session alone.
//
// Little-endian: "GRAMSTAT", u32 format version (2), u32 streams, u64 model fingerprint, u64 elements a stream,
// 256 bytes of device and driver; for each stream u64 tokens, u64 pairs and its elements in fp32: the states of the
// nodes in the order of the file, each row-major; last a u64 checksum of all that stands before it.
#pragma once

#include "base/error.hpp"

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace gramian {

/// What saved streams belong to.
struct StateOwner {
    uint64_t fingerprint = 0;
    uint64_t elements = 0; // of a stream
    std::string device;    // and driver: they decide the bits of what comes next
};

/// How far a stream has come since it was new.
struct StreamPosition {
    uint64_t tokens = 0; // that it was stepped through
    uint64_t pairs = 0;  // that it was shown
};

struct SavedStream {
    StreamPosition position;
    std::vector<float> elements;
};

inline constexpr uint64_t kMaxSavedBytes = uint64_t{64} << 30; // of a file
size_t encoded_bytes(const StateOwner& owner, uint64_t streams);

std::vector<std::byte> encode_streams(const StateOwner& owner, std::span<const SavedStream> streams);

/// Throws invalid_state, saying which check failed, for anything that is not exactly what `encode_streams` made for
/// this owner. With `on_any_device` the device may be another one: the state is the same, later bits may differ.
std::vector<SavedStream> decode_streams(const StateOwner& owner, std::span<const std::byte> bytes, bool on_any_device);

} // namespace gramian
