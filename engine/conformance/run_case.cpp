#include "conformance/run_case.hpp"

#include "base/hash.hpp"
#include "conformance/check_sparse.hpp"
#include "conformance/property.hpp"

#include <chrono>
#include <cmath>
#include <cstring>
#include <limits>

namespace gramian {
namespace {

double ratio(double error, double size)
{
    if (error == 0) return 0;
    return size > 0 ? error / size : std::numeric_limits<double>::infinity();
}

bool is_same_kind(double x, double reference)
{
    return std::isnan(reference) ? std::isnan(x) : x == reference;
}

std::string text_of(const Tolerance& tolerance)
{
    std::string text = fmt::format("rms {:.2g}, max {:.2g}", tolerance.rms, tolerance.max);
    if (tolerance.abs > 0) text += fmt::format(", abs {:.2g}", tolerance.abs);
    return text;
}

CaseResult failed(CaseStatus status, std::string reason)
{
    CaseResult result;
    result.status = status;
    result.reason = std::move(reason);
    return result;
}

CaseStatus status_of(Status status)
{
    switch (status) {
        case Status::unsupported:
            return CaseStatus::unsupported;
        case Status::timeout:
            return CaseStatus::timeout;
        case Status::device_lost:
            return CaseStatus::device_lost;
        default:
            return CaseStatus::fail;
    }
}

CaseResult compare_all(const Case& test, const Problem& problem, const std::vector<NamedArray>& outputs)
{
    CaseResult worst;
    for (const Expected& expected : problem.expected()) {
        const auto found = std::find_if(outputs.begin(), outputs.end(),
                                        [&](const NamedArray& output) { return output.name == expected.name; });
        if (found == outputs.end()) {
            return failed(CaseStatus::unsupported,
                          fmt::format("{} has no output {}", test.op, in_quotes(expected.name)));
        }
        const CaseResult result = compare(expected, *found);
        if (result.status != CaseStatus::pass) return result;
        if (&expected == &problem.expected().front() || result.used > worst.used) worst = result;
    }
    return worst;
}

/// The first output whose bits differ; empty when none does.
std::string difference(const std::vector<NamedArray>& first, const std::vector<NamedArray>& later)
{
    for (size_t i = 0; i < first.size(); ++i) {
        const std::vector<float>& a = first[i].values;
        const std::vector<float>& b = later[i].values;
        for (size_t k = 0; k < a.size(); ++k) {
            if (std::memcmp(&a[k], &b[k], sizeof(float)) == 0) continue;
            return fmt::format("{}: element {} is {} and then {}", first[i].name, k, a[k], b[k]);
        }
    }
    return {};
}

CaseResult run(Device& device, const Case& test, uint64_t seed, uint32_t repeat)
{
    Problem problem(hash_text(test.name, seed));
    test.prepare(problem);
    OperatorRunOptions options;
    options.check_guards = true;
    options.chunk = test.chunk;
    std::vector<double> us;
    std::vector<NamedArray> outputs;
    for (uint32_t i = 0; i < std::max(repeat, 1U); ++i) {
        OperatorRun run = run_operator(device, test.op, test.attributes, problem.inputs(), options);
        us.insert(us.end(), run.run_us.begin(), run.run_us.end());
        if (i == 0) {
            outputs = std::move(run.outputs);
        } else if (const std::string found = difference(outputs, run.outputs); !found.empty()) {
            return failed(CaseStatus::fail, fmt::format("run {} differs from the first in its bits: {}", i + 1, found));
        }
    }
    CaseResult result = compare_all(test, problem, outputs);
    if (test.op == "value_aware_sparse" && result.status == CaseStatus::pass) {
        if (const std::string found = check_sparse(test, problem, outputs); !found.empty()) {
            result = failed(CaseStatus::fail, found);
        }
    }
    std::sort(us.begin(), us.end());
    result.us = us[us.size() / 2];
    return result;
}

CaseResult run_checks(Device& device, const DeviceOptions& opened_with, const Case& test, uint32_t repeat)
{
    using Clock = std::chrono::steady_clock;
    CaseResult result;
    std::vector<double> us;
    uint64_t bits = 0;
    for (uint32_t i = 0; i < std::max(repeat, 1U); ++i) {
        Trial trial(device, opened_with);
        const Clock::time_point begin = Clock::now();
        run_property(test.property, trial);
        us.push_back(std::chrono::duration<double, std::micro>(Clock::now() - begin).count());
        if (!trial.failure().empty()) return failed(CaseStatus::fail, trial.failure());
        if (trial.checks() == 0) return failed(CaseStatus::unsupported, "it checks nothing on this device");
        if (i > 0 && trial.bits() != bits) {
            return failed(CaseStatus::fail, fmt::format("run {} differs from the first in its bits", i + 1));
        }
        bits = trial.bits();
        result.rms = result.max = trial.observed();
        result.tolerance = {trial.allowed(), trial.allowed()};
    }
    std::sort(us.begin(), us.end());
    result.us = us[us.size() / 2];
    return result;
}

} // namespace

CaseResult compare(const Expected& expected, const NamedArray& found)
{
    if (found.shape != expected.shape) {
        return failed(CaseStatus::fail, fmt::format("{}: expected the shape {}, found {}", expected.name,
                                                    expected.shape.text(), found.shape.text()));
    }
    CaseResult result;
    result.tolerance = expected.tolerance;
    double errors = 0;
    double sizes = 0;
    double largest_error = 0;
    double largest = 0;
    for (size_t i = 0; i < expected.values.size(); ++i) {
        const double reference = expected.values[i];
        const double x = found.values[i];
        if (!std::isfinite(x) || !std::isfinite(reference)) {
            if (is_same_kind(x, reference)) continue;
            result.status = CaseStatus::fail;
            result.worst_index = i;
            result.rms = result.max = std::numeric_limits<double>::infinity();
            result.reason = fmt::format("{}: element {} is {}, expected {}", expected.name, i, x, reference);
            return result;
        }
        const double error = std::abs(x - reference);
        if (error > largest_error) result.worst_index = i;
        largest_error = std::max(largest_error, error);
        largest = std::max(largest, std::abs(reference));
        errors += error * error;
        sizes += reference * reference;
    }
    result.rms = ratio(std::sqrt(errors), std::sqrt(sizes));
    result.max = ratio(largest_error, largest);
    const double used = std::max(ratio(result.rms, result.tolerance.rms), ratio(result.max, result.tolerance.max));
    if (used <= 1) result.used = used;
    if (used <= 1 || largest_error <= result.tolerance.abs) return result;
    result.status = CaseStatus::fail;
    result.reason = fmt::format("{}: rms {:.2g}, max {:.2g}, expected at most {}; element {} is {}, expected {}",
                                expected.name, result.rms, result.max, text_of(result.tolerance), result.worst_index,
                                found.values[result.worst_index], expected.values[result.worst_index]);
    return result;
}

CaseResult run_case(Device& device, const DeviceOptions& opened_with, const Case& test, uint64_t seed,
                    uint32_t repeat) noexcept
{
    try {
        if (test.property) return run_checks(device, opened_with, test, repeat);
        return run(device, test, seed, repeat);
    } catch (const Error& error) {
        return failed(status_of(error.status()), error.what());
    } catch (const std::exception& error) {
        return failed(CaseStatus::fail, error.what());
    }
}

} // namespace gramian
