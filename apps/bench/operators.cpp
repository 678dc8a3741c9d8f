// Benchmarks of single operators: the table and the timing are the conformance library's.
#include "bench.hpp"

#include <gramian/benchmark.h>

#include <fmt/format.h>
#include <memory>
#include <stdexcept>

namespace gramian::bench {
namespace {

struct Destroy {
    void operator()(gramian_benchmarks* benchmarks) const { gramian_benchmarks_destroy(benchmarks); }
};

void check(gramian_status status)
{
    if (status != GRAMIAN_OK) throw ApiError(status, gramian_conformance_last_error());
}

std::optional<double> ratio(double other_us, double us)
{
    return other_us > 0 && us > 0 ? std::optional(other_us / us) : std::nullopt;
}

Row row_of(const gramian_benchmark& info, const gramian_benchmark_result& result)
{
    Row row;
    row.name = info.name;
    row.params = Json::parse(info.params);
    row.is_correct = result.is_correct != 0;
    row.reason = result.reason;
    row.median_us = result.median_us;
    row.min_us = result.min_us;
    row.cv = result.cv;
    if (result.bytes > 0) row.fraction = result.fraction;
    if (result.texel_stream_us > 0) row.texel_fraction = result.texel_fraction;
    if (result.texel_stream_us > 0) row.storage_ratio = result.storage_ratio;
    if (result.bytes > 0) row.stream_us = result.stream_us;
    row.empty_us = result.empty_us;
    row.bytes = result.bytes;
    row.dispatches = result.dispatches;
    row.submissions = 1;
    row.host_ratio = ratio(result.host_us, result.median_us);
    if (result.eigen_ratio > 0) row.eigen_ratio = result.eigen_ratio;
    if (result.naive_ratio > 0) row.naive_ratio = result.naive_ratio;
    if (result.resolve_ratio > 0) row.resolve_ratio = result.resolve_ratio;
    row.first_us = result.first_us;
    return row;
}

std::optional<uint32_t> find(const gramian_benchmarks* benchmarks, const std::string& name)
{
    for (uint32_t i = 0; i < gramian_benchmarks_count(benchmarks); ++i) {
        gramian_benchmark info{};
        info.size = sizeof info;
        check(gramian_benchmarks_get(benchmarks, i, &info));
        if (name == info.name) return i;
    }
    return std::nullopt;
}

/// Of a long prefill: what a token costs, over what it costs where there are 64 of them.
void add_flatness(gramian_benchmarks* benchmarks, uint32_t index, Row& row)
{
    constexpr uint32_t kBase = 64;
    constexpr uint32_t kRounds = 15;
    const uint32_t tokens = row.params.value("tokens", 0U);
    if (!row.name.starts_with("prefill.") || tokens <= kBase || tokens % kBase != 0) return;
    const auto base = find(benchmarks, fmt::format("prefill.{}_t{}", row.params["layer"].get<std::string>(), kBase));
    if (!base) return;
    double ratio = 0;
    check(gramian_benchmarks_ratio(benchmarks, index, *base, tokens / kBase, kRounds, &ratio));
    row.params["token_over_t64"] = ratio;
}

} // namespace

void run_operators(const Options& options, const Sink& sink)
{
    gramian_device_options device = gramian_device_options_default();
    device.selector = options.device.c_str();
    gramian_benchmarks* raw = nullptr;
    check(gramian_benchmarks_create(&device, &raw));
    const std::unique_ptr<gramian_benchmarks, Destroy> benchmarks(raw);
    for (uint32_t i = 0; i < gramian_benchmarks_count(raw); ++i) {
        gramian_benchmark info{};
        info.size = sizeof info;
        check(gramian_benchmarks_get(raw, i, &info));
        if (!is_wanted(options, info.name)) continue;
        gramian_benchmark_result result{};
        result.size = sizeof result;
        check(gramian_benchmarks_run(raw, i, nullptr, &result));
        Row row = row_of(info, result);
        add_flatness(raw, i, row);
        sink(row);
    }
}

} // namespace gramian::bench
