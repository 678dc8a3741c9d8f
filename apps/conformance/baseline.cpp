#include "baseline.hpp"

#include <fmt/format.h>
#include <map>

namespace gramian::conformance {
namespace {

constexpr double kGrowth = 2;
constexpr double kRounding = 1.2e-7; // errors below one unit in the last place of fp32 are no news

using Cases = std::map<std::pair<std::string, std::string>, Json>; // by device, empty for the only one, and name

Cases cases_of(const std::string& path)
{
    const Json json = read_json(path);
    Cases cases;
    try {
        for (const Json& entry : json.at("cases")) {
            entry.at("status").get<std::string>();
            cases[{entry.value("device", ""), entry.at("name").get<std::string>()}] = entry;
        }
    } catch (const Json::exception& error) {
        throw Stop{kExitUsage, fmt::format("{}: not a report of gramian-conformance: {}", path, error.what())};
    }
    return cases;
}

std::string news(const Json& before, const Record& now)
{
    const std::string status = before["status"].get<std::string>();
    if (is_failure(now.outcome)) {
        const bool is_new = status == "pass" || status == "unsupported" || status == "waived";
        return is_new ? fmt::format("newly failing: {} (was {})", now.name, status) : "";
    }
    const bool has_error = before.contains("rms") && before["rms"].is_number();
    if (now.outcome != Outcome::pass || status != "pass" || !has_error) return "";
    const double rms = before["rms"].get<double>();
    if (now.rms <= kGrowth * std::max(rms, kRounding)) return "";
    return fmt::format("error grown: {} rms {:.2g}, was {:.2g}", now.name, now.rms, rms);
}

} // namespace

std::vector<std::string> compare_with_baseline(const std::string& path, const std::vector<Report>& reports)
{
    const Cases cases = cases_of(path);
    std::vector<std::string> lines;
    for (const Report& report : reports) {
        for (const Record& record : report.records) {
            auto before = cases.find({report.header.value("device", ""), record.name});
            if (before == cases.end()) before = cases.find({"", record.name});
            if (before == cases.end()) continue;
            std::string line = news(before->second, record);
            if (!line.empty()) lines.push_back(std::move(line));
        }
    }
    return lines;
}

} // namespace gramian::conformance
