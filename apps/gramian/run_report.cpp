#include "run_report.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <numeric>

namespace gramian::app {
namespace {

double mean(const std::vector<double>& values)
{
    return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(std::max<size_t>(values.size(), 1));
}

double worst(const std::vector<double>& values)
{
    return *std::min_element(values.begin(), values.end());
}

/// The smallest value that at least this share of the sorted values do not exceed.
double percentile(std::vector<double> values, double share)
{
    if (values.empty()) return 0;
    std::sort(values.begin(), values.end());
    const double rank = std::ceil(share * static_cast<double>(values.size()));
    return values[static_cast<size_t>(std::max(rank, 1.0)) - 1];
}

double steps_per_second(const EpisodeResults& results)
{
    const double us = std::accumulate(results.step_us.begin(), results.step_us.end(), 0.0);
    return us > 0 ? static_cast<double>(results.steps) / us * 1e6 : 0;
}

void print_profile(const RunRow& row)
{
    if (row.results.profile.empty()) return;
    fmt::print("\nTime per node in the last step, {} head on {}:\n", row.head, row.device);
    for (const Json& entry : row.results.profile) { // nodes that share a launch stand on one line
        fmt::print("  {:>9.1f} us  {}\n", entry.at("us").get<double>(), entry.at("node").get<std::string>());
    }
}

} // namespace

double return_ratio(const RunRow& row)
{
    const double teacher = mean(row.teacher);
    const double student = mean(row.results.returns);
    if (teacher > 0) return student / teacher;
    const double chance = mean(row.random);
    return (student - chance) / (teacher - chance);
}

uint32_t episodes_above_half(const RunRow& row)
{
    uint32_t count = 0;
    for (size_t i = 0; i < row.teacher.size(); ++i) count += row.results.returns[i] > 0.5 * row.teacher[i];
    return count;
}

Json run_json(const RunRow& row)
{
    const EpisodeResults& results = row.results;
    Json json;
    json["agent"] = row.agent;
    json["task"] = row.task;
    json["device"] = row.device;
    json["executor"] = row.executor;
    json["head"] = row.head;
    json["episodes"] = results.returns.size();
    json["returns"] = results.returns;
    json["mean_return"] = mean(results.returns);
    json["worst_return"] = worst(results.returns);
    json["teacher_return"] = mean(row.teacher);
    json["random_return"] = mean(row.random);
    json["return_ratio"] = return_ratio(row);
    json["episodes_above_half"] = episodes_above_half(row);
    json["streams"] = results.streams;
    json["steps"] = results.steps;
    json["submissions"] = results.submissions;
    json["step_us"] = {{"p50", percentile(results.step_us, 0.5)},
                       {"p99", percentile(results.step_us, 0.99)},
                       {"p999", percentile(results.step_us, 0.999)},
                       {"max", percentile(results.step_us, 1.0)}};
    json["steps_per_second"] = steps_per_second(results);
    json["seed"] = row.seed;
    if (!results.profile.empty()) json["profile"] = results.profile;
    return json;
}

void print_run_table(const std::vector<RunRow>& rows)
{
    const RunRow& first = rows.front();
    fmt::print("{} on {}: {} unseen episodes, seed {}\n\n", first.agent, first.task, first.teacher.size(), first.seed);
    fmt::print("  {:<22} {:>8} {:>8} {:>9} {:>12}\n", "", "mean", "worst", "/ teacher", "above half");
    fmt::print("  {:<22} {:>8.1f} {:>8.1f} {:>9.3f} {:>8} of {}\n", "teacher", mean(first.teacher),
               worst(first.teacher), 1.0, first.teacher.size(), first.teacher.size());
    for (const RunRow& row : rows) {
        const bool is_same_device = row.device == first.device && row.executor == first.executor;
        const std::string head = row.head == kNoHead ? "agent" : row.head;
        const std::string label = is_same_device ? head : head + " (" + row.executor + ")";
        fmt::print("  {:<22} {:>8.1f} {:>8.1f} {:>9.3f} {:>8} of {}\n", label, mean(row.results.returns),
                   worst(row.results.returns), return_ratio(row), episodes_above_half(row), row.teacher.size());
    }
    fmt::print("  {:<22} {:>8.1f} {:>8.1f}\n\n", "random actions", mean(first.random), worst(first.random));
    for (const RunRow& row : rows) {
        const EpisodeResults& results = row.results;
        const std::string head = row.head == kNoHead ? "" : ", " + row.head + " head";
        fmt::print("{}{}: {} streams, {} steps in {} submissions, {:.0f} us a step (p99 {:.0f})\n", row.device, head,
                   results.streams, results.steps, results.submissions, percentile(results.step_us, 0.5),
                   percentile(results.step_us, 0.99));
        if (results.solve_retries > 0) fmt::print("  {} ridge retries while solving\n", results.solve_retries);
    }
    for (const RunRow& row : rows) print_profile(row);
}

} // namespace gramian::app
