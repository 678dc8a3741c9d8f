// What a person sees while the cases run.
#pragma once

#include "report.hpp"

namespace gramian::conformance {

/// "Gramian 0.1.0 (…) on …": once a device.
void print_header(const Json& header);
/// One line, at once.
void print_record(const Record& record);
/// "N passed, N failed, N skipped" on a line of its own.
void print_summary(const std::vector<Report>& reports);

} // namespace gramian::conformance
