#include "act_lines.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <csignal>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <poll.h>
#include <sys/signalfd.h>
#include <system_error>
#include <unistd.h>

namespace gramian::app {
namespace {

using LineJson = nlohmann::json;

constexpr std::string_view kSpaces = " \t\r\v\f";
constexpr size_t kReadBytes = size_t{1} << 16;

template <class... Parts>
[[noreturn]] void refuse(fmt::format_string<Parts...> text, Parts&&... parts)
{
    throw LineError(fmt::format(text, std::forward<Parts>(parts)...));
}

std::string_view trimmed(std::string_view text)
{
    const size_t first = text.find_first_not_of(kSpaces);
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(kSpaces) - first + 1);
}

/// For messages: printable ASCII, short.
std::string printable(std::string_view text)
{
    constexpr size_t kLongest = 40;
    std::string shown;
    for (const char letter : text.substr(0, kLongest)) shown += letter >= ' ' && letter <= '~' ? letter : '?';
    return shown + (text.size() > kLongest ? "..." : "");
}

std::string describe(const LineJson& value)
{
    if (value.is_array()) return "an array";
    if (value.is_object()) return "an object";
    return printable(value.dump(-1, ' ', true, LineJson::error_handler_t::replace));
}

std::string count_text(size_t count)
{
    return fmt::format("{} number{}", count, count == 1 ? "" : "s");
}

float finite(double number, std::string_view name, size_t position)
{
    const auto value = static_cast<float>(number);
    if (!std::isfinite(value)) refuse("{}: number {} is not finite in fp32", name, position + 1);
    return value;
}

void check_count(size_t expected, size_t found, std::string_view name)
{
    if (expected == found) return;
    const std::string_view lead = name == "observation" ? "" : name;
    refuse("{}{}expected {}, found {}", lead, lead.empty() ? "" : ": ", count_text(expected), found);
}

std::vector<float> numbers(const LineJson& value, std::string_view name, size_t expected)
{
    if (!value.is_array()) refuse("{}: expected an array of {}, found {}", name, count_text(expected), describe(value));
    check_count(expected, value.size(), name);
    std::vector<float> result;
    for (const LineJson& element : value) {
        if (!element.is_number()) refuse("{}: number {} is {}", name, result.size() + 1, describe(element));
        result.push_back(finite(element.get<double>(), name, result.size()));
    }
    return result;
}

std::vector<float> numbers_of_csv(std::string_view line, size_t expected)
{
    std::vector<float> result;
    for (size_t begin = 0; begin <= line.size();) {
        const size_t end = std::min(line.find(',', begin), line.size());
        std::string_view text = trimmed(line.substr(begin, end - begin));
        if (text.size() > 1 && text[0] == '+' && text[1] != '-') text.remove_prefix(1);
        double number = 0;
        const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
        if (error == std::errc::result_out_of_range) number = INFINITY;
        if (error == std::errc::invalid_argument || rest != text.data() + text.size()) {
            refuse("expected a JSON array, a JSON object or numbers between commas, found '{}'", printable(text));
        }
        result.push_back(finite(number, "observation", result.size()));
        begin = end + 1;
    }
    check_count(expected, result.size(), "observation");
    return result;
}

/// One JSON value; a key that comes twice is refused, and so is any depth that no line needs, before it costs anything.
LineJson parse_json_line(std::string_view line)
{
    std::vector<std::string> keys;
    const auto check = [&](int depth, LineJson::parse_event_t event, const LineJson& value) {
        const bool is_start =
            event == LineJson::parse_event_t::array_start || event == LineJson::parse_event_t::object_start;
        if (is_start && depth >= 2) refuse("expected numbers, found arrays in arrays");
        if (event != LineJson::parse_event_t::key) return true;
        const auto& key = value.get_ref<const std::string&>();
        if (std::find(keys.begin(), keys.end(), key) != keys.end()) refuse("the key '{}' comes twice", printable(key));
        if (keys.size() < 8) keys.push_back(key); // no line has more; an unknown one is refused below
        return true;
    };
    // The parser takes a NUL byte for the end of its input.
    if (line.find('\0') != std::string_view::npos) refuse("found a NUL byte");
    try {
        return LineJson::parse(line.begin(), line.end(), check);
    } catch (const LineJson::parse_error& error) {
        refuse("not JSON at byte {}", error.byte);
    } catch (const LineJson::out_of_range&) {
        refuse("a number that is not finite in fp32");
    }
}

uint32_t stream_of(const LineJson& object, uint32_t streams)
{
    if (!object.contains("stream")) return 0;
    const LineJson& value = object.at("stream");
    if (!value.is_number_unsigned() || value.get<uint64_t>() >= streams) {
        refuse("stream: expected 0 to {}, found {}", streams - 1, describe(value));
    }
    return value.get<uint32_t>();
}

ActLine parse_object(const LineJson& object, const ActSizes& sizes)
{
    constexpr std::array<std::string_view, 4> known{"observation", "target", "stream", "reset"};
    for (const auto& [key, value] : object.items()) {
        if (std::find(known.begin(), known.end(), key) == known.end()) {
            refuse("unknown key '{}'; there are observation, target, stream and reset", printable(key));
        }
    }
    ActLine line;
    line.stream = stream_of(object, sizes.streams);
    if (object.contains("reset")) {
        if (object.at("reset") != true) refuse("reset: expected true, found {}", describe(object.at("reset")));
        if (object.contains("observation") || object.contains("target")) refuse("reset stands alone or with a stream");
        line.kind = ActLine::Kind::reset;
        return line;
    }
    if (!object.contains("observation")) refuse("expected an observation or a reset");
    line.observation = numbers(object.at("observation"), "observation", sizes.observation);
    if (!object.contains("target")) return line;
    if (sizes.target == 0) refuse("this model has no context input: it cannot be taught");
    line.kind = ActLine::Kind::teach;
    line.target = numbers(object.at("target"), "target", sizes.target);
    return line;
}

} // namespace

ActLine parse_act_line(std::string_view line, const ActSizes& sizes)
{
    const std::string_view text = trimmed(line);
    if (text.starts_with('{')) return parse_object(parse_json_line(text), sizes);
    ActLine result;
    result.observation = text.starts_with('[') ? numbers(parse_json_line(text), "observation", sizes.observation)
                                               : numbers_of_csv(text, sizes.observation);
    return result;
}

bool is_blank(std::string_view line)
{
    return trimmed(line).empty();
}

LineReader::LineReader(int descriptor) : descriptor_(descriptor)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, nullptr);
    signals_ = signalfd(-1, &set, SFD_CLOEXEC);
    if (signals_ < 0) throw std::runtime_error("cannot listen for signals");
}

LineReader::~LineReader()
{
    ::close(signals_);
}

bool LineReader::is_told_to_stop(bool may_wait) const
{
    // No event is asked of standard output: a pipe that has lost its reader says so by itself.
    std::array<pollfd, 3> waited{{{descriptor_, POLLIN, 0}, {signals_, POLLIN, 0}, {STDOUT_FILENO, 0, 0}}};
    while (::poll(waited.data(), waited.size(), may_wait ? -1 : 0) < 0) {
        if (errno != EINTR) throw std::runtime_error("cannot wait for standard input");
    }
    return waited[1].revents != 0 || (waited[2].revents & (POLLERR | POLLHUP)) != 0;
}

/// False at the end.
bool LineReader::fill()
{
    buffer_.erase(0, begin_);
    begin_ = 0;
    const size_t held = buffer_.size();
    buffer_.resize(held + kReadBytes);
    ssize_t count = -1;
    do count = ::read(descriptor_, buffer_.data() + held, kReadBytes);
    while (count < 0 && errno == EINTR);
    buffer_.resize(held + static_cast<size_t>(std::max<ssize_t>(count, 0)));
    if (count < 0 && errno != EAGAIN) {
        throw std::runtime_error("standard input: cannot read: " + std::generic_category().message(errno));
    }
    return count != 0;
}

LineReader::Found LineReader::next(std::string& line)
{
    bool is_too_long = false;
    for (size_t searched = begin_;;) {
        const size_t newline = buffer_.find('\n', searched);
        const bool is_found = newline != std::string::npos;
        if (is_told_to_stop(!is_found && !is_at_end_)) return Found::stop;
        const size_t end = is_found ? newline : buffer_.size();
        is_too_long = is_too_long || end - begin_ > kMaxLineBytes;
        if (is_found || is_at_end_) {
            if (!is_found && begin_ == end && !is_too_long) return Found::end;
            line.assign(buffer_, begin_, is_too_long ? 0 : end - begin_);
            begin_ = is_found ? newline + 1 : end;
            return is_too_long ? Found::too_long : Found::line;
        }
        if (is_too_long) begin_ = end; // no need to keep what is skipped
        searched = buffer_.size() - begin_;
        is_at_end_ = !fill();
    }
}

} // namespace gramian::app
