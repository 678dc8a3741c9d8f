// Draws a recording in a terminal with braille dots: plain text, light enough for ssh. Used by `run --view term`.
#pragma once

#include "recording.hpp"

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

namespace gramian::app {

/// Takes over the terminal on standard output while it lives: own screen, hidden cursor, keys unechoed; all of it is
/// given back by the destructor. SIGINT, SIGTERM, SIGHUP and SIGQUIT do not end the process meanwhile: they end the
/// view (`Wish::quit`), and `ending_signal` tells which one came. At most one lives at a time.
class TerminalView {
public:
    enum class Wish { none, pause, next, quit };

    /// Throws std::runtime_error when standard output is not a terminal.
    TerminalView();
    TerminalView(const TerminalView&) = delete;
    TerminalView& operator=(const TerminalView&) = delete;
    ~TerminalView();

    /// Draws one episode at a fractional step; only the lines that changed are sent. While an episode still runs, its
    /// panes may grow from call to call. The note stands at the right of the last line.
    void draw(const Recording& recording, std::size_t episode, double step, const std::string& note);

    /// Waits up to this long for a key or a signal: space, n, q.
    [[nodiscard]] Wish wait(double seconds);

    /// The signal that asked for the end, or 0.
    [[nodiscard]] static int ending_signal() noexcept;

private:
    void send(const std::string& bytes);

    struct Restored; // what the terminal and the signals were before
    std::unique_ptr<Restored> restored_;
    std::vector<std::string> shown_; // lines on the screen
    std::size_t columns_ = 0;
    bool is_lost_ = false; // the terminal takes nothing any more
};

/// Plays all episodes in real time at 30 frames a second: space pauses, n is the next episode, q ends. Call it when all
/// results are safe: a signal ends the process as it would have without the view, once the terminal is restored.
/// When standard output is not a terminal, says so in one line on standard error and returns.
void play_in_terminal(const Recording& recording);

} // namespace gramian::app
