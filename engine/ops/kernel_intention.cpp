#include "ops/kernel_intention.hpp"

#include "ops/kernels.hpp"
#include "ops/sigma_intention_twin.hpp"
#include "shaders/kernel_intention.h"

namespace gramian {
namespace {

constexpr uint64_t kMaxTrips = 60'000;                   // drivers exist that stop silently after 65,535
constexpr uint64_t kWorkspaceBytes = uint64_t{16} << 20; // for the systems that are solved at a time
constexpr uint32_t kMaxTogether = 32;                    // queries that share a system
enum Phase : uint32_t { kWrite, kEliminate, kAnswer };

/// The systems of a launch; the last phase does all.
void on_host(const HostLaunch& launch)
{
    const auto p = launch.parameters<gpu::KernelIntentionParameters>();
    const auto& c = launch.constants;
    if (c[8] != kAnswer) return;
    const uint32_t last = std::min((p.first + launch.groups[0]) * p.together, p.queries);
    for (uint32_t b = 0; b < launch.groups[2]; ++b) {
        for (uint32_t query = p.first * p.together; query < last; ++query) {
            for (uint32_t head = 0; head < p.heads; ++head) {
                const size_t at = (size_t{b} * p.queries + query) * p.heads + head;
                const auto key = [&](uint32_t i) {
                    return launch.floats(c[1], p.k) + ((size_t{b} * p.keys + i) * p.heads + head) * p.width;
                };
                const auto value = [&](uint32_t i) {
                    return launch.floats(c[2], p.v) + ((size_t{b} * p.keys + i) * p.heads + head) * p.columns;
                };
                const auto report = twin::kernel_intention<float>(
                    launch.floats(c[0], p.q) + at * p.width, key, value, c[5] ? query + 1 : p.keys, p.width, p.columns,
                    p.scale, p.alpha, c[6] != 0, launch.floats(c[3], p.y) + at * p.columns);
                float* out = launch.floats(c[4], p.report) + at * kSolveReportWords;
                out[0] = report.min_pivot;
                out[1] = report.alpha;
                out[2] = report.retries;
                out[3] = report.residual;
                out[4] = static_cast<float>(report.status);
            }
        }
    }
}

void check(const KernelIntention& i)
{
    const Shape& q = i.q.shape;
    const Shape& k = i.k.shape;
    const Shape& v = i.v.shape;
    const bool fits = q.rank() == 4 && k.rank() == 4 && v.rank() == 4 && k[0] == q[0] && k[2] == q[2] && k[3] == q[3] &&
                      v[0] == k[0] && v[1] == k[1] && v[2] == k[2] && i.y.shape == Shape{q[0], q[1], q[2], v[3]} &&
                      i.report.shape == Shape{q[0], q[1], q[2], kSolveReportWords} && (!i.is_causal || q[1] == k[1]);
    if (!fits) {
        raise(Status::invalid_argument, "kernel_intention: q {}, k {} and v {} do not fit together", q.text(), k.text(),
              v.text());
    }
    if (k[1] > kMaxKernelKeys) {
        raise(Status::unsupported,
              "sigma_intention: {} keys, at most {} in the kernel form, which solves N x N systems", k[1],
              kMaxKernelKeys);
    }
    const uint64_t writing = uint64_t{ceil_div(k[1], 64) + 1} * k[1] * (k[3] / 4 + 6);
    const uint64_t answering = uint64_t{kMaxTogether} * (ceil_div(k[1], 64) * 2 + ceil_div(v[3], 64) * k[1] + 8);
    if (std::max(writing, answering) > kMaxTrips) {
        raise(Status::unsupported, "sigma_intention: {} keys of width {} with values of width {} are too much", k[1],
              k[3], v[3]);
    }
}

/// Some systems from writing them down to their answers.
void solve_systems(Recorder& recorder, const KernelIntention& i, gpu::KernelIntentionParameters p, uint32_t count,
                   const Tensor& workspace)
{
    const auto append = [&](Phase phase) {
        Launch launch;
        launch.kernel = {&kernels::kernel_intention,
                         {arena_constant(i.q), arena_constant(i.k), arena_constant(i.v), arena_constant(i.y),
                          arena_constant(i.report), i.is_causal ? 1U : 0U, i.is_relative ? 1U : 0U, p.keys, phase}};
        launch.set_push(p);
        launch.groups = {count, p.heads, i.q.shape[0]};
        launch.reads = {i.q.slice(), i.k.slice(), i.v.slice(), workspace.slice()};
        launch.writes = {workspace.slice()};
        if (phase == kAnswer) launch.writes = {i.y.slice(), i.report.slice()};
        launch.host = on_host;
        recorder.list.append(std::move(launch));
    };
    append(kWrite);
    for (p.step = 0; p.step < p.keys; p.step += p.steps) {
        const uint64_t trips = uint64_t{p.keys} * (1 + ceil_div(p.keys + p.together - p.step, 64)) + 4;
        p.steps = static_cast<uint32_t>(std::max<uint64_t>(1, kMaxTrips / trips));
        append(kEliminate);
    }
    append(kAnswer);
}

} // namespace

void kernel_intention(Recorder& recorder, const KernelIntention& i)
{
    check(i);
    const Shape& q = i.q.shape;
    const uint32_t keys = i.k.shape[1];
    const uint32_t together = i.is_causal ? 1 : std::min(kMaxTogether, q[1]);
    const uint32_t systems = ceil_div(q[1], together);
    const uint32_t words = keys * (keys + together) + 4;
    const uint64_t most = std::max<uint64_t>(1, kWorkspaceBytes / 4 / words / q[0] / q[2]);
    const auto at_once = static_cast<uint32_t>(std::min<uint64_t>(most, std::min(systems, recorder.caps.max_groups)));
    const Tensor workspace = recorder.temporary({q[0], q[2], at_once, words});
    gpu::KernelIntentionParameters p{i.q.offset,
                                     i.k.offset,
                                     i.v.offset,
                                     i.y.offset,
                                     i.report.offset,
                                     workspace.offset,
                                     keys,
                                     q[1],
                                     together,
                                     0,
                                     0,
                                     0,
                                     q[2],
                                     q[3],
                                     i.v.shape[3],
                                     i.scale,
                                     static_cast<float>(i.alpha)};
    for (; p.first < systems; p.first += at_once) {
        solve_systems(recorder, i, p, std::min(at_once, systems - p.first), workspace);
    }
}

} // namespace gramian
