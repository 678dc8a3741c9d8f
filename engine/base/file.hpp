// Whole files, read and written in one piece. Used for models, saved state, caches and reports.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

namespace gramian {

/// The bytes of a regular file. Throws io_error, naming the path and the reason, when it cannot be read,
/// is a directory or a device, or holds more than `max_bytes`.
std::vector<std::byte> read_file(const std::filesystem::path& path, uint64_t max_bytes);

/// Replaces the file, or leaves it exactly as it was: writes a temporary beside it, syncs, renames. A symbolic
/// link is followed. A device or pipe (/dev/stdout) is written directly, since it cannot be replaced.
/// Throws io_error, naming the path and the reason; no temporary is left behind.
void write_file_atomically(const std::filesystem::path& path, std::span<const std::byte> bytes);

} // namespace gramian
