#include "conformance/benchmark.hpp"

#include "base/hash.hpp"
#include "conformance/run_case.hpp"
#include "shaders/stream.h"
#include "spirv/stream.h"
#include "spirv/stream_texels.h"

#include <array>
#include <chrono>
#include <cmath>
#include <numeric>

namespace gramian {
namespace {

const Shader kStream{"stream", stream_spirv};
const Shader kStreamTexels{"stream_texels", stream_texels_spirv};
constexpr uint32_t kGroupFloats = 4096; // that a workgroup of stream.comp scales
constexpr uint32_t kMostRounds = 2'000;
constexpr double kSteadyCv = 0.3;
constexpr uint32_t kTries = 3;
constexpr double kMostOfAll = 5; // seconds of all contestants together, over those asked of the operator

double seconds_now()
{
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double time_us(const std::function<void()>& work)
{
    const double start = seconds_now();
    work();
    return 1e6 * (seconds_now() - start);
}

void stream_on_host(const HostLaunch& launch)
{
    const auto p = launch.parameters<gpu::StreamParameters>();
    float* values = launch.floats(Arena::state, p.values);
    for (uint64_t i = 0; i < uint64_t{launch.groups[0]} * kGroupFloats; ++i) values[i] *= p.factor;
}

/// Scales floats in place by 1, so that it may run as often as one likes. Empty: no bytes and no launch at all.
class Scaling {
public:
    Scaling(Device& device, uint64_t bytes, bool reads_texels = false)
    {
        // In place, every byte of it is read and written once.
        const auto groups = static_cast<uint32_t>((bytes / 2 + 4 * kGroupFloats - 1) / (4 * kGroupFloats));
        LaunchList list;
        Arenas arenas;
        if (bytes > 0) {
            memory_ = device.allocate(MemoryKind::device, uint64_t{4} * kGroupFloats * groups, "stream");
            memory_->fill_zero(0, memory_->bytes());
            arenas.memory[static_cast<size_t>(Arena::state)] = memory_.get();
            Launch launch;
            launch.kernel = {reads_texels ? &kStreamTexels : &kStream, {}};
            launch.set_push(gpu::StreamParameters{0, 1.0F});
            launch.groups = {groups, 1, 1};
            launch.writes = {{Arena::state, 0, memory_->bytes()}};
            launch.reads = launch.writes;
            launch.host = stream_on_host;
            list.append(std::move(launch));
        }
        program_ = device.compile(list, arenas, {"stream", {}, {}, false});
    }
    void run() { program_->run(); }

private:
    std::unique_ptr<Memory> memory_;
    std::unique_ptr<Program> program_;
};

std::string check(const Benchmark& benchmark, const Problem& problem, OperatorProgram& program)
{
    const std::vector<NamedArray> outputs = program.outputs();
    for (const Expected& expected : problem.expected()) {
        const auto found = std::find_if(outputs.begin(), outputs.end(),
                                        [&](const NamedArray& output) { return output.name == expected.name; });
        if (found == outputs.end()) return fmt::format("{} has no output {}", benchmark.test.op, expected.name);
        const CaseResult result = compare(expected, *found);
        if (result.status != CaseStatus::pass) return result.reason;
    }
    return {};
}

/// The same program without the kernels of it that read texels, so with those that the device would run otherwise; null
/// where it has none.
std::unique_ptr<OperatorProgram> without_texels(Device& device, const Benchmark& benchmark, const Problem& problem,
                                                const OperatorProgram& work)
{
    const std::vector<Refusal> before = device.caps().refused;
    std::vector<Refusal> refused = before;
    for (const Launch& launch : work.launches().launches()) {
        const std::string_view kernel = launch.kernel.shader->name;
        if (kernel.ends_with("_texels")) refused.push_back({std::string(kernel), "timed against the other variant"});
    }
    if (refused.size() == before.size()) return nullptr;
    const Case& test = benchmark.test;
    device.refuse(std::move(refused));
    auto program = std::make_unique<OperatorProgram>(device, test.op, test.attributes, problem.inputs(),
                                                     benchmark.keeps_states, test.chunk);
    device.refuse(before);
    return program;
}

/// The launches of the kernels that the benchmark times, on the memory of the whole operator; null where it times all.
std::unique_ptr<Program> timed_part(Device& device, const Benchmark& benchmark, const OperatorProgram& work)
{
    if (benchmark.timed_kernels.empty()) return nullptr;
    LaunchList list;
    for (const Launch& launch : work.launches().launches()) {
        if (launch.kernel.shader->name.starts_with(benchmark.timed_kernels)) list.append(launch);
    }
    return device.compile(list, work.arenas(), {benchmark.name, {}, {}, false});
}

/// Work that is timed round robin, forwards and backwards in turn: whatever slows the machine down for a while slows
/// all of it, and none always follows the same other one, which may have left the caches or the processor in some
/// state.
struct Contestant {
    std::function<void()> work;
    Timing BenchmarkResult::*timing;          // or null
    double BenchmarkResult::*ratio = nullptr; // of its time over the operator's
    uint32_t parts = 1;                       // as in Rival
    std::vector<double> us{};
};

/// Until the operator has run for long enough; a slow rival may end it sooner, but never before options.samples.
void take_rounds(std::vector<Contestant>& contestants, const BenchmarkOptions& options)
{
    double spent = 0;
    const double end = seconds_now() + kMostOfAll * options.seconds;
    for (Contestant& contestant : contestants) contestant.us.clear();
    for (uint32_t round = 0; round < kMostRounds; ++round) {
        const bool is_enough = spent >= options.seconds || seconds_now() >= end;
        if (round >= options.samples && is_enough) break;
        for (size_t i = 0; i < contestants.size(); ++i) {
            Contestant& contestant = contestants[round % 2 ? contestants.size() - 1 - i : i];
            contestant.us.push_back(time_us(contestant.work));
        }
        spent += 1e-6 * contestants.front().us.back();
    }
}

/// Median over the rounds of the time that a contestant took, over that of a part of the operator's work.
double median_ratio(const Contestant& contestant, const Contestant& work)
{
    std::vector<double> ratios;
    for (size_t i = 0; i < work.us.size(); ++i) ratios.push_back(contestant.parts * contestant.us[i] / work.us[i]);
    return timing_of(std::move(ratios)).median_us;
}

/// A round in which even STREAM was unsteady is repeated; of several, the one that was steadiest counts.
void time_all(std::vector<Contestant>& contestants, const BenchmarkOptions& options, BenchmarkResult& result)
{
    double steadiest = INFINITY;
    for (uint32_t attempt = 0; attempt < kTries && steadiest > kSteadyCv; ++attempt) {
        take_rounds(contestants, options);
        const double cv = timing_of(contestants[1].us).cv;
        if (cv >= steadiest) continue;
        steadiest = cv;
        result.samples = static_cast<uint32_t>(contestants.front().us.size());
        for (const Contestant& contestant : contestants) {
            if (contestant.timing) result.*contestant.timing = timing_of(contestant.us);
            if (contestant.ratio) result.*contestant.ratio = median_ratio(contestant, contestants.front());
        }
    }
}

} // namespace

Timing time_stream(Device& device, uint64_t bytes, uint32_t samples)
{
    Scaling stream(device, bytes);
    stream.run();
    std::vector<double> us;
    for (uint32_t i = 0; i < samples; ++i) us.push_back(time_us([&] { stream.run(); }));
    return timing_of(std::move(us));
}

double time_ratio(Device& device, const Benchmark& whole, const Benchmark& part, uint32_t count, uint32_t rounds)
{
    const auto made = [&](const Benchmark& benchmark) {
        const Case& test = benchmark.test;
        Problem problem(hash_text(test.name, 0));
        test.prepare(problem);
        return OperatorProgram(device, test.op, test.attributes, problem.inputs(), benchmark.keeps_states, test.chunk);
    };
    OperatorProgram whole_program = made(whole);
    OperatorProgram part_program = made(part);
    const auto run_parts = [&] {
        for (uint32_t i = 0; i < count; ++i) part_program.program().run();
    };
    whole_program.program().run(); // warm
    run_parts();
    std::vector<double> ratios;
    for (uint32_t round = 0; round < rounds; ++round) {
        const double whole_us = time_us([&] { whole_program.program().run(); });
        ratios.push_back(whole_us / time_us(run_parts));
    }
    return timing_of(std::move(ratios)).median_us;
}

Timing timing_of(std::vector<double> us)
{
    if (us.empty()) return {};
    std::sort(us.begin(), us.end());
    const auto count = static_cast<double>(us.size());
    const double mean = std::accumulate(us.begin(), us.end(), 0.0) / count;
    double squares = 0;
    for (double x : us) squares += (x - mean) * (x - mean);
    return {us[us.size() / 2], us.front(), std::sqrt(squares / count) / mean};
}

BenchmarkResult run_benchmark(Device& device, Device& host, const Benchmark& benchmark, const BenchmarkOptions& options)
{
    const Case& test = benchmark.test;
    Problem problem(hash_text(test.name, 0));
    test.prepare(problem);
    OperatorProgram work(device, test.op, test.attributes, problem.inputs(), benchmark.keeps_states, test.chunk);
    OperatorProgram on_host(host, test.op, test.attributes, problem.inputs(), benchmark.keeps_states);
    Scaling stream(device, benchmark.bytes);
    Scaling empty(device, 0);
    std::unique_ptr<OperatorProgram> storage = without_texels(device, benchmark, problem, work);
    std::unique_ptr<Scaling> texels = storage ? std::make_unique<Scaling>(device, benchmark.bytes, true) : nullptr;

    std::unique_ptr<Program> part = timed_part(device, benchmark, work);
    std::unique_ptr<Program> host_part = timed_part(host, benchmark, on_host);
    Program& timed = part ? *part : work.program();
    Program& timed_on_host = host_part ? *host_part : on_host.program();

    BenchmarkResult result;
    result.dispatches = work.dispatches();
    result.first_us = time_us([&] { work.program().run(); });
    result.reason = check(benchmark, problem, work);
    result.is_correct = result.reason.empty();

    std::vector<Contestant> contestants{
        {[&] { timed.run(); }, &BenchmarkResult::work},
        {[&] { stream.run(); }, &BenchmarkResult::stream, &BenchmarkResult::fraction},
        {[&] { empty.run(); }, &BenchmarkResult::empty},
        {[&] { timed_on_host.run(); }, &BenchmarkResult::host},
    };
    if (storage) {
        contestants.push_back(
            {[&] { texels->run(); }, &BenchmarkResult::texel_stream, &BenchmarkResult::texel_fraction});
        contestants.push_back(
            {[&] { storage->program().run(); }, &BenchmarkResult::storage, &BenchmarkResult::storage_ratio});
    }
    for (const Rival& rival : benchmark.rivals) {
        std::function<void()> rival_work = rival.make(device, problem);
        if (rival_work) contestants.push_back({std::move(rival_work), rival.timing, rival.ratio, rival.parts});
    }
    for (Contestant& contestant : contestants) contestant.work(); // warm
    time_all(contestants, options, result);
    return result;
}

} // namespace gramian
