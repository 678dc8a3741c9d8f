// Times one operator beside what it is measured against, alternately and in one process: an in-place scaling of as
// many bytes, an empty submission, the same operator in plain loops on the host, and rivals of its own.
#pragma once

#include "ops/cases.hpp"

#include <memory>

namespace gramian {

struct BenchmarkResult;
struct Timing;

/// Other work towards the same end, timed in the same rounds.
struct Rival {
    double BenchmarkResult::*ratio; // of its time over the operator's
    /// The work, or null where it cannot be done. Throws Error(internal) where its result is wrong.
    std::function<std::function<void()>(Device&, const Problem&)> make;
    uint32_t parts = 1; // of the operator's work, for each of which the rival does all of its own
    Timing BenchmarkResult::*timing = nullptr;
};

/// An operator of a known answer, to be timed.
struct Benchmark {
    std::string name;             // "decode.d64_h8_b1": its suite is what stands before the dot
    Json params = Json::object(); // what the name says, by field
    Case test;
    bool keeps_states = false; // runs go on from the states of the run before, as in a session
    uint64_t bytes = 0;        // that have to be read or written; STREAM moves as many
    std::vector<Rival> rivals = {};
    std::string_view timed_kernels = {}; // the beginning of their names: other launches are checked, not timed
};

struct BenchmarkOptions {
    uint32_t samples = 15; // at least
    double seconds = 0.4;  // at least, of the operator's own runs
};

/// Microseconds of one run, submit to finished.
struct Timing {
    double median_us = 0;
    double min_us = 0;
    double cv = 0; // standard deviation over mean
};

struct BenchmarkResult {
    bool is_correct = false; // the first run's outputs, within the case's tolerance
    std::string reason;      // why not
    uint32_t samples = 0;
    uint32_t dispatches = 0;
    double first_us = 0; // the first run: some drivers compile then
    Timing work, stream, empty, host;
    Timing peer; // 0 where there is none
    // Where the operator reads texels, otherwise 0: STREAM that reads texels too, and the operator without.
    Timing texel_stream, storage;
    double texel_fraction = 0, storage_ratio = 0; // medians over the rounds, over the operator's time
    double fraction = 0; // median over the rounds of STREAM's time over the operator's, in the same round
    // As fraction; 0 where there is no such rival.
    double eigen_ratio = 0;   // Eigen, one thread
    double naive_ratio = 0;   // a textbook's kernel on the same device
    double resolve_ratio = 0; // a whole solve on the same device, over one token of recursive least squares
};

/// Every operator benchmark of the engine, by suite.
std::vector<Benchmark> benchmarks();
/// Those of small least squares among them.
std::vector<Benchmark> solve_benchmarks();

/// `host`: the host executor. Throws what running the operator throws.
BenchmarkResult run_benchmark(Device& device, Device& host, const Benchmark& benchmark,
                              const BenchmarkOptions& options);

/// Median over `rounds` of the time of one run of `whole` over that of `count` runs of `part`, one after the other:
/// what disturbs the machine then meets both for as long.
double time_ratio(Device& device, const Benchmark& whole, const Benchmark& part, uint32_t count, uint32_t rounds);

/// Scaling `bytes` / 2 bytes in place, which reads and writes `bytes` in all.
Timing time_stream(Device& device, uint64_t bytes, uint32_t samples);

Timing timing_of(std::vector<double> us);

} // namespace gramian
