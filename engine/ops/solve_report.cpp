#include "ops/solve_report.hpp"

#include "ops/kernels.hpp"
#include "ops/problems.hpp"
#include "shaders/solve_report.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace gramian {
namespace {

enum class Phase : uint32_t { begin_from_matrix, begin_from_keys, begin_again, judge_diagonal, judge_columns, finish };

constexpr float kHuge = 3.0e38F;
constexpr float kFailed = static_cast<float>(SolveStatus::failed);
constexpr float kSolved = static_cast<float>(SolveStatus::solved);

void begin(float* report, float trace, const gpu::SolveReportParameters& p, bool is_relative)
{
    const float mean = trace / static_cast<float>(p.unknowns);
    const SolveStatus status = trace == 0 ? SolveStatus::no_data : SolveStatus::failed;
    report[0] = trace == 0 ? 0.0F : kHuge;
    report[1] = is_relative ? p.alpha * mean : p.alpha;
    report[2] = report[3] = 0;
    report[4] = static_cast<float>(status);
    report[kBrokenWord] = 0;
    report[kMeanWord] = mean;
}

void begin_again_on_host(float* report)
{
    if (report[4] != kFailed) return;
    report[0] = kHuge;
    report[1] = std::max(10 * report[1], 1e-6F * report[kMeanWord]);
    report[2] += 1;
    report[kBrokenWord] = 0;
}

void judge_on_host(const float* m, float* report, uint32_t n, bool is_lower, Judged judged)
{
    if (report[4] != kFailed) return;
    const auto entry = [&](uint32_t row, uint32_t column) {
        return is_lower ? m[size_t{column} * n + row] : m[size_t{row} * n + column];
    };
    bool is_good = true;
    for (uint32_t j = 0; j < n; ++j) {
        const float diagonal = entry(j, j);
        float size = std::abs(diagonal);
        for (uint32_t i = 0; i < j && judged == Judged::factor; ++i) size = std::max(size, std::abs(entry(i, j)));
        report[0] = std::min(report[0], judged == Judged::inverse ? 1 / std::abs(diagonal) : diagonal * diagonal);
        is_good = is_good && std::abs(diagonal) > 0x1p-22F * size && size < kHuge;
    }
    if (is_good) report[4] = kSolved;
}

float length(const float* values, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; ++i) sum += double{values[i]} * values[i];
    return static_cast<float>(std::sqrt(sum));
}

struct HostPhase {
    const HostLaunch& launch;
    gpu::SolveReportParameters p;

    [[nodiscard]] const float* a() const { return launch.floats(launch.constants[0], p.a); }

    void from_matrix(const ProblemIndex& at, float* report) const
    {
        float trace = 0;
        const float* matrix = a() + at.problem * p.unknowns * p.unknowns;
        for (uint32_t i = 0; i < p.unknowns; ++i) trace += matrix[size_t{i} * p.unknowns + i];
        begin(report, trace, p, launch.constants[5] != 0);
    }
    void from_keys(const ProblemIndex& at, float* report) const
    {
        float sum = p.first == 0 ? 0 : report[kMeanWord];
        for (uint32_t i = p.first; i < p.first + p.count; ++i) {
            const size_t row = (size_t{at.slot} * p.tokens + i / p.unknowns) * p.heads + at.head;
            const float key = a()[row * p.unknowns + i % p.unknowns];
            sum += key * key;
        }
        report[kMeanWord] = sum;
        if (p.is_last) begin(report, sum, p, launch.constants[5] != 0);
    }
    void columns(const ProblemIndex& at, float* report) const
    {
        report[0] = 0;
        if (report[4] != kFailed) return;
        bool is_good = true;
        for (size_t c = 1; c <= p.columns; ++c) {
            is_good = is_good && a()[(at.own * p.columns + c) * p.size - 1] == 0;
        }
        if (is_good) report[4] = kSolved;
    }
    void finish(const ProblemIndex& at, float* report) const
    {
        if (p.rhs != kNone) {
            const size_t count = size_t{p.unknowns} * p.columns;
            const float size = length(launch.floats(launch.constants[2], p.rhs) + at.problem * count, count);
            const float error = length(launch.floats(Arena::activations, p.r) + at.own * count, count);
            report[3] = report[4] == kSolved && size > 0 ? error / size : 0.0F;
        }
        if (report[4] == kSolved) return;
        float* x = launch.floats(launch.constants[1], p.x) + at.problem * p.size;
        std::fill(x, x + p.size, 0.0F);
    }
};

void on_host(const HostLaunch& launch)
{
    const HostPhase host{launch, launch.parameters<gpu::SolveReportParameters>()};
    const auto& p = host.p;
    const auto& c = launch.constants;
    for_each_problem(launch, p.streams, launch.groups[1], p.heads, [&](const ProblemIndex& at) {
        float* report = launch.floats(c[3], p.report) + at.own * kSolveReportWords;
        switch (static_cast<Phase>(c[4])) {
            case Phase::begin_from_matrix:
                return host.from_matrix(at, report);
            case Phase::begin_from_keys:
                return host.from_keys(at, report);
            case Phase::begin_again:
                return begin_again_on_host(report);
            case Phase::judge_diagonal:
                return judge_on_host(host.a() + at.own * p.unknowns * p.unknowns, report, p.unknowns, c[6] != 0,
                                     static_cast<Judged>(c[7]));
            case Phase::judge_columns:
                return host.columns(at, report);
            case Phase::finish:
                return host.finish(at, report);
        }
    });
}

/// A launch of one phase, with the parameters that all have in common.
struct PhaseLaunch {
    Launch launch;
    gpu::SolveReportParameters p{};
    uint32_t arenas[3] = {2, 2, 2}; // a, x, rhs
    uint32_t is_relative = 0;
    uint32_t is_lower = 0;
    uint32_t judged = 0;

    PhaseLaunch(const Tensor& report, const SlotMap& map)
    {
        p.report = report.offset;
        p.streams = map.streams;
        p.heads = report.shape[1];
        p.rhs = kNone;
        launch.groups = {report.shape[1], report.shape[0], 1};
        launch.reads = {report.slice()};
        launch.writes = {report.slice()};
        launch.host = on_host;
    }
    void append(Recorder& recorder, Phase phase, const Tensor& report)
    {
        launch.kernel = {&kernels::solve_report,
                         {arenas[0], arenas[1], arenas[2], arena_constant(report), static_cast<uint32_t>(phase),
                          is_relative, is_lower, judged}};
        launch.set_push(p);
        recorder.list.append(std::move(launch));
    }
};

} // namespace

void begin_solve(Recorder& recorder, const Tensor& a, const Regularization& ridge, const Tensor& report,
                 const SlotMap& map)
{
    PhaseLaunch phase(report, map);
    phase.arenas[0] = arena_constant(a);
    phase.is_relative = ridge.is_relative;
    phase.p.a = a.offset;
    phase.p.unknowns = a.shape[2];
    phase.p.alpha = static_cast<float>(ridge.alpha);
    phase.launch.reads.push_back(a.slice());
    phase.append(recorder, Phase::begin_from_matrix, report);
}

void begin_solve_from_keys(Recorder& recorder, const Tensor& k, const Regularization& ridge, const Tensor& report)
{
    const uint32_t elements = k.shape[1] * k.shape[3];
    constexpr uint32_t kElements = 64 * kMaxLoopTrips / 2;
    for (uint32_t first = 0; first < elements; first += std::min(kElements, elements - first)) {
        PhaseLaunch phase(report, {});
        phase.arenas[0] = arena_constant(k);
        phase.is_relative = ridge.is_relative;
        phase.p.a = k.offset;
        phase.p.tokens = k.shape[1];
        phase.p.unknowns = k.shape[3];
        phase.p.first = first;
        phase.p.count = std::min(kElements, elements - first);
        phase.p.is_last = first + phase.p.count == elements;
        phase.p.alpha = static_cast<float>(ridge.alpha);
        phase.launch.reads.push_back(k.slice());
        phase.append(recorder, Phase::begin_from_keys, report);
    }
}

void begin_again(Recorder& recorder, const Tensor& report, const SlotMap& map)
{
    PhaseLaunch(report, map).append(recorder, Phase::begin_again, report);
}

void judge_diagonal(Recorder& recorder, const Tensor& m, Triangle triangle, Judged judged, const Tensor& report)
{
    PhaseLaunch phase(report, {});
    phase.arenas[0] = arena_constant(m);
    phase.is_lower = static_cast<uint32_t>(triangle);
    phase.judged = static_cast<uint32_t>(judged);
    phase.p.a = m.offset;
    phase.p.unknowns = m.shape[2];
    phase.launch.reads.push_back(m.slice());
    phase.append(recorder, Phase::judge_diagonal, report);
}

void judge_columns(Recorder& recorder, const Tensor& states, const Tensor& report, const SlotMap& map)
{
    PhaseLaunch phase(report, map);
    phase.arenas[0] = arena_constant(states);
    phase.p.a = states.offset;
    phase.p.columns = states.shape[2];
    phase.p.size = states.shape[3];
    phase.launch.reads.push_back(states.slice());
    phase.append(recorder, Phase::judge_columns, report);
}

void finish_solve(Recorder& recorder, const Tensor& x, const Tensor* residual, const Tensor* rhs, const Tensor& report,
                  const SlotMap& map)
{
    PhaseLaunch phase(report, map);
    phase.arenas[1] = arena_constant(x);
    phase.p.x = x.offset;
    phase.p.size = x.shape[2] * x.shape[3];
    if (residual) {
        phase.arenas[2] = arena_constant(*rhs);
        phase.p.r = residual->offset;
        phase.p.rhs = rhs->offset;
        phase.p.unknowns = rhs->shape[2];
        phase.p.columns = rhs->shape[3];
        phase.launch.reads.push_back(residual->slice());
        phase.launch.reads.push_back(rhs->slice());
    }
    phase.launch.writes.push_back(x.slice());
    phase.append(recorder, Phase::finish, report);
}

} // namespace gramian
