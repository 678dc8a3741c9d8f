// What a benchmark leaves, and the suites that fill it in. A suite is a function: add it here and in main.cpp's table.
#pragma once

#include <gramian/gramian.hpp>
#include <nlohmann/json.hpp>

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace gramian::bench {

using Json = nlohmann::ordered_json;

/// One case. What a case lacks stays empty, and is null in the report.
struct Row {
    std::string name; // "decode.d64_h8_b1": the suite stands before the first dot
    Json params = Json::object();
    std::optional<bool> is_correct;
    std::string reason; // why it is not
    double median_us = 0;
    double min_us = 0;
    double cv = 0;                  // standard deviation over mean
    std::optional<double> fraction; // in-place streaming of the same bytes over the case's time
    std::optional<double>
        texel_fraction; // the same streaming with its reads through a texel buffer, where the case's are
    std::optional<double> storage_ratio; // the time of the variant that reads storage buffers, over that of such a case
    std::optional<double> stream_us;     // that streaming
    std::optional<double> empty_us;      // a submission of nothing
    std::optional<uint64_t> bytes;       // that have to be read or written
    std::optional<uint32_t> dispatches;
    std::optional<uint32_t> submissions;
    std::optional<double> host_ratio;    // the host executor's time over the device's
    std::optional<double> eigen_ratio;   // Eigen's time, one thread, over the device's
    std::optional<double> naive_ratio;   // the time of a textbook's kernel on the device, over that of the engine's
    std::optional<double> resolve_ratio; // the time of a solve over that of a token of recursive least squares
    std::optional<double> first_us;      // of the first run: some drivers compile then
};

struct Options {
    std::vector<std::string> suites; // empty: all
    std::vector<std::string> filters;
    std::string device = "auto";
    std::string html;
    std::string compare; // an earlier JSON report
    bool json = false;
};

/// Whether the options ask for this case.
bool is_wanted(const Options& options, const std::string& name);

/// Fills in median_us, min_us and cv from a sample or more.
void set_times(Row& row, std::vector<double> us);

/// In (-1, 1), from a hash of its arguments.
float noise(uint64_t index, uint64_t seed);

/// Told of every case as it is done.
using Sink = std::function<void(const Row&)>;

/// The operators of gramian/benchmark.h: `decode`, `prefill` and what else its table holds.
void run_operators(const Options& options, const Sink& sink);
/// `streams`: a step of 1 to 100,000 streams of one session, in one submission.
void run_streams(const Options& options, const Sink& sink);
/// `step`: a step of a policy, whole, and what the call costs by itself.
void run_steps(const Options& options, const Sink& sink);
/// `load`: loading with nothing compiled before.
void run_load(const Options& options, const Sink& sink);
/// What run_load starts in a process of its own: prints a JSON object.
void load_here(const std::string& selector);
/// `tokens`: a single step after 10, 1,000, 100,000 and 1,000,000 tokens.
void run_tokens(const Options& options, const Sink& sink);

Json json_of(const Row& row);
void print_row(const Row& row);
/// Of every layer of suite `crossover`: [{layer, tokens}], the least token count at which chunks beat the token loop,
/// null where they never did. Ratios of medians of one run.
Json crossovers_of(const std::vector<Row>& rows);
/// Of what the rows tell: [{id, what, value, least or most, holds}], the ratios that must hold wherever the bench runs.
Json floors_of(const std::vector<Row>& rows);
void print_floors(const Json& floors);
/// Lines that say how much slower or faster than in an earlier report each case is, relative to streaming.
std::vector<std::string> compare_with(const std::string& path, const std::vector<Row>& rows);
void write_page(const std::string& path, const Json& report);

} // namespace gramian::bench
