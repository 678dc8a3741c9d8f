// Files that show a recording: a self-contained page, an animated picture, a contact sheet. Used by `run --record`.
// Each file appears whole or not at all: it is written under another name in the same directory, then renamed.
#pragma once

#include "recording.hpp"

#include <filesystem>
#include <string_view>

namespace gramian::app {

/// Call before the episodes run, so that no work is lost. Leaves no file behind.
/// Throws std::runtime_error naming the path when its extension is not .html, .gif or .png or it cannot be written.
void check_writable(const std::filesystem::path& path);

/// Writes the page, the animation or the contact sheet, as the extension says; throws like check_writable.
void write_recording(const Recording& recording, const std::filesystem::path& path);

/// A page with a player of every episode, which needs no other file and no network.
void write_html(const Recording& recording, const std::filesystem::path& path);

/// The panes of the first episode side by side, 20 frames a second, endlessly repeated.
void write_gif(const Recording& recording, const std::filesystem::path& path);

/// The first episode as a table of pictures: one row per pane, eight instants.
void write_png(const Recording& recording, const std::filesystem::path& path);

/// Replaces the file at once by these bytes; throws std::runtime_error naming the path, and leaves the old file, when
/// any of it cannot be written.
void replace_file(const std::filesystem::path& path, std::string_view bytes);

} // namespace gramian::app
