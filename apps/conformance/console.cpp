#include "console.hpp"

#include <algorithm>
#include <cstdio>
#include <fmt/format.h>

namespace gramian::conformance {

void print_header(const Json& header)
{
    fmt::print("Gramian {} ({}), kernels {}, seed {}\n{}, {}, subgroup size {}, limits {}\n",
               header["engine_version"].get<std::string>(), header["git_revision"].get<std::string>(),
               header["spirv_hash"].get<std::string>(), header["seed"].get<uint64_t>(),
               header["device"].get<std::string>(), header["driver"].get<std::string>(),
               header["subgroup_size"].get<uint32_t>(), header["limits"]["assumed"].get<std::string>());
    std::fflush(stdout);
}

void print_record(const Record& record)
{
    std::string line = fmt::format("{:<11} {}", outcome_name(record.outcome), record.name);
    if (record.outcome == Outcome::pass) {
        // Of next to nothing ratios say nothing: what passed there is within the absolute bound.
        const bool is_near_zero = record.rms > record.tolerance_rms || record.max > record.tolerance_max;
        line += is_near_zero ? fmt::format("  within {:.2g}  {:.0f} us", record.tolerance_abs, record.us)
                             : fmt::format("  rms {:.2g} max {:.2g}  {:.0f} us", record.rms, record.max, record.us);
    } else {
        line += "  " + record.reason;
    }
    fmt::print("{}\n", line);
    std::fflush(stdout);
}

void print_summary(const std::vector<Report>& reports)
{
    uint32_t passed = 0;
    uint32_t failed = 0;
    uint32_t skipped = 0;
    uint64_t pipelines = 0;
    for (const Report& report : reports) {
        for (const Record& record : report.records) {
            passed += record.outcome == Outcome::pass;
            failed += is_failure(record.outcome);
            skipped += record.outcome == Outcome::unsupported || record.outcome == Outcome::waived;
            pipelines = std::max(pipelines, record.pipelines);
        }
    }
    if (failed > 0) {
        fmt::print("\nNot passed:\n");
        for (const Report& report : reports) {
            for (const Record& record : report.records) {
                if (is_failure(record.outcome)) print_record(record);
            }
        }
    }
    fmt::print("\n{} passed, {} failed, {} skipped", passed, failed, skipped);
    if (pipelines > 0) fmt::print(", {} pipelines", pipelines);
    fmt::print("\n");
    std::fflush(stdout);
}

} // namespace gramian::conformance
