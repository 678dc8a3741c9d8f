#include "suite.hpp"

#include <fnmatch.h>

namespace gramian::conformance {
namespace {

bool matches_any(const std::vector<std::string>& globs, const std::string& name)
{
    return std::any_of(globs.begin(), globs.end(),
                       [&](const std::string& glob) { return ::fnmatch(glob.c_str(), name.c_str(), 0) == 0; });
}

} // namespace

SuiteHandle create_suite(const Options& options)
{
    gramian_conformance_options wanted{};
    wanted.size = sizeof wanted;
    wanted.seed = options.seed;
    wanted.vectors = options.vectors.empty() ? nullptr : options.vectors.c_str();
    gramian_conformance* suite = nullptr;
    if (gramian_conformance_create(&wanted, &suite) != GRAMIAN_OK) {
        throw Stop{kExitUsage, gramian_conformance_last_error()};
    }
    return SuiteHandle(suite);
}

std::vector<Chosen> choose(const gramian_conformance& suite, const Options& options)
{
    std::vector<Chosen> chosen;
    uint32_t number = 0;
    for (uint32_t index = 0; index < gramian_conformance_count(&suite); ++index) {
        gramian_conformance_case info{};
        info.size = sizeof info;
        gramian_conformance_get_case(&suite, index, &info);
        if (options.quick && !info.is_quick) continue;
        if (!options.filters.empty() && !matches_any(options.filters, info.name)) continue;
        if (matches_any(options.excludes, info.name)) continue;
        if (++number % options.shards != options.shard) continue;
        chosen.push_back({index, info.name, info.family, info.op});
    }
    return chosen;
}

void open_device(gramian_conformance& suite, const Options& options, const std::string& selector)
{
    gramian_device_options wanted{};
    wanted.size = sizeof wanted;
    wanted.selector = selector.c_str();
    wanted.limits = options.minimum_limits ? GRAMIAN_LIMITS_MINIMUM : GRAMIAN_LIMITS_DEVICE;
    wanted.timeout_ns = options.timeout_ms * 1'000'000;
    const gramian_status status = gramian_conformance_open_device(&suite, &wanted);
    if (status == GRAMIAN_OK) return;
    throw Stop{status == GRAMIAN_DEVICE_LOST ? kExitCrash : kExitNothingRan, gramian_conformance_last_error()};
}

Json header_of(gramian_conformance& suite)
{
    return Json::parse(gramian_conformance_header_json(&suite));
}

Record run_case(gramian_conformance& suite, const Chosen& chosen, const Options& options)
{
    Record record{chosen.name, chosen.family, chosen.op};
    gramian_case_result result{};
    result.size = sizeof result;
    if (gramian_conformance_run(&suite, chosen.index, options.repeat, &result) != GRAMIAN_OK) {
        record.outcome = Outcome::fail;
        record.reason = gramian_conformance_last_error();
        return record;
    }
    constexpr Outcome kOutcomes[] = {Outcome::pass, Outcome::fail, Outcome::unsupported, Outcome::timeout,
                                     Outcome::device_lost};
    record.outcome = kOutcomes[result.status];
    record.reason = result.reason;
    record.tolerance_rms = result.tolerance_rms;
    record.tolerance_max = result.tolerance_max;
    record.tolerance_abs = result.tolerance_abs;
    record.rms = result.rms;
    record.max = result.max;
    record.worst_index = result.worst_index;
    record.us = result.microseconds;
    record.pipelines = result.pipelines;
    return record;
}

} // namespace gramian::conformance
