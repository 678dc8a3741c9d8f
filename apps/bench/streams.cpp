// What a stream costs in company: sessions of 1 to 100,000 streams of one small model, each stepped in one submission,
// beside in-place streaming of the bytes that the kernels of a step move.
#include "bench.hpp"

#include <gramian/benchmark.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstring>
#include <fmt/format.h>

namespace gramian::bench {
namespace {

constexpr uint32_t kHeads = 2;
constexpr uint32_t kWidth = 32; // D and E
constexpr uint32_t kChannels = kHeads * kWidth;
constexpr std::array<uint32_t, 6> kStreams{1, 10, 100, 1'000, 10'000, 100'000};
constexpr uint64_t kStreamBytes = uint64_t{64} << 20; // that are timed at most; more take as much longer

/// Gated linear attention with keys, queries and values that are its input, and a decay of its own for every head.
std::vector<std::byte> model_bytes()
{
    const Json node{{"op", "linear_attention"},
                    {"in", {{"q", "x"}, {"k", "x"}, {"v", "x"}}},
                    {"out", {"o"}},
                    {"attributes", {{"heads", kHeads}, {"head_decay", {-0.1, -0.2}}}}};
    const Json model{{"version", 1},
                     {"name", "retention"},
                     {"inputs", {Json{{"name", "x"}, {"size", kChannels}}}},
                     {"outputs", {Json{{"name", "o"}, {"size", kChannels}}}},
                     {"nodes", {node}}};
    TensorsHandle tensors;
    tensors.set_text("gramian.model", model.dump());
    return tensors.serialize();
}

/// A session all of whose streams get the same token: so they must give the same answer.
class Crowd {
public:
    Crowd(const ModelHandle& model, uint32_t streams)
        : session_(model, options(streams)), x_(size_t{streams} * kChannels), o_(x_.size())
    {
    }

    double step(uint32_t token)
    {
        for (size_t i = 0; i < x_.size(); ++i) {
            x_[i] = static_cast<float>(std::sin(0.7 * static_cast<double>(i % kChannels) + token));
        }
        const auto start = std::chrono::steady_clock::now();
        session_.step(x_, o_);
        return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count();
    }
    /// Every stream answers as the first, to the bit.
    [[nodiscard]] bool agrees() const
    {
        for (size_t at = kChannels; at < o_.size(); at += kChannels) {
            if (std::memcmp(&o_[at], o_.data(), sizeof(float) * kChannels) != 0) return false;
        }
        return true;
    }
    [[nodiscard]] std::vector<float> answer() const { return {o_.begin(), o_.begin() + kChannels}; }
    [[nodiscard]] gramian_session_info info() const { return session_.info(); }

private:
    static gramian_session_options options(uint32_t streams)
    {
        gramian_session_options options = gramian_session_options_default();
        options.streams = streams;
        return options;
    }

    SessionHandle session_;
    std::vector<float> x_;
    std::vector<float> o_;
};

void check(gramian_status status)
{
    if (status != GRAMIAN_OK) throw ApiError(status, gramian_conformance_last_error());
}

Row row_of(const ModelHandle& model, gramian_benchmarks* benchmarks, uint32_t streams)
{
    Crowd crowd(model, streams);
    Crowd single(model, 1);
    const gramian_session_info info = crowd.info();
    const uint64_t timed = std::min(info.step_bytes_moved, kStreamBytes);
    const uint32_t samples = streams > 1'000 ? 7 : 31;
    std::vector<double> us;
    std::vector<double> fractions;
    for (uint32_t i = 0; i < samples + 1; ++i) {
        const double spent = crowd.step(i);
        (void)single.step(i);
        if (i == 0) continue; // the first touches the memory
        double stream_us = 0;
        check(gramian_benchmarks_stream(benchmarks, timed, 3, &stream_us));
        us.push_back(spent);
        fractions.push_back(stream_us * static_cast<double>(info.step_bytes_moved) / static_cast<double>(timed) /
                            spent);
    }
    Row row;
    row.name = fmt::format("streams.{}", streams);
    row.is_correct = crowd.agrees() && crowd.answer() == single.answer();
    if (!*row.is_correct) row.reason = "the streams do not all answer as one alone";
    set_times(row, us);
    std::sort(fractions.begin(), fractions.end());
    row.fraction = fractions[fractions.size() / 2];
    row.bytes = info.step_bytes_moved;
    row.dispatches = info.step_dispatches;
    row.submissions = 1;
    row.params = {{"streams", streams},
                  {"windows", info.windows},
                  {"state_bytes", info.state_bytes},
                  {"us_per_stream", row.median_us / streams}};
    return row;
}

struct Destroy {
    void operator()(gramian_benchmarks* benchmarks) const { gramian_benchmarks_destroy(benchmarks); }
};

} // namespace

void run_streams(const Options& options, const Sink& sink)
{
    gramian_device_options chosen = gramian_device_options_default();
    chosen.selector = options.device.c_str();
    gramian_benchmarks* raw = nullptr;
    check(gramian_benchmarks_create(&chosen, &raw));
    const std::unique_ptr<gramian_benchmarks, Destroy> benchmarks(raw);
    const DeviceHandle device(chosen);
    const ModelHandle model(device, model_bytes(), "retention");
    for (const uint32_t streams : kStreams) {
        if (is_wanted(options, fmt::format("streams.{}", streams))) sink(row_of(model, raw, streams));
    }
}

} // namespace gramian::bench
