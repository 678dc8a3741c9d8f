#include "view_term.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fmt/format.h>
#include <poll.h>
#include <stdexcept>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

namespace gramian::app {
namespace {

constexpr double kFrameSeconds = 1.0 / 30;
constexpr double kRestSeconds = 1.5; // between episodes
constexpr std::array kEndingSignals{SIGINT, SIGTERM, SIGHUP, SIGQUIT};

/// Colours of the 256 that read on light and on dark grounds; 0 is the terminal's own.
enum : std::uint8_t { kPlain = 0, kRail = 245, kWarn = 160 };
constexpr std::array<std::uint8_t, 6> kPaneColours{244, 33, 172, 35, 134, 168};

volatile std::sig_atomic_t caught_signal = 0;

extern "C" void note_signal(int signal)
{
    caught_signal = signal;
}

std::string in_colour(std::uint8_t colour, const std::string& text)
{
    static const bool is_coloured = std::getenv("NO_COLOR") == nullptr;
    if (!is_coloured || colour == kPlain) return text;
    return fmt::format("\x1b[38;5;{}m{}\x1b[0m", colour, text);
}

/// UTF-8 text cut or padded to this many columns, one for each code point; escape sequences are not expected.
std::string fitted(const std::string& text, std::size_t width, bool is_right = false)
{
    std::string result;
    std::size_t used = 0;
    for (const char letter : text) {
        const bool is_start = (static_cast<unsigned char>(letter) & 0xc0) != 0x80;
        if (is_start && used == width) break;
        used += is_start ? 1 : 0;
        // A control character in a label must not reach the terminal.
        result += static_cast<unsigned char>(letter) < 0x20 || letter == 0x7f ? ' ' : letter;
    }
    const std::string space(width - used, ' ');
    return is_right ? space + result : result + space;
}

/// A grid of dots, 2 x 4 to a character; a character takes the colour drawn last.
class Dots {
public:
    Dots(std::size_t columns, std::size_t rows)
        : columns_(columns), rows_(rows), masks_(columns * rows), colours_(columns * rows)
    {
    }

    void dot(double x, double y, std::uint8_t colour)
    {
        const double column = std::floor(std::round(x) / 2), row = std::floor(std::round(y) / 4);
        if (!(column >= 0 && row >= 0 && column < static_cast<double>(columns_) && row < static_cast<double>(rows_))) {
            return;
        }
        constexpr std::uint8_t kBits[4][2] = {{0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}};
        const auto place = static_cast<std::size_t>(row) * columns_ + static_cast<std::size_t>(column);
        masks_[place] |= kBits[std::lround(y) & 3][std::lround(x) & 1];
        colours_[place] = colour;
    }

    void line(double x0, double y0, double x1, double y1, std::uint8_t colour)
    {
        const double count = std::max(1.0, std::ceil(std::max(std::abs(x1 - x0), std::abs(y1 - y0))));
        if (!(count < 1e5)) return; // an absurd pose
        for (double k = 0; k <= count; ++k) dot(x0 + (x1 - x0) * k / count, y0 + (y1 - y0) * k / count, colour);
    }

    [[nodiscard]] std::string row(std::size_t row) const
    {
        std::string result;
        for (std::size_t begin = row * columns_, end = begin; begin < (row + 1) * columns_; begin = end) {
            std::string run;
            for (; end < (row + 1) * columns_ && colours_[end] == colours_[begin]; ++end) {
                const unsigned mask = masks_[end];
                if (mask == 0) {
                    run += ' ';
                } else { // U+2800 + mask
                    run += {'\xe2', static_cast<char>(0xa0 | mask >> 6), static_cast<char>(0x80 | (mask & 0x3f))};
                }
            }
            result += in_colour(colours_[begin], run);
        }
        return result;
    }

private:
    std::size_t columns_;
    std::size_t rows_;
    std::vector<std::uint8_t> masks_;
    std::vector<std::uint8_t> colours_;
};

/// How the panes share the screen: `across` of them side by side, each of columns x rows characters of scene.
struct Layout {
    std::size_t across = 0;
    std::size_t columns = 0;
    std::size_t rows = 0;
    double scale = 0; // dots per metre
};

constexpr std::size_t kLinesAround = 4;  // title, caption, an empty line, the last line
constexpr std::size_t kLinesPerPane = 3; // label, return, an empty line
constexpr std::size_t kGap = 2;

/// The arrangement that shows the largest carts; none when the screen is too small.
Layout best_layout(const RecordedEpisode& episode, std::size_t columns, std::size_t lines)
{
    Layout best;
    const std::size_t count = episode.panes.size();
    for (std::size_t across = 1; across <= count; ++across) {
        const std::size_t down = (count + across - 1) / across;
        const std::size_t width = (columns + kGap) / across;
        const std::size_t height = lines > kLinesAround ? (lines - kLinesAround + 1) / down : 0;
        if (width < 18 + kGap || height < 3 + kLinesPerPane) continue;
        Layout layout{across, width - kGap, height - kLinesPerPane, 0};
        layout.scale = std::min(static_cast<double>(layout.columns) / (episode.track_half_width + 0.4),
                                2 * static_cast<double>(layout.rows) / (2 * episode.half_length + 0.2));
        if (layout.scale >= best.scale) best = layout;
    }
    return best;
}

Dots scene(const RecordedEpisode& episode, const RecordedPane& pane, double step, const Layout& layout,
           std::uint8_t colour)
{
    Dots dots(layout.columns, layout.rows);
    const auto x = [&](double metres) { return static_cast<double>(layout.columns) + metres * layout.scale; };
    const auto y = [&](double metres) { return 2 * static_cast<double>(layout.rows) - metres * layout.scale; };
    const double track = episode.track_half_width, ground = y(-0.24);
    dots.line(x(-track), ground, x(track), ground, kRail);
    for (const double end : {-track, track}) dots.line(x(end), y(0.04), x(end), ground, kRail);
    dots.line(x(0), ground, x(0), ground + 2, kRail);
    if (step_count(pane) == 0) return dots;
    const Pose pose = pose_at(pane, step);
    if (!pose.has_ended) {
        const double side = pose.action < 0 ? -1 : 1, from = x(pose.x + side * 0.36);
        dots.line(from, y(0), from + 0.75 * pose.action * layout.scale, y(0), kRail);
    }
    const std::uint8_t cart = pose.has_ended ? kWarn : kPlain;
    for (double row = std::round(y(0.12)); row < ground - 0.5; ++row) {
        dots.line(x(pose.x - 0.28), row, x(pose.x + 0.28), row, cart);
    }
    const double length = 2 * episode.half_length;
    const double across = std::cos(pose.theta), along = std::sin(pose.theta);
    const int strokes = layout.scale > 14 ? 3 : 2; // as thick as a pole, not as a thread
    for (int k = 0; k < strokes; ++k) {
        const double aside = (k - (strokes - 1) / 2.0) * 0.8;
        const double dx = aside * across, dy = aside * along;
        dots.line(x(pose.x) + dx, y(0) + dy, x(pose.x + length * along) + dx, y(length * across) + dy, colour);
    }
    return dots;
}

/// The lines of one pane, each layout.columns wide.
std::vector<std::string> pane_lines(const RecordedEpisode& episode, std::size_t place, double step, double period_s,
                                    const Layout& layout)
{
    const RecordedPane& pane = episode.panes[place];
    const bool has_ended = pose_at(pane, step).has_ended;
    const std::uint8_t colour = kPaneColours[place % kPaneColours.size()];
    std::string end;
    if (has_ended) {
        end = fmt::format("off at {:.2f} s", static_cast<double>(step_count(pane)) * period_s);
    } else if (place > 0 && pane.teacher_ratio > 0) {
        end = fmt::format("final {:.2f} of {}", pane.teacher_ratio, episode.panes.front().label);
    }
    const std::string sum = fmt::format("{:6.1f} return", return_at(pane, step));
    const std::size_t half = std::min(sum.size(), layout.columns);
    if (half + end.size() + 1 > layout.columns) end.clear();
    std::vector<std::string> lines{in_colour(colour, "■ ") + fitted(pane.label, layout.columns - 2)};
    const Dots dots = scene(episode, pane, step, layout, colour);
    for (std::size_t row = 0; row < layout.rows; ++row) lines.push_back(dots.row(row));
    lines.push_back(fitted(sum, half) + in_colour(has_ended ? kWarn : kRail, fitted(end, layout.columns - half, true)));
    lines.push_back(std::string(layout.columns, ' '));
    return lines;
}

std::vector<std::string> screen_lines(const Recording& recording, std::size_t index, double step,
                                      const std::string& note, std::size_t columns, std::size_t lines)
{
    const RecordedEpisode& episode = recording.episodes[index];
    const Layout layout = best_layout(episode, columns, lines);
    if (layout.across == 0) return {fitted("the terminal is too small for this view", columns)};
    std::vector<std::string> result{fitted(recording.title, columns),
                                    in_colour(kRail, fitted(episode.caption, columns)), ""};
    for (std::size_t first = 0; first < episode.panes.size(); first += layout.across) {
        std::vector<std::string> band(layout.rows + kLinesPerPane);
        for (std::size_t k = first; k < std::min(first + layout.across, episode.panes.size()); ++k) {
            const std::vector<std::string> pane = pane_lines(episode, k, step, recording.period_s, layout);
            for (std::size_t row = 0; row < band.size(); ++row) {
                band[row] += (k == first ? "" : std::string(kGap, ' ')) + pane[row];
            }
        }
        result.insert(result.end(), band.begin(), band.end());
    }
    const double last = std::max(0.0, static_cast<double>(step_count(episode)) - 1);
    const std::string clock =
        fmt::format("{:5.2f} s   episode {} of {}", (std::min(step, last) + 1) * recording.period_s, index + 1,
                    recording.episodes.size());
    const std::size_t half = std::min(clock.size() + 1, columns);
    result.back() = fitted(clock, half) + in_colour(kRail, fitted(note, columns - half, true));
    return result;
}

} // namespace

struct TerminalView::Restored {
    std::array<struct sigaction, kEndingSignals.size()> actions{};
    termios keys{};
    bool has_keys = false;
};

TerminalView::TerminalView() : restored_(std::make_unique<Restored>())
{
    if (::isatty(STDOUT_FILENO) == 0) throw std::runtime_error("standard output is not a terminal");
    std::fflush(stdout);
    caught_signal = 0;
    struct sigaction action {};
    action.sa_handler = note_signal; // without SA_RESTART: a signal also ends a wait
    for (std::size_t k = 0; k < kEndingSignals.size(); ++k) {
        ::sigaction(kEndingSignals[k], &action, &restored_->actions[k]);
    }
    if (::tcgetattr(STDIN_FILENO, &restored_->keys) == 0) {
        termios keys = restored_->keys;
        keys.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
        keys.c_cc[VMIN] = 0;
        keys.c_cc[VTIME] = 0;
        keys.c_cc[VSUSP] = _POSIX_VDISABLE; // suspended, it would leave the screen as it is now
        restored_->has_keys = ::tcsetattr(STDIN_FILENO, TCSANOW, &keys) == 0;
    }
    send("\x1b[?1049h\x1b[?25l\x1b[2J");
}

TerminalView::~TerminalView()
{
    const int signal = caught_signal;
    caught_signal = 0; // the last bytes must leave even so
    send("\x1b[0m\x1b[?25h\x1b[?1049l");
    if (restored_->has_keys) ::tcsetattr(STDIN_FILENO, TCSANOW, &restored_->keys);
    for (std::size_t k = 0; k < kEndingSignals.size(); ++k) {
        ::sigaction(kEndingSignals[k], &restored_->actions[k], nullptr);
    }
    caught_signal = signal;
}

void TerminalView::send(const std::string& bytes)
{
    for (std::size_t sent = 0; sent < bytes.size() && !is_lost_;) {
        const ssize_t count = ::write(STDOUT_FILENO, bytes.data() + sent, bytes.size() - sent);
        if (count >= 0) {
            sent += static_cast<std::size_t>(count);
        } else if (errno == EAGAIN) {
            pollfd ready{STDOUT_FILENO, POLLOUT, 0};
            ::poll(&ready, 1, 100);
        } else if (errno != EINTR) {
            is_lost_ = true;
        }
        if (caught_signal != 0) return;
    }
}

void TerminalView::draw(const Recording& recording, std::size_t episode, double step, const std::string& note)
{
    winsize size{};
    if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) {
        size.ws_col = 80;
        size.ws_row = 24;
    }
    std::vector<std::string> lines = screen_lines(recording, episode, step, note, size.ws_col, size.ws_row);
    std::string bytes;
    if (lines.size() != shown_.size() || columns_ != size.ws_col) {
        bytes = "\x1b[2J";
        shown_.assign(lines.size(), "");
        columns_ = size.ws_col;
    }
    for (std::size_t k = 0; k < lines.size(); ++k) {
        if (lines[k] != shown_[k]) bytes += fmt::format("\x1b[{};1H{}", k + 1, lines[k]);
    }
    shown_ = std::move(lines);
    send(bytes);
}

TerminalView::Wish TerminalView::wait(double seconds)
{
    using Clock = std::chrono::steady_clock;
    const auto end = Clock::now() + std::chrono::duration<double>(seconds);
    while (true) {
        if (caught_signal != 0 || is_lost_) return Wish::quit;
        const double left = std::chrono::duration<double, std::milli>(end - Clock::now()).count();
        pollfd ready{restored_->has_keys ? STDIN_FILENO : -1, POLLIN, 0};
        const int count = ::poll(&ready, 1, static_cast<int>(std::max(0.0, std::ceil(left))));
        char key = 0;
        if (count > 0 && ::read(STDIN_FILENO, &key, 1) != 1) return Wish::quit; // the terminal has gone
        if (key == ' ') return Wish::pause;
        if (key == 'n') return Wish::next;
        if (key == 'q') return Wish::quit;
        if (left <= 0 && count <= 0 && caught_signal == 0) return Wish::none;
    }
}

int TerminalView::ending_signal() noexcept
{
    return caught_signal;
}

namespace {

/// Plays one episode; false when the viewer asked for the end.
bool play_episode(TerminalView& view, const Recording& recording, std::size_t index)
{
    using Clock = std::chrono::steady_clock;
    const double last = std::max(0.0, static_cast<double>(step_count(recording.episodes[index])) - 1);
    double step = 0;
    double rest = 0;
    bool is_paused = false;
    for (auto before = Clock::now(); rest < kRestSeconds;) {
        view.draw(recording, index, step, is_paused ? "paused · space plays" : "space pauses · n next · q ends");
        const TerminalView::Wish wish = view.wait(kFrameSeconds);
        if (wish == TerminalView::Wish::quit) return false;
        if (wish == TerminalView::Wish::next) return true;
        if (wish == TerminalView::Wish::pause) is_paused = !is_paused;
        const auto now = Clock::now();
        const double passed = std::chrono::duration<double>(now - before).count();
        before = now;
        if (is_paused) continue;
        if (step >= last) rest += passed;
        step = std::min(last, step + passed / recording.period_s);
    }
    return true;
}

} // namespace

void play_in_terminal(const Recording& recording)
{
    if (::isatty(STDOUT_FILENO) == 0) {
        fmt::print(stderr, "standard output is not a terminal: nothing to view\n");
        return;
    }
    if (!(recording.period_s > 0)) throw std::runtime_error("a recording needs a period above 0 s");
    {
        TerminalView view;
        for (std::size_t k = 0; k < recording.episodes.size(); ++k) {
            if (!play_episode(view, recording, k)) break;
        }
    }
    if (const int signal = TerminalView::ending_signal(); signal != 0) std::raise(signal);
}

} // namespace gramian::app
