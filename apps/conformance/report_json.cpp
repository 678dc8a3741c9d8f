#include "report.hpp"

#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <fstream>

namespace gramian::conformance {

std::string_view outcome_name(Outcome outcome)
{
    constexpr std::string_view kNames[] = {"pass", "fail", "unsupported", "waived", "timeout", "crash", "device_lost"};
    return kNames[static_cast<size_t>(outcome)];
}

bool is_failure(Outcome outcome)
{
    return outcome != Outcome::pass && outcome != Outcome::unsupported && outcome != Outcome::waived;
}

Json json_of(const Record& record)
{
    return {
        {"name", record.name},
        {"status", outcome_name(record.outcome)},
        {"reason", record.reason},
        {"tolerance", {{"rms", record.tolerance_rms}, {"max", record.tolerance_max}, {"abs", record.tolerance_abs}}},
        {"rms", record.rms}, // infinite: null
        {"max", record.max},
        {"worst_index", record.worst_index},
        {"us", record.us}};
}

void write_text(const std::string& path, std::string_view text)
{
    errno = 0;
    std::ofstream file(path, std::ios::binary);
    file << text << std::flush;
    if (!file) throw Stop{kExitUsage, fmt::format("{}: cannot write: {}", path, std::strerror(errno))};
}

Json read_json(const std::string& path)
{
    errno = 0;
    std::ifstream file(path, std::ios::binary);
    if (!file) throw Stop{kExitUsage, fmt::format("{}: cannot read: {}", path, std::strerror(errno))};
    Json json = Json::parse(file, nullptr, false);
    if (json.is_discarded()) throw Stop{kExitUsage, fmt::format("{}: not JSON", path)};
    return json;
}

void write_json(const std::string& path, const std::vector<Report>& reports)
{
    Json json = reports.front().header;
    Json cases = Json::array();
    for (const Report& report : reports) {
        for (const Record& record : report.records) {
            cases.push_back(json_of(record));
            if (reports.size() > 1) cases.back()["device"] = report.header["device"];
        }
        if (reports.size() > 1) json["devices"].push_back(report.header);
    }
    json["cases"] = std::move(cases);
    // Reasons may quote bytes of a hostile file.
    write_text(path, json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n");
}

} // namespace gramian::conformance
