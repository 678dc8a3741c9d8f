// Runs the self-test's launches on the device and with the host's functions, and finds out which kernels differ.
#include "base/random.hpp"
#include "ops/append.hpp"
#include "ops/scaled_sum_twin.hpp"
#include "ops/self_test.hpp"
#include "ops/state_rows.hpp"

#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

namespace gramian {
namespace {

// Kernel and host function round alike and add in different orders: measured at most 2e-6 on the drivers at hand. A
// driver's exp and division may be some units in the last place worse; a wrong index or barrier is far off.
constexpr double kTolerance = 2e-4;

using Words = std::vector<uint32_t>;
using ArenaWords = std::array<Words, kArenaCount>;

/// Records as if for the device under test, into memory of the host and with host functions for programs.
class Twin final : public Device {
public:
    explicit Twin(const Caps& caps) : caps_(caps), host_(open_host_device()) {}
    [[nodiscard]] const Caps& caps() const override { return caps_; }
    [[nodiscard]] std::unique_ptr<Memory> allocate(MemoryKind kind, uint64_t bytes, const std::string& name) override
    {
        return host_->allocate(kind, bytes, name);
    }
    [[nodiscard]] std::unique_ptr<Program> compile(const LaunchList& list, std::span<const Arenas> windows,
                                                   const ProgramOptions& options) override
    {
        return host_->compile(list, windows, options);
    }
    using Device::compile;
    [[nodiscard]] std::vector<std::byte> pipeline_cache() override { return {}; }
    void refuse(std::vector<Refusal> kernels) override { caps_.refused = std::move(kernels); }

private:
    Caps caps_;
    std::unique_ptr<Device> host_;
};

Words read_words(Memory& memory)
{
    Words words(memory.bytes() / 4);
    memory.read(0, std::as_writable_bytes(std::span(words)));
    return words;
}

void write_words(Memory& memory, const Words& words)
{
    memory.write(0, std::as_bytes(std::span(words)));
}

bool is_nan(uint32_t word)
{
    return std::isnan(std::bit_cast<float>(word));
}

bool is_ended(const Error& error)
{
    return error.status() == Status::timeout || error.status() == Status::device_lost;
}

/// A launch list in the host's memory, run launch by launch on a device as well. Every launch starts from what the
/// host has computed so far, so that a difference is of that kernel alone.
class Trial {
public:
    Trial(Device& device, Twin& twin, const Arenas& arenas) : device_(device), twin_(twin), host_arenas_(arenas)
    {
        for (size_t i = 0; i < kArenaCount; ++i) {
            if (!arenas.memory[i]) continue;
            own_[i] = device.allocate(MemoryKind::device, arenas.memory[i]->bytes(), "self-test");
            arenas_.memory[i] = own_[i].get();
            write_words(*own_[i], read_words(*arenas.memory[i]));
        }
    }

    void run(const LaunchList& list, Findings& findings)
    {
        for (const Launch& launch : list.launches()) {
            const std::array<bool, kArenaCount> changes = changed_by(launch);
            const ArenaWords before = host_words(changes);
            Finding& finding = findings[std::string(launch.kernel.shader->name)];
            LaunchList one;
            one.append(launch);
            ArenaWords first;
            ArenaWords second;
            bool is_built = true;
            try {
                const auto program = device_.compile(one, arenas_, {"self-test", {}, {}, false});
                first = run_from(before, *program);
                second = run_from(before, *program);
            } catch (const Error& error) {
                if (is_ended(error)) throw;
                finding.add(Verdict::does_not_compile, 0, error.what());
                is_built = false;
            }
            twin_.compile(one, host_arenas_, {"self-test", {}, {}, false})->run();
            const ArenaWords expected = host_words(changes);
            for (size_t i = 0; i < kArenaCount; ++i) {
                if (changes[i]) write_words(*own_[i], expected[i]);
            }
            if (!is_built) continue;
            if (first != second) finding.add(Verdict::unstable, 0, "two runs on the same input differ in their bits");
            compare(launch, before, first, expected, finding);
        }
    }

private:
    /// The arenas that a launch writes to: the others stay as they are.
    static std::array<bool, kArenaCount> changed_by(const Launch& launch)
    {
        std::array<bool, kArenaCount> changes{};
        for (const Slice& slice : launch.writes) changes[static_cast<size_t>(slice.arena)] = true;
        return changes;
    }

    [[nodiscard]] ArenaWords host_words(const std::array<bool, kArenaCount>& changes) const
    {
        ArenaWords words;
        for (size_t i = 0; i < kArenaCount; ++i) {
            if (changes[i]) words[i] = read_words(*host_arenas_.memory[i]);
        }
        return words;
    }

    ArenaWords run_from(const ArenaWords& before, Program& program)
    {
        ArenaWords after;
        for (size_t i = 0; i < kArenaCount; ++i) {
            if (!before[i].empty()) write_words(*own_[i], before[i]);
        }
        program.run();
        for (size_t i = 0; i < kArenaCount; ++i) {
            if (before[i].empty()) continue;
            after[i] = read_words(*own_[i]);
            after[i].resize(before[i].size()); // a device may round its allocations up
        }
        return after;
    }

    static uint32_t log_of_pair(const uint32_t* exponent, uint32_t columns)
    {
        const twin::ScaledSum<float> sum{std::bit_cast<float>(exponent[0]), std::bit_cast<float>(exponent[columns])};
        return std::bit_cast<uint32_t>(sum.log());
    }

    static void compare(const Launch& launch, const ArenaWords& before, const ArenaWords& found,
                        const ArenaWords& expected, Finding& finding)
    {
        ArenaWords outside = found; // what was written where nothing was to be written
        for (const Slice& slice : launch.writes) {
            const auto arena = static_cast<size_t>(slice.arena);
            const size_t end = (slice.offset + slice.bytes) / 4;
            Words left;
            Words right;
            for (size_t i = slice.offset / 4; i < end; ++i) outside[arena][i] = before[arena][i];
            for (size_t i = slice.offset / 4; i < end; ++i) {
                const size_t row = (i - slice.offset / 4) / std::max(slice.pair_columns, 1U);
                if (slice.pair_columns != 0) { // sums of the same value may have other exponents
                    if (row % 2 == 1) continue;
                    left.push_back(log_of_pair(&found[arena][i], slice.pair_columns));
                    right.push_back(log_of_pair(&expected[arena][i], slice.pair_columns));
                    continue;
                }
                // Never written, and left alone by the host: workspace of the kernel.
                if (is_nan(before[arena][i]) && expected[arena][i] == before[arena][i]) continue;
                left.push_back(found[arena][i]);
                right.push_back(expected[arena][i]);
            }
            if (right.empty()) continue;
            const double distance = relative_distance(left, right);
            const bool is_right = distance <= kTolerance;
            finding.add(is_right ? Verdict::right : Verdict::wrong, distance,
                        is_right ? "" : fmt::format("{:.2g} off, at most {:.0e}", distance, kTolerance));
        }
        if (outside != before) finding.add(Verdict::wrong, 0, "writes outside of its outputs");
    }

    Device& device_;
    Twin& twin_;
    Arenas host_arenas_;
    std::array<std::unique_ptr<Memory>, kArenaCount> own_;
    Arenas arenas_;
};

double distance_of(const std::vector<NamedArray>& found, const std::vector<NamedArray>& expected)
{
    const auto words = [](const NamedArray& array) {
        return std::span(reinterpret_cast<const uint32_t*>(array.values.data()), array.values.size());
    };
    double distance = 0;
    for (size_t i = 0; i < expected.size(); ++i) {
        distance = std::max(distance, relative_distance(words(found[i]), words(expected[i])));
    }
    return distance;
}

bool is_same(const std::vector<NamedArray>& first, const std::vector<NamedArray>& second)
{
    return std::ranges::equal(first, second, [](const NamedArray& a, const NamedArray& b) {
        return std::memcmp(a.values.data(), b.values.data(), 4 * a.values.size()) == 0;
    });
}

/// Where a wrong output cannot be laid at one kernel's door, all of the operator's are to blame.
void run_whole(Device& device, Twin& twin, const SelfTestCheck& check, Findings& findings)
{
    const Json attributes = Json::parse(check.attributes);
    const OperatorProgram recorded(twin, check.op, attributes, check.inputs, false);
    Verdict verdict = Verdict::right;
    double distance = 0;
    std::string reason;
    try {
        const auto first = run_operator(device, check.op, attributes, check.inputs).outputs;
        const auto second = run_operator(device, check.op, attributes, check.inputs).outputs;
        const auto host = open_host_device();
        distance = distance_of(first, run_operator(*host, check.op, attributes, check.inputs).outputs);
        if (distance > kTolerance) {
            verdict = Verdict::wrong;
            reason = fmt::format("{} is {:.2g} off, at most {:.0e}", check.op, distance, kTolerance);
        } else if (!is_same(first, second)) {
            verdict = Verdict::unstable;
            reason = "two runs on the same input differ in their bits";
        }
    } catch (const Error& error) {
        if (is_ended(error)) throw;
        verdict = Verdict::does_not_compile;
        reason = error.what();
    }
    for (const Launch& launch : recorded.launches().launches()) {
        findings[std::string(launch.kernel.shader->name)].add(verdict, distance, reason);
    }
}

/// Linear layers that share a launch, as only sessions make them.
void run_layers(Device& device, Twin& twin, DType dtype, Findings& findings)
{
    const SelfTestLayers layers = self_test_layers(twin.caps(), dtype);
    Arenas arenas;
    const auto weights = twin.allocate(MemoryKind::device, 4 * layers.weights.size(), "self-test");
    const auto activations = twin.allocate(MemoryKind::device, 4 * layers.activations.size(), "self-test");
    weights->write(0, std::as_bytes(std::span(layers.weights)));
    activations->write(0, std::as_bytes(std::span(layers.activations)));
    arenas.memory[static_cast<size_t>(Arena::weights)] = weights.get();
    arenas.memory[static_cast<size_t>(Arena::activations)] = activations.get();
    Trial(device, twin, arenas).run(layers.list, findings);
}

/// Kernels that sessions launch and no operator does by itself: appending rows, and moving streams.
void run_session_kernels(Device& device, Twin& twin, Findings& findings)
{
    constexpr uint32_t kWidth = 19;
    ArenaLayout state(Arena::state);
    ArenaLayout activations(Arena::activations);
    ArenaLayout io(Arena::io);
    const Tensor kept = state.take({3, 5, kWidth});
    const Tensor total = state.take({3});
    const Tensor x = activations.take({2, 4, kWidth});
    const Tensor words = io.take({6});
    const Tensor moves = io.take({2, 2});
    const Tensor weight = io.take({1});
    const Tensor rows = io.take({2, 5 * kWidth + 2});
    LaunchList list;
    Recorder recorder{list, twin.caps(), activations};
    SlotMap map{words.offset, words.offset + 2, words.offset + 4, 2};
    append(recorder, {x, kept, &total, map});
    for (const StateMove move : {StateMove::pack, StateMove::unpack, StateMove::add}) {
        state_rows(recorder, move, {kept, rows, 1, moves, weight});
    }
    std::array<std::unique_ptr<Memory>, kArenaCount> memory;
    Arenas arenas;
    Random random(1);
    for (const ArenaLayout* layout : {&state, &activations, &io}) {
        const auto arena = static_cast<size_t>(layout == &state ? Arena::state : layout == &io ? Arena::io : x.arena);
        memory[arena] = twin.allocate(MemoryKind::device, layout->bytes(), "self-test");
        arenas.memory[arena] = memory[arena].get();
        std::vector<float> values(memory[arena]->bytes() / 4);
        for (float& value : values) value = static_cast<float>(random.uniform(-1, 1));
        memory[arena]->write(0, std::as_bytes(std::span(values)));
    }
    const std::array<uint32_t, 6> slots{2, 0, 3, 4, 1, 0}; // streams, tokens, tokens held before
    const std::array<uint32_t, 4> pairs{1, 0, 2, 1};       // stream and row
    Memory& lists = *arenas.memory[static_cast<size_t>(Arena::io)];
    lists.write(words.slice().offset, std::as_bytes(std::span(slots)));
    lists.write(moves.slice().offset, std::as_bytes(std::span(pairs)));
    Trial(device, twin, arenas).run(list, findings);
}

} // namespace

double relative_distance(std::span<const uint32_t> found, std::span<const uint32_t> expected)
{
    constexpr double kSmallest = 0.01; // the inputs are about 1: what is far below is what rounding left
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    // Small whole numbers look like denormal floats, which no kernel relies on.
    const auto is_zero = [](uint32_t word) { return (word & 0x7fff'ffffU) == 0; };
    const bool are_counts = std::ranges::none_of(expected, [](uint32_t word) { return word & 0x7f80'0000U; }) &&
                            !std::ranges::all_of(expected, is_zero);
    double largest = kSmallest;
    double difference = 0;
    for (size_t i = 0; i < expected.size(); ++i) {
        const auto x = std::bit_cast<float>(found[i]);
        const auto y = std::bit_cast<float>(expected[i]);
        if (std::isfinite(y)) largest = std::max(largest, std::abs(double{y}));
        if (found[i] == expected[i] || (std::isnan(x) && std::isnan(y))) continue;
        if (are_counts && !(is_zero(found[i]) && is_zero(expected[i]))) return kInfinity;
        if (!std::isfinite(x) || !std::isfinite(y)) return kInfinity;
        difference = std::max(difference, std::abs(double{x} - double{y}));
    }
    return difference / largest;
}

Findings run_checks(Device& device, const std::vector<SelfTestCheck>& checks)
{
    Twin twin(device.caps());
    Findings findings;
    for (const SelfTestCheck& check : checks) {
        if (check.is_whole) {
            run_whole(device, twin, check, findings);
            continue;
        }
        const OperatorProgram program(twin, check.op, Json::parse(check.attributes), check.inputs, check.keeps_states);
        Trial(device, twin, program.arenas()).run(program.launches(), findings);
    }
    for (const DType dtype : {DType::f32, DType::f16}) run_layers(device, twin, dtype, findings);
    run_session_kernels(device, twin, findings);
    return findings;
}

} // namespace gramian
