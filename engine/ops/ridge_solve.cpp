#include "ops/ridge_solve.hpp"

#include "ops/kernels.hpp"
#include "ops/problems.hpp"
#include "ops/ridge_solve_twin.hpp"
#include "shaders/ridge_solve.h"

#include <bit>

namespace gramian {
namespace {

// P = 128 and K = 256 take some 40,000 loop trips with all retries; drivers exist that stop silently after 65,535.
static_assert(kMaxWholeUnknowns <= 128 && kMaxSolveColumns <= 256);
constexpr uint32_t kReductionBytes = (64 + 4) * 4; // sums over lanes, and the bounds of four pivots

void solve_on_host(const HostLaunch& launch, const gpu::RidgeSolveParameters& p, uint32_t slots)
{
    const auto& c = launch.constants;
    for_each_problem(launch, p.streams, slots, p.heads, [&](const ProblemIndex& at) {
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

void groups_on_host(const HostLaunch& launch)
{
    solve_on_host(launch, launch.parameters<gpu::RidgeSolveParameters>(), launch.groups[1]);
}

void lanes_on_host(const HostLaunch& launch)
{
    const auto p = launch.parameters<gpu::RidgeSolveParameters>();
    solve_on_host(launch, p, launch.rows(p.problems) / p.heads);
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

uint32_t tile_of(uint32_t columns)
{
    return columns <= 2 ? columns : 4; // columns at a time; more take seconds to compile
}

/// Loop trips of an invocation that solves a problem by itself, with all retries.
uint64_t lane_trips(uint32_t unknowns, uint32_t columns)
{
    const uint64_t blocks = ceil_div(unknowns, 4);
    const uint64_t factor = blocks + blocks * (blocks + 1) / 2 + (blocks - 1) * blocks * (blocks + 1) / 6;
    const uint64_t tile = blocks * (blocks + 1) + blocks * (blocks + 1) + 1;
    return unknowns + (1 + kMaxSolveRetries) * (1 + factor) + ceil_div(columns, tile_of(columns)) * tile;
}

Launch launch_of(const RidgeSolve& solve, const Shader& shader, std::initializer_list<uint32_t> sizes)
{
    Launch launch;
    launch.kernel = {&shader,
                     {arena_constant(solve.a), arena_constant(solve.rhs), arena_constant(solve.x),
                      arena_constant(solve.report), solve.ridge ? arena_constant(*solve.ridge) : 0U,
                      solve.is_relative ? 1U : 0U}};
    launch.kernel.constants.insert(launch.kernel.constants.end(), sizes);
    launch.reads = {solve.a.slice(), solve.rhs.slice()};
    if (solve.ridge) launch.reads.push_back(solve.ridge->slice());
    launch.writes = {solve.x.slice(), solve.report.slice()};
    return launch;
}

gpu::RidgeSolveParameters parameters_of(const RidgeSolve& solve)
{
    const uint32_t heads = solve.a.shape[1];
    return {solve.a.offset,
            solve.rhs.offset,
            solve.ridge ? solve.ridge->offset : kNone,
            solve.x.offset,
            solve.report.offset,
            0,
            solve.map.streams,
            heads,
            solve.a.shape[2],
            solve.rhs.shape[3],
            solve.report.shape[0] * heads,
            static_cast<float>(solve.alpha)};
}

void by_lane(Recorder& recorder, const RidgeSolve& solve)
{
    gpu::RidgeSolveParameters p = parameters_of(solve);
    const uint32_t lanes = recorder.caps.subgroup_size;
    const uint32_t groups = ceil_div(p.problems, lanes);
    const uint32_t blocks = ceil_div(p.unknowns, 4);
    const uint32_t tile = tile_of(p.columns);
    const bool has_vectors = p.unknowns % 4 == 0 && p.a % 4 == 0 && p.rhs % 4 == 0 && (tile < 4 || p.columns % 4 == 0);
    const Tensor room = recorder.temporary({groups * lanes, 2 * blocks * (blocks + 1), 4});
    p.workspace = room.offset;
    Launch launch = launch_of(solve, kernels::ridge_solve_software,
                              {has_vectors ? 1U : 0U, tile, lanes, std::max(4U, std::bit_ceil(blocks))});
    launch.set_push(p);
    launch.writes.push_back(room.slice());
    launch.groups = {groups, 1, 1};
    follow_slots(recorder, launch, 0, p.problems, lanes);
    launch.host = lanes_on_host;
    recorder.list.append(std::move(launch));
}

void by_group(Recorder& recorder, const RidgeSolve& solve)
{
    gpu::RidgeSolveParameters p = parameters_of(solve);
    const uint32_t slots = solve.report.shape[0];
    const uint32_t vectors = factor_vectors(p.unknowns, p.columns);
    const bool is_shared = fits_shared(recorder.caps, p.unknowns, p.columns);
    Launch launch = launch_of(solve, is_shared ? kernels::ridge_solve_shared : kernels::ridge_solve_global, {vectors});
    if (!is_shared) {
        const Tensor room = recorder.temporary({p.problems, vectors, 4});
        p.workspace = room.offset;
        launch.writes.push_back(room.slice());
    }
    launch.set_push(p);
    launch.groups = {p.heads, slots, 1};
    follow_slots(recorder, launch, 1, slots);
    launch.host = groups_on_host;
    recorder.list.append(std::move(launch));
}

} // namespace

bool runs_problems_by_lane(const Caps& caps)
{
    return caps.is_software && caps.has_subgroup_operations && !caps.refuses(kernels::ridge_solve_software.name);
}

bool solves_by_lane(const Caps& caps, uint32_t unknowns, uint32_t columns)
{
    return runs_problems_by_lane(caps) && lane_trips(unknowns, columns) <= kMaxLoopTrips;
}

bool solves_in_shared_memory(const Caps& caps)
{
    for (uint32_t unknowns = 1; unknowns <= kMaxWholeUnknowns; ++unknowns) {
        uint32_t columns = 1; // the fewest that no lane solves by itself take the least memory
        while (columns <= kMaxSolveColumns && solves_by_lane(caps, unknowns, columns)) ++columns;
        if (columns <= kMaxSolveColumns && fits_shared(caps, unknowns, columns)) return true;
    }
    return false;
}

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
    if (solves_by_lane(recorder.caps, solve.a.shape[2], solve.rhs.shape[3]))
        by_lane(recorder, solve);
    else
        by_group(recorder, solve);
}

} // namespace gramian
