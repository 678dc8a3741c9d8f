// An earlier report beside this one: what got worse.
#pragma once

#include "report.hpp"

namespace gramian::conformance {

/// One line for each case that fails now and did not before, or whose rms error more than doubled. Throws Stop for a
/// file that is no report.
std::vector<std::string> compare_with_baseline(const std::string& path, const std::vector<Report>& reports);

} // namespace gramian::conformance
