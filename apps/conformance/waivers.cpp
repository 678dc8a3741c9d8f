#include "waivers.hpp"

#include <fmt/format.h>
#include <fnmatch.h>

namespace gramian::conformance {
namespace {

Waiver waiver_of(const Json& json)
{
    Waiver waiver;
    for (const auto& [key, value] : json.items()) {
        if (key == "vendor")
            waiver.vendor = value.get<int64_t>();
        else if (key == "device")
            waiver.device = value.get<std::string>();
        else if (key == "driver") {
            waiver.driver_low = value.at(0).get<uint64_t>();
            waiver.driver_high = value.at(1).get<uint64_t>();
        } else if (key != "glob" && key != "reason" && key != "link") {
            throw std::invalid_argument("unknown field " + key);
        }
    }
    waiver.glob = json.at("glob").get<std::string>();
    waiver.reason = json.at("reason").get<std::string>();
    waiver.link = json.at("link").get<std::string>();
    return waiver;
}

bool is_meant(const Waiver& waiver, const Json& header, const Record& record)
{
    if (waiver.vendor >= 0 && header.value("vendor_id", int64_t{-1}) != waiver.vendor) return false;
    const std::string device = header.value("device", "");
    if (!waiver.device.empty() && ::fnmatch(waiver.device.c_str(), device.c_str(), 0) != 0) return false;
    const auto driver = header.value("driver_version", uint64_t{0});
    if (driver < waiver.driver_low || driver > waiver.driver_high) return false;
    return ::fnmatch(waiver.glob.c_str(), record.name.c_str(), 0) == 0;
}

} // namespace

std::vector<Waiver> read_waivers(const std::string& path)
{
    const Json json = read_json(path);
    if (!json.is_array()) throw Stop{kExitUsage, fmt::format("{}: expected a list of waivers", path)};
    std::vector<Waiver> waivers;
    for (const Json& entry : json) {
        try {
            waivers.push_back(waiver_of(entry));
        } catch (const std::exception& error) {
            throw Stop{kExitUsage, fmt::format("{}: waiver {}: {}", path, waivers.size(), error.what())};
        }
    }
    return waivers;
}

void apply_waivers(const std::vector<Waiver>& waivers, const Json& header, Record& record)
{
    if (!is_failure(record.outcome)) return;
    for (const Waiver& waiver : waivers) {
        if (!is_meant(waiver, header, record)) continue;
        record.reason =
            fmt::format("{} ({}); {}: {}", waiver.reason, waiver.link, outcome_name(record.outcome), record.reason);
        record.outcome = Outcome::waived;
        return;
    }
}

} // namespace gramian::conformance
