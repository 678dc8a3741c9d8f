// The parts of the device passport: each turns a report into a piece of HTML. Used by passport.cpp alone.
#pragma once

#include "../common/html.hpp"
#include "report.hpp"

#include <string>

namespace gramian::conformance {

/// Observed error over allowed, the larger of rms and max; -1 where nothing was compared.
double used_tolerance(const Record& record);

std::string limits_part(const Json& header);
std::string kernels_part(const Json& header);
std::string families_part(const std::vector<Record>& records);
/// A square a case: how much of its tolerance the error used.
std::string heat_part(const std::vector<Record>& records);
std::string slowest_part(const std::vector<Record>& records);
/// Cases with one of these outcomes, with their reasons; empty where there are none.
std::string reasons_part(const std::vector<Record>& records, const char* title, bool (*is_wanted)(Outcome));
/// Roofline fractions; empty where the bench did not run.
std::string bench_part(const Json& bench);
std::string cases_part(const std::vector<Record>& records);

} // namespace gramian::conformance
