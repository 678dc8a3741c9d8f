// Failures that are known, put up with and tracked elsewhere.
#pragma once

#include "report.hpp"

namespace gramian::conformance {

/// A failing case that a waiver's glob matches, on a device that it names, becomes waived. All but `glob`, `reason`
/// and `link` may be absent.
struct Waiver {
    int64_t vendor = -1; // PCI number; -1: any
    std::string device;  // glob on the device's name; empty: any
    uint64_t driver_low = 0;
    uint64_t driver_high = UINT64_MAX; // of driver_version, both included
    std::string glob;
    std::string reason;
    std::string link;
};

/// Throws Stop for a file that is not such a list.
std::vector<Waiver> read_waivers(const std::string& path);
void apply_waivers(const std::vector<Waiver>& waivers, const Json& header, Record& record);

} // namespace gramian::conformance
