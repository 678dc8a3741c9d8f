#include "options.hpp"

#include <CLI/CLI.hpp>
#include <charconv>
#include <fmt/format.h>
#include <gramian/gramian.h>

namespace gramian::conformance {
namespace {

constexpr const char* kExitCodes =
    "Exit status: 0 all passed, unsupported or waived; 1 a failure; 2 usage; 3 no device or nothing ran; 4 crash or "
    "device lost.";

uint32_t number_in(const std::string& text, size_t from, size_t to)
{
    uint32_t number = 0;
    const char* end = text.data() + to;
    const auto [stop, error] = std::from_chars(text.data() + from, end, number);
    const bool is_number = error == std::errc() && stop == end && from < to;
    if (!is_number) throw Stop{kExitUsage, fmt::format("--shard: expected I/N, found {}", text)};
    return number;
}

void read_shard(const std::string& text, Options& options)
{
    if (text.empty()) return;
    const size_t slash = std::min(text.find('/'), text.size() - 1);
    const uint32_t index = number_in(text, 0, slash);
    options.shards = number_in(text, slash + 1, text.size());
    if (options.shards == 0 || index > options.shards) {
        throw Stop{kExitUsage, fmt::format("--shard: expected I/N with I up to N, found {}", text)};
    }
    options.shard = index % options.shards;
}

void add_choices(CLI::App& app, Options& options, std::string& shard, std::string& limits)
{
    app.add_flag("--list", options.list, "Print the names of the cases and run none");
    app.add_option("--filter", options.filters, "Only cases that match this glob; may be repeated")
        ->type_name("GLOB")
        ->take_all();
    app.add_option("--exclude", options.excludes, "No cases that match this glob; may be repeated")
        ->type_name("GLOB")
        ->take_all();
    app.add_option("--shard", shard, "Part I of N of the cases, 1/N to N/N")->type_name("I/N");
    app.add_flag("--quick", options.quick, "The subset that takes seconds on a software driver");
    app.add_option("--vectors", options.vectors, "Golden vectors: the cases of this directory and no others")
        ->type_name("DIR");
    app.add_option("--seed", options.seed, "Of all inputs")->capture_default_str();
    app.add_option("--repeat", options.repeat, "Run each case N times; all must agree to the bit")
        ->type_name("N")
        ->check(CLI::Range(1, 1000));
    app.add_option("--device", options.device, "auto, an index, part of a name, host, or all")->capture_default_str();
    app.add_option("--limits", limits, "minimum: pretend that the device offers what Vulkan 1.1 promises")
        ->check(CLI::IsMember({"device", "minimum"}));
    app.add_option("--timeout-ms", options.timeout_ms, "Of a wait for the device; with --isolate of a whole case")
        ->type_name("N")
        ->check(CLI::Range(uint64_t{1}, uint64_t{86'400'000}))
        ->capture_default_str();
    app.add_flag("--isolate", options.isolate, "Run cases in child processes: a crash or a hang costs one case");
}

void add_files(CLI::App& app, Options& options)
{
    app.add_option("--junit", options.junit, "Write a JUnit report")->type_name("FILE");
    app.add_option("--json", options.json, "Write a JSON report")->type_name("FILE");
    app.add_option("--html", options.html, "Write the device's passport: a page to look at")->type_name("FILE");
    app.add_option("--bench", options.bench, "JSON of gramian-bench on this device, for the passport's roofline part")
        ->type_name("FILE");
    app.add_option("--baseline", options.baseline,
                   "An earlier JSON report: say which cases fail now and did not, and whose error more than doubled")
        ->type_name("FILE");
    app.add_option("--waivers", options.waivers,
                   "JSON list of failures to put up with: {vendor, device, driver: [low, high], glob, reason, link}")
        ->type_name("FILE");
}

} // namespace

Options parse_options(int argc, char** argv)
{
    Options options;
    std::string shard;
    std::string limits = "device";
    CLI::App app("Runs the operators of Gramian, case by case, and compares them with float64 references.",
                 "gramian-conformance");
    app.footer(kExitCodes);
    app.set_version_flag("--version", fmt::format("gramian-conformance {}.{}.{}", GRAMIAN_VERSION_MAJOR,
                                                  GRAMIAN_VERSION_MINOR, GRAMIAN_VERSION_PATCH));
    add_choices(app, options, shard, limits);
    add_files(app, options);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        throw Stop{app.exit(error) == 0 ? 0 : kExitUsage, ""};
    }
    read_shard(shard, options);
    options.minimum_limits = limits == "minimum";
    return options;
}

} // namespace gramian::conformance
