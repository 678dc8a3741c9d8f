#include "ops/triangular_solve.hpp"

#include "ops/kernels.hpp"
#include "ops/problems.hpp"
#include "ops/triangular_solve_twin.hpp"
#include "shaders/triangular_solve.h"

namespace gramian {
namespace {

void on_host(const HostLaunch& launch)
{
    const auto p = launch.parameters<gpu::TriangularSolveParameters>();
    const auto& c = launch.constants;
    const bool is_transposed = c[3] != 0;
    const bool is_forward = c[4] != 0;
    const size_t size = size_t{p.unknowns} * p.columns;
    for_each_problem(launch, p.streams, launch.groups[2], p.heads, [&](const ProblemIndex& at) {
        const float* report = launch.floats(c[2], p.report) + at.own * kSolveReportWords;
        if (report[4] != static_cast<float>(SolveStatus::solved)) return;
        twin::triangular_solve(launch.floats(Arena::activations, p.a) + at.own * p.unknowns * p.unknowns,
                               is_forward != is_transposed, is_transposed,
                               launch.floats(c[0], p.rhs) + at.problem * size,
                               launch.floats(c[1], p.x) + at.problem * size, p.unknowns, p.columns);
    });
}

void check(const TriangularSolve& solve)
{
    const Shape& a = solve.a.shape;
    const Shape& rhs = solve.rhs.shape;
    const bool fits = a.rank() == 4 && rhs.rank() == 4 && a[2] == a[3] && rhs[1] == a[1] && rhs[2] == a[2] &&
                      solve.x.shape == rhs && solve.report.shape == Shape{a[0], a[1], kSolveReportWords} &&
                      solve.a.arena == Arena::activations;
    if (!fits) {
        raise(Status::invalid_argument, "triangular_solve: a {}, rhs {} and x {} do not fit together", a.text(),
              rhs.text(), solve.x.shape.text());
    }
    if (a[2] > kMaxUnknowns) raise(Status::unsupported, "triangular_solve: P {}, at most {}", a[2], kMaxUnknowns);
}

} // namespace

void triangular_solve(Recorder& recorder, const TriangularSolve& solve)
{
    check(solve);
    const Shape& rhs = solve.rhs.shape;
    const bool is_forward = (solve.triangle == Triangle::lower) != solve.is_transposed;
    Launch launch;
    launch.kernel = {&kernels::triangular_solve,
                     {arena_constant(solve.rhs), arena_constant(solve.x), arena_constant(solve.report),
                      solve.is_transposed ? 1U : 0U, is_forward ? 1U : 0U, 32 * ceil_div(rhs[2], 32)}};
    launch.set_push(gpu::TriangularSolveParameters{solve.a.offset, solve.rhs.offset, solve.x.offset,
                                                   solve.report.offset, solve.map.streams, rhs[1], rhs[2], rhs[3]});
    launch.groups = {ceil_div(rhs[3], 2), rhs[1], solve.report.shape[0]};
    launch.reads = {solve.a.slice(), solve.rhs.slice(), solve.report.slice()};
    launch.writes = {solve.x.slice()};
    launch.host = on_host;
    recorder.list.append(std::move(launch));
}

} // namespace gramian
