#include "../common/html.hpp"
#include "record.hpp"
#include "record_html_page.hpp"
#include "record_html_script.hpp"

#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <system_error>
#include <unistd.h>
#include <utility>
#include <vector>

namespace gramian::app {
namespace {

using Json = nlohmann::json;
namespace fs = std::filesystem;

[[noreturn]] void refuse(const fs::path& path, std::string_view reason)
{
    throw std::runtime_error(fmt::format("cannot write {}: {}", path.string(), reason));
}

std::string extension_of(const fs::path& path)
{
    std::string extension = path.extension().string();
    for (char& letter : extension) {
        if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
    }
    return extension;
}

/// A file being written beside its final place; gone again unless kept.
class FileBeside {
public:
    explicit FileBeside(const fs::path& path) : path_(path), target_(path)
    {
        std::error_code error;
        // A link stays a link: what it points to is replaced.
        if (fs::is_symlink(path, error)) target_ = fs::weakly_canonical(path, error);
        if (fs::exists(target_, error) && !fs::is_regular_file(target_, error)) refuse(path_, "not a regular file");
        if (fs::exists(target_, error) && ::access(target_.c_str(), W_OK) != 0) refuse(path_, std::strerror(errno));
        beside_ = target_;
        beside_ += fmt::format(".{}.part", ::getpid());
        file_ = std::fopen(beside_.c_str(), "wb");
        if (file_ == nullptr) refuse(path_, std::strerror(errno));
    }
    FileBeside(const FileBeside&) = delete;
    FileBeside& operator=(const FileBeside&) = delete;
    ~FileBeside()
    {
        if (file_ != nullptr) std::fclose(file_);
        std::error_code ignored;
        if (!is_kept_) fs::remove(beside_, ignored);
    }

    void write(std::string_view bytes)
    {
        if (std::fwrite(bytes.data(), 1, bytes.size(), file_) != bytes.size()) refuse(path_, std::strerror(errno));
    }

    /// A full disk may show only when the last bytes leave, so every stage is asked.
    void keep()
    {
        if (std::fflush(file_) != 0 || ::fsync(::fileno(file_)) != 0) refuse(path_, std::strerror(errno));
        const int closed = std::fclose(file_);
        file_ = nullptr;
        if (closed != 0) refuse(path_, std::strerror(errno));
        std::error_code error;
        fs::rename(beside_, target_, error);
        if (error) refuse(path_, error.message());
        is_kept_ = true;
    }

private:
    fs::path path_;
    fs::path target_;
    fs::path beside_;
    std::FILE* file_ = nullptr;
    bool is_kept_ = false;
};

double finite_or_zero(double value)
{
    return std::isfinite(value) ? value : 0.0;
}

/// Whole multiples of 1 / scale: short to write, exact enough to draw.
Json rounded(const std::vector<float>& values, std::size_t count, double scale)
{
    Json result = Json::array();
    for (std::size_t k = 0; k < count; ++k) result.push_back(std::lround(finite_or_zero(values[k]) * scale));
    return result;
}

/// Rounds the running sum rather than each reward, so that the shown return never drifts from the true one.
Json rounded_rewards(const RecordedPane& pane, double scale)
{
    Json result = Json::array();
    double sum = 0;
    long written = 0;
    for (std::size_t k = 0; k < step_count(pane); ++k) {
        sum += finite_or_zero(pane.reward[k]);
        const long total = std::lround(sum * scale);
        result.push_back(total - written);
        written = total;
    }
    return result;
}

Json pane_json(const RecordedPane& pane)
{
    const std::size_t count = step_count(pane);
    std::vector<float> turned(count);
    for (std::size_t k = 0; k < count; ++k) {
        turned[k] = static_cast<float>(wrapped_angle(finite_or_zero(pane.theta[k])));
    }
    return {{"label", pane.label},
            {"reference", pane.reference},
            {"ratio", pane.teacher_ratio}, // a ratio that is not finite becomes null
            {"total", pane.total_return},
            {"x", rounded(pane.x, count, 1000)},
            {"theta", rounded(turned, count, 1000)},
            {"action", rounded(pane.action, count, 100)},
            {"reward", rounded_rewards(pane, 1000)}};
}

Json recording_json(const Recording& recording)
{
    Json episodes = Json::array();
    for (const RecordedEpisode& episode : recording.episodes) {
        Json panes = Json::array();
        for (const RecordedPane& pane : episode.panes) panes.push_back(pane_json(pane));
        episodes.push_back({{"caption", episode.caption},
                            {"name", episode.name},
                            {"halfLength", episode.half_length},
                            {"track", episode.track_half_width},
                            {"panes", std::move(panes)}});
    }
    Json references = Json::array();
    for (const RecordedPane& pane : recording.references) references.push_back(pane_json(pane));
    const Variable& variable = recording.variable;
    Json change = nullptr;
    if (!variable.name.empty()) {
        change = {{"name", variable.name},
                  {"figure", variable.figure},
                  {"values", variable.values},
                  {"scores", variable.scores},
                  {"reference", variable.reference}};
    }
    return {{"period", recording.period_s},
            {"variable", std::move(change)},
            {"references", std::move(references)},
            {"episodes", std::move(episodes)}};
}

/// JSON that may stand in a script element: no text in it can close the element.
std::string embedded(const Json& json)
{
    std::string result;
    for (const char letter : json.dump(-1, ' ', false, Json::error_handler_t::replace)) {
        if (letter == '<') {
            result += "\\u003c";
        } else {
            result += letter;
        }
    }
    return result;
}

/// The template with each @name@ replaced by its value, in one pass: values are never searched.
std::string filled_page(const Recording& recording)
{
    const std::string data = embedded(recording_json(recording));
    const std::string title = escaped(recording.title);
    const std::string subtitle = escaped(recording.subtitle);
    const std::pair<std::string_view, std::string_view> values[] = {
        {"@title@", title}, {"@subtitle@", subtitle},  {"@style@", kPageStyle},
        {"@data@", data},   {"@scene@", kSceneScript}, {"@player@", kPlayerScript}};
    std::string page;
    std::string_view rest = kPage;
    while (!rest.empty()) {
        bool is_name = false;
        for (const auto& [name, value] : values) {
            if (!rest.starts_with(name)) continue;
            page += value;
            rest.remove_prefix(name.size());
            is_name = true;
            break;
        }
        if (is_name) continue;
        page += rest.front();
        rest.remove_prefix(1);
    }
    return page;
}

} // namespace

void check_writable(const fs::path& path)
{
    const std::string extension = extension_of(path);
    if (extension != ".html" && extension != ".gif" && extension != ".png") {
        refuse(path, "a recording is a .html, .gif or .png file");
    }
    FileBeside(path).write("");
}

void replace_file(const fs::path& path, std::string_view bytes)
{
    FileBeside file(path);
    file.write(bytes);
    file.keep();
}

void write_html(const Recording& recording, const fs::path& path)
{
    replace_file(path, filled_page(recording));
}

void write_recording(const Recording& recording, const fs::path& path)
{
    check_writable(path);
    const std::string extension = extension_of(path);
    if (extension == ".html") return write_html(recording, path);
    if (extension == ".gif") return write_gif(recording, path);
    write_png(recording, path);
}

} // namespace gramian::app
