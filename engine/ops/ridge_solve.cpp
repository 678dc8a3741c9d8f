#include "ops/ridge_solve.hpp"

#include "ops/kernels.hpp"
#include "ops/problems.hpp"
#include "ops/ridge_solve_twin.hpp"
#include "shaders/ridge_solve.h"

namespace gramian {
namespace {

// P = 128 and K = 256 take some 40,000 loop trips with all retries; drivers exist that stop silently after 65,535.
static_assert(kMaxWholeUnknowns <= 128 && kMaxSolveColumns <= 256);
constexpr uint32_t kReductionBytes = (64 + 4) * 4; // sums over lanes, and the bounds of four pivots

void on_host(const HostLaunch& launch)
{
    const auto p = launch.parameters<gpu::RidgeSolveParameters>();
    const auto& c = launch.constants;
    for_each_problem(launch, p.streams, launch.groups[1], p.heads, [&](const ProblemIndex& at) {
        const float* ridge = p.ridge == kNone ? nullptr : launch.floats(c[4], p.ridge) + size_t{at.head} * p.unknowns;
        const auto report = twin::ridge_solve(launch.floats(c[0], p.a) + at.problem * p.unknowns * p.unknowns, ridge,
                                              launch.floats(c[1], p.rhs) + at.problem * p.unknowns * p.columns,
                                              launch.floats(c[2], p.x) + at.problem * p.unknowns * p.columns,
                                              p.unknowns, p.columns, p.alpha, c[5] != 0);
        float* out = launch.floats(c[3], p.report) + at.own * kSolveReportWords;
        out[0] = report.min_pivot;
        out[1] = report.alpha;
        out[2] = report.retries;
        out[3] = report.residual;
        out[4] = static_cast<float>(report.status);
    });
}

/// Vectors of the factor and the right-hand sides, stored by block column of four: see the kernel.
uint32_t factor_vectors(uint32_t unknowns, uint32_t columns)
{
    const uint32_t blocks = ceil_div(unknowns, 4);
    return blocks * (4 * blocks + columns) - 2 * blocks * (blocks - 1);
}

bool fits_shared(const Caps& caps, uint32_t unknowns, uint32_t columns)
{
    return 16 * factor_vectors(unknowns, columns) + kReductionBytes <= caps.max_shared_bytes &&
           !caps.refuses(kernels::ridge_solve_shared.name);
}

void check(const RidgeSolve& solve)
{
    const Shape& a = solve.a.shape;
    const Shape& rhs = solve.rhs.shape;
    const bool fits = a.rank() == 4 && rhs.rank() == 4 && a[2] == a[3] && rhs[0] == a[0] && rhs[1] == a[1] &&
                      rhs[2] == a[2] && solve.x.shape == rhs &&
                      (!solve.ridge || solve.ridge->shape == Shape{a[1], a[2]});
    if (!fits) {
        raise(Status::invalid_argument, "ridge_solve: a {}, rhs {} and x {} do not fit together", a.text(), rhs.text(),
              solve.x.shape.text());
    }
    if (a[2] > kMaxUnknowns || rhs[3] > kMaxSolveColumns) {
        raise(Status::unsupported, "ridge_solve: P {} and K {}, at most {} and {}", a[2], rhs[3], kMaxUnknowns,
              kMaxSolveColumns);
    }
}

} // namespace

uint32_t max_shared_unknowns(const Caps& caps, uint32_t columns)
{
    uint32_t unknowns = kMaxWholeUnknowns;
    while (unknowns > 0 && !fits_shared(caps, unknowns, columns)) --unknowns;
    return unknowns;
}

void ridge_solve(Recorder& recorder, const RidgeSolve& solve)
{
    check(solve);
    if (solve.a.shape[2] > kMaxWholeUnknowns) return ridge_solve_in_panels(recorder, solve);
    const uint32_t heads = solve.a.shape[1];
    const uint32_t unknowns = solve.a.shape[2];
    const uint32_t columns = solve.rhs.shape[3];
    const uint32_t slots = solve.report.shape[0];
    const uint32_t vectors = factor_vectors(unknowns, columns);
    const bool is_shared = fits_shared(recorder.caps, unknowns, columns);
    Launch launch;
    uint32_t workspace = 0;
    launch.writes = {solve.x.slice(), solve.report.slice()};
    if (!is_shared) {
        const Tensor room = recorder.temporary({slots * heads, vectors, 4});
        workspace = room.offset;
        launch.writes.push_back(room.slice());
    }
    launch.kernel = {is_shared ? &kernels::ridge_solve_shared : &kernels::ridge_solve_global,
                     {arena_constant(solve.a), arena_constant(solve.rhs), arena_constant(solve.x),
                      arena_constant(solve.report), solve.ridge ? arena_constant(*solve.ridge) : 0U,
                      solve.is_relative ? 1U : 0U, vectors}};
    launch.set_push(gpu::RidgeSolveParameters{
        solve.a.offset, solve.rhs.offset, solve.ridge ? solve.ridge->offset : kNone, solve.x.offset,
        solve.report.offset, workspace, solve.map.streams, heads, unknowns, columns, static_cast<float>(solve.alpha)});
    launch.groups = {heads, slots, 1};
    launch.reads = {solve.a.slice(), solve.rhs.slice()};
    if (solve.ridge) launch.reads.push_back(solve.ridge->slice());
    follow_slots(recorder, launch, 1, slots);
    launch.host = on_host;
    recorder.list.append(std::move(launch));
}

} // namespace gramian
