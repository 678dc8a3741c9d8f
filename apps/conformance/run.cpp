#include "run.hpp"

#include "baseline.hpp"
#include "console.hpp"
#include "suite.hpp"
#include "waivers.hpp"

#include <fmt/format.h>

namespace gramian::conformance {
namespace {

std::vector<std::string> selectors(const Options& options)
{
    if (options.device != "all") return {options.device};
    const char* devices = gramian_conformance_devices_json();
    if (!devices) throw Stop{kExitNothingRan, gramian_conformance_last_error()};
    std::vector<std::string> found;
    const Json list = Json::parse(devices);
    for (size_t i = 0; i < list.size(); ++i) {
        found.push_back(list[i]["kind"] == "host" ? "host" : std::to_string(i));
    }
    return found;
}

Report run_on(const std::string& selector, gramian_conformance& suite, const std::vector<Chosen>& chosen,
              const Options& options, const std::vector<Waiver>& waivers)
{
    Report report;
    const Sink sink = [&](const Json& header, Record record) {
        if (report.records.empty()) print_header(header);
        report.header = header;
        apply_waivers(waivers, header, record);
        print_record(record);
        report.records.push_back(std::move(record));
    };
    const auto run = options.isolate ? run_isolated : run_here;
    run(suite, chosen, options, selector, sink);
    return report;
}

std::vector<Report> run_all(gramian_conformance& suite, const std::vector<Chosen>& chosen, const Options& options)
{
    const std::vector<Waiver> waivers = options.waivers.empty() ? std::vector<Waiver>() : read_waivers(options.waivers);
    std::vector<Report> reports;
    for (const std::string& selector : selectors(options)) {
        reports.push_back(run_on(selector, suite, chosen, options, waivers));
    }
    return reports;
}

void write_files(const Options& options, const std::vector<Report>& reports)
{
    if (!options.json.empty()) write_json(options.json, reports);
    if (!options.junit.empty()) write_junit(options.junit, reports);
    if (options.html.empty()) return;
    write_passport(options.html, reports, options.bench.empty() ? Json() : read_json(options.bench));
}

int exit_code(const std::vector<Report>& reports)
{
    int code = 0;
    for (const Report& report : reports) {
        for (const Record& record : report.records) {
            const bool is_crash = record.outcome == Outcome::crash || record.outcome == Outcome::device_lost;
            if (is_failure(record.outcome)) code = std::max(code, is_crash ? kExitCrash : kExitFailure);
        }
    }
    return code;
}

int run(int argc, char** argv)
{
    const Options options = parse_options(argc, argv);
    const SuiteHandle suite = create_suite(options);
    const std::vector<Chosen> chosen = choose(*suite, options);
    if (chosen.empty()) throw Stop{kExitNothingRan, "no case matches"};
    if (options.list) {
        for (const Chosen& one : chosen) fmt::print("{}\n", one.name);
        return 0;
    }
    const std::vector<Report> reports = run_all(*suite, chosen, options);
    write_files(options, reports);
    if (!options.baseline.empty()) {
        for (const std::string& line : compare_with_baseline(options.baseline, reports)) fmt::print("{}\n", line);
    }
    print_summary(reports);
    return exit_code(reports);
}

} // namespace

int run_conformance(int argc, char** argv)
{
    try {
        return run(argc, argv);
    } catch (const Stop& stop) {
        if (!stop.message.empty()) fmt::print(stderr, "gramian-conformance: {}\n", stop.message);
        return stop.exit_code;
    } catch (const std::exception& error) {
        fmt::print(stderr, "gramian-conformance: {}\n", error.what());
        return kExitCrash;
    }
}

} // namespace gramian::conformance
