#include "verdicts.hpp"

#include <cstdlib>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <unistd.h>

namespace gramian::app {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

/// Empty where neither variable is set.
fs::path cache_file()
{
    const char* cache = std::getenv("XDG_CACHE_HOME");
    const char* home = std::getenv("HOME");
    if (cache && *cache) return fs::path(cache) / "gramian" / "verdicts.json";
    if (home && *home) return fs::path(home) / ".cache" / "gramian" / "verdicts.json";
    return {};
}

/// An array, empty where the file is absent or damaged.
Json read_verdicts()
{
    std::ifstream file(cache_file());
    std::stringstream text;
    text << file.rdbuf();
    Json verdicts = Json::parse(text.str(), nullptr, false);
    return verdicts.is_array() ? verdicts : Json::array();
}

bool is_of_same_device(const Json& a, const Json& b)
{
    if (!a.is_object() || !b.is_object()) return false;
    return a.value("device", "") == b.value("device", "") && a.value("driver", "") == b.value("driver", "") &&
           a.value("abilities", Json()) == b.value("abilities", Json());
}

} // namespace

std::string kept_verdicts()
{
    return read_verdicts().dump();
}

void keep_verdict(const std::string& verdict)
{
    const fs::path path = cache_file();
    if (path.empty()) throw std::runtime_error("neither XDG_CACHE_HOME nor HOME is set: the verdict is not kept");
    const Json added = Json::parse(verdict);
    Json verdicts = Json::array();
    for (const Json& kept : read_verdicts()) {
        if (!is_of_same_device(kept, added)) verdicts.push_back(kept);
    }
    verdicts.push_back(added);
    std::error_code error;
    fs::create_directories(path.parent_path(), error);
    const fs::path beside = fmt::format("{}.{}.tmp", path.string(), ::getpid());
    const bool is_written = static_cast<bool>(std::ofstream(beside) << verdicts.dump(1) << std::flush);
    if (is_written) fs::rename(beside, path, error);
    if (!is_written || error) throw std::runtime_error(path.string() + ": cannot write the verdict");
}

} // namespace gramian::app
