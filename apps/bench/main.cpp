// gramian-bench: runs suites of benchmarks and reports each case beside the roofline that was measured in the same run.
#include "bench.hpp"

#include <CLI/CLI.hpp>
#include <array>
#include <cstdlib>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <fnmatch.h>

namespace gramian::bench {
namespace {

/// Names a suite answers to, and what runs it.
struct Suite {
    std::vector<std::string> names;
    void (*run)(const Options&, const Sink&);
};

const std::vector<Suite>& suites()
{
    static const std::vector<Suite> table{{{"crossover", "decode", "prefill", "solve"}, run_operators},
                                          {{"load"}, run_load},
                                          {{"step"}, run_steps},
                                          {{"streams"}, run_streams},
                                          {{"tokens"}, run_tokens}};
    return table;
}

std::vector<std::string> suite_names()
{
    std::vector<std::string> names;
    for (const Suite& suite : suites()) names.insert(names.end(), suite.names.begin(), suite.names.end());
    return names;
}

bool names_a_suite(const std::string& name)
{
    const std::vector<std::string> names = suite_names();
    return std::find(names.begin(), names.end(), name) != names.end();
}

bool is_wanted_suite(const Options& options, const Suite& suite)
{
    return options.suites.empty() || std::any_of(suite.names.begin(), suite.names.end(), [&](const std::string& name) {
               return std::find(options.suites.begin(), options.suites.end(), name) != options.suites.end();
           });
}

void print_crossovers(const Json& crossovers)
{
    for (const Json& one : crossovers) {
        const bool is_found = one["tokens"].is_number();
        fmt::print("{}crossover of {}: {}\n", &one == &crossovers[0] ? "\n" : "", one["layer"].get<std::string>(),
                   is_found
                       ? fmt::format("chunks win from {} tokens on", one["tokens"].get<uint32_t>())
                       : fmt::format("none to {} tokens, the token loop wins", one["measured_to"].get<uint32_t>()));
    }
}

double load_average()
{
    std::array<double, 1> load{};
    return ::getloadavg(load.data(), 1) == 1 ? load[0] : 0;
}

int run(const Options& options)
{
    for (const std::string& name : options.suites) {
        if (names_a_suite(name)) continue;
        fmt::print(stderr, "gramian-bench: no suite '{}'; there are: {}\n", name, fmt::join(suite_names(), ", "));
        return 2;
    }
    gramian_device_options chosen = gramian_device_options_default();
    chosen.selector = options.device.c_str();
    const gramian_device_info info = DeviceHandle(chosen).info();
    Json report{
        {"device", info.name}, {"driver", info.driver}, {"load_average", load_average()}, {"cases", Json::array()}};
    if (!options.json) {
        fmt::print("{} ({}), load average {:.1f}\n\n{:<32} {:>10} {:>10} {:>7} {:>9} {:>9} {:>9} {:>9} {:>9}\n",
                   info.name, info.driver, report["load_average"].get<double>(), "case", "median, us", "least, us",
                   "cv", "of STREAM", "host/dev", "eigen/dev", "naive/dev", "solve/rls");
    }
    std::vector<Row> rows;
    const Sink sink = [&](const Row& row) {
        report["cases"].push_back(json_of(row));
        rows.push_back(row);
        if (!options.json) print_row(row);
    };
    for (const Suite& suite : suites()) {
        if (is_wanted_suite(options, suite)) suite.run(options, sink);
    }
    if (rows.empty()) {
        fmt::print(stderr, "gramian-bench: no case matches\n");
        return 3;
    }
    const Json crossovers = crossovers_of(rows);
    if (!crossovers.empty()) report["crossovers"] = crossovers;
    const Json floors = floors_of(rows);
    report["floors"] = floors;
    if (options.json) {
        fmt::print("{}\n", report.dump());
    } else {
        print_crossovers(crossovers);
        print_floors(floors);
    }
    if (!options.html.empty()) write_page(options.html, report);
    if (!options.compare.empty()) {
        for (const std::string& line : compare_with(options.compare, rows)) fmt::print(stderr, "{}\n", line);
    }
    const bool has_wrong =
        std::any_of(rows.begin(), rows.end(), [](const Row& row) { return row.is_correct && !*row.is_correct; });
    return has_wrong ? 1 : 0;
}

} // namespace

bool is_wanted(const Options& options, const std::string& name)
{
    const std::string suite = name.substr(0, name.find('.'));
    const auto has = [](const std::vector<std::string>& list, auto matches) {
        return list.empty() || std::any_of(list.begin(), list.end(), matches);
    };
    return has(options.suites, [&](const std::string& wanted) { return wanted == suite; }) &&
           has(options.filters, [&](const std::string& glob) { return ::fnmatch(glob.c_str(), name.c_str(), 0) == 0; });
}

} // namespace gramian::bench

int main(int argc, char** argv)
{
    using namespace gramian::bench;
    Options options;
    CLI::App app("Times Gramian's hot paths beside the roofline of the same run. Results are checked first.",
                 "gramian-bench");
    app.set_version_flag("--version", gramian_version());
    app.footer(
        R"(Suites: decode (one token), prefill (T tokens at once), crossover (token by token beside chunks), solve,
load (nothing compiled before), step (a policy, whole), streams (1 to 100,000 in one submission), tokens (a step after
a long past). Ratios that must hold wherever it runs follow the cases, those that were missed marked.
Exit status: 0, 1 a result was wrong, 2 usage, 3 no device or nothing ran, 5 device lost.

Example:
  gramian-bench decode tokens --html bench.html
  gramian-bench --filter '*.log*' --filter '*.gla*')");
    app.add_option("suite", options.suites, "Which suites; default: all");
    app.add_option("--device", options.device, "auto, an index, part of a name, or host")->capture_default_str();
    app.add_option("--filter", options.filters, "Only cases that match this glob; may be repeated")->type_name("GLOB");
    app.add_flag("--json", options.json, "One JSON object on standard output and nothing else");
    app.add_option("--html", options.html, "Write a page to look at")->type_name("FILE");
    app.add_option("--compare", options.compare, "An earlier JSON report: print its figures beside these")
        ->type_name("FILE");
    bool loads_here = false;
    app.add_flag("--load-here", loads_here)->group(""); // what the suite `load` starts
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : 2;
    }
    try {
        if (loads_here) return load_here(options.device), 0;
        return run(options);
    } catch (const gramian::ApiError& error) {
        fmt::print(stderr, "gramian-bench: {}\n", error.what());
        const bool is_lost = error.status() == GRAMIAN_DEVICE_LOST || error.status() == GRAMIAN_TIMEOUT;
        return is_lost ? 5 : error.status() == GRAMIAN_NO_DEVICE ? 3 : 1;
    } catch (const std::exception& error) {
        fmt::print(stderr, "gramian-bench: {}\n", error.what());
        return 1;
    }
}
