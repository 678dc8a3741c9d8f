// A whole step of a policy as an application takes it, for 1 to 32 streams: beside the host executor, beside in-place
// streaming of the bytes that it moves, and against the least that it could move. And a step that computes next to
// nothing, beside a bare submission: what is left is the cost of the step call itself.
#include "policy.hpp"

#include <gramian/benchmark.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <fmt/format.h>

namespace gramian::bench {
namespace {

constexpr std::array<uint32_t, 4> kStreams{1, 2, 8, 32};
constexpr uint32_t kRounds = 61;
constexpr uint32_t kHostRounds = 15;        // of these
constexpr uint32_t kBareSteps = 20;         // a round of the comparison with a bare submission
constexpr uint64_t kBareBytes = 2 * 16'384; // one workgroup of streaming

double time_us(const std::function<void()>& work)
{
    const auto start = std::chrono::steady_clock::now();
    work();
    return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count();
}

double median_of(std::vector<double> values)
{
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
}

/// A session, and the time that loading the model and making the session took.
class Agent {
public:
    Agent(const DeviceHandle& device, std::span<const std::byte> bytes, uint32_t streams, uint32_t in, uint32_t out)
        : x_(size_t{streams} * in), y_(size_t{streams} * out)
    {
        load_us_ = time_us([&] {
            const ModelHandle model(device, bytes, "bench");
            gramian_session_options options = gramian_session_options_default();
            options.streams = streams;
            session_.emplace(model, options);
        });
    }

    double step(uint32_t token)
    {
        for (size_t i = 0; i < x_.size(); ++i) x_[i] = noise(i, token);
        return time_us([&] { session_->step(x_, y_); });
    }
    [[nodiscard]] const std::vector<float>& answer() const { return y_; }
    [[nodiscard]] gramian_session_info info() const { return session_->info(); }
    [[nodiscard]] double load_us() const { return load_us_; }

private:
    std::optional<SessionHandle> session_;
    std::vector<float> x_, y_;
    double load_us_ = 0;
};

/// Some forty layers and a state of some tokens, all in fp32 and in other orders of summation on the two executors.
std::string difference(const std::vector<float>& found, const std::vector<float>& expected)
{
    double off = 0;
    double largest = 0;
    for (size_t i = 0; i < found.size(); ++i) {
        if (!std::isfinite(found[i])) return "an output is not finite";
        off = std::max(off, std::abs(double{found[i]} - double{expected[i]}));
        largest = std::max(largest, std::abs(double{expected[i]}));
    }
    if (off <= 1e-4 * largest) return {};
    return fmt::format("differs from the host by {:.2g} of the largest output, expected at most 1e-4", off / largest);
}

class Steps {
public:
    explicit Steps(const Options& options)
    {
        gramian_device_options chosen = gramian_device_options_default();
        chosen.selector = options.device.c_str();
        device_.emplace(chosen);
        api_check(gramian_benchmarks_create(&chosen, &benchmarks_));
        chosen.selector = "host";
        host_.emplace(chosen);
    }
    Steps(const Steps&) = delete;
    Steps& operator=(const Steps&) = delete;
    ~Steps() { gramian_benchmarks_destroy(benchmarks_); }

    [[nodiscard]] Row policy(const std::string& name, uint32_t streams, bool halves)
    {
        const std::vector<std::byte> bytes = policy_bytes(halves);
        Agent agent(*device_, bytes, streams, kPolicyInputs, kPolicyOutputs);
        Agent host(*host_, bytes, streams, kPolicyInputs, kPolicyOutputs);
        const uint64_t moved = agent.info().step_bytes_moved;
        const uint64_t least = least_policy_bytes(streams, halves);
        Row row;
        row.name = name;
        row.first_us = agent.step(0);
        (void)host.step(0);
        std::vector<double> us, fractions, host_ratios;
        for (uint32_t round = 1; round <= kRounds; ++round) {
            us.push_back(agent.step(round));
            fractions.push_back(stream_us(moved, 1) / us.back());
            if (round > kHostRounds) continue;
            host_ratios.push_back(host.step(round) / us.back());
            row.reason = row.reason.empty() ? difference(agent.answer(), host.answer()) : row.reason;
        }
        row.is_correct = row.reason.empty();
        set_times(row, us);
        row.fraction = median_of(fractions);
        row.host_ratio = median_of(host_ratios);
        row.bytes = moved;
        row.dispatches = agent.info().step_dispatches;
        row.submissions = 1;
        row.params = {{"streams", streams},
                      {"weights", halves ? "fp16" : "fp32"},
                      {"us_per_stream", row.median_us / streams},
                      {"bytes_least", least},
                      {"bytes_over_least", static_cast<double>(moved) / static_cast<double>(least)},
                      {"load_us", agent.load_us()},
                      {"first_over_median", *row.first_us / row.median_us}};
        return row;
    }

    /// A step of one small kernel, and what it takes more than a prerecorded submission of one that is waited for.
    [[nodiscard]] Row tiny(const std::string& name)
    {
        Agent agent(*device_, tiny_bytes(), 1, 64, 64);
        Row row;
        row.name = name;
        row.first_us = agent.step(0);
        std::vector<double> us, overheads, bare;
        for (uint32_t round = 0; round < kRounds; ++round) {
            std::vector<double> steps;
            for (uint32_t i = 0; i < kBareSteps; ++i) steps.push_back(agent.step(i));
            bare.push_back(stream_us(kBareBytes, kBareSteps));
            overheads.push_back(median_of(steps) - bare.back());
            us.insert(us.end(), steps.begin(), steps.end());
            for (const float y : agent.answer()) row.reason = y >= 0 && y < 1 ? row.reason : "an output is no relu";
        }
        row.is_correct = row.reason.empty();
        set_times(row, us);
        row.bytes = agent.info().step_bytes_moved;
        row.dispatches = agent.info().step_dispatches;
        row.submissions = 1;
        row.params = {
            {"bare_us", median_of(bare)}, {"overhead_us", median_of(overheads)}, {"load_us", agent.load_us()}};
        return row;
    }

private:
    static void api_check(gramian_status status)
    {
        if (status != GRAMIAN_OK) throw ApiError(status, gramian_conformance_last_error());
    }
    double stream_us(uint64_t bytes, uint32_t samples)
    {
        double us = 0;
        api_check(gramian_benchmarks_stream(benchmarks_, bytes, samples, &us));
        return us;
    }

    std::optional<DeviceHandle> device_, host_;
    gramian_benchmarks* benchmarks_ = nullptr;
};

} // namespace

void run_steps(const Options& options, const Sink& sink)
{
    Steps steps(options);
    if (const char* name = "step.tiny_b1"; is_wanted(options, name)) sink(steps.tiny(name));
    for (const bool halves : {false, true}) {
        for (const uint32_t streams : kStreams) {
            const std::string name = fmt::format("step.policy{}_b{}", halves ? "_fp16" : "", streams);
            if (is_wanted(options, name)) sink(steps.policy(name, streams, halves));
        }
    }
}

} // namespace gramian::bench
