#include "ops/conjugate_gradients.hpp"

#include "ops/conjugate_gradients_twin.hpp"
#include "ops/kernels.hpp"
#include "ops/matrix_product.hpp"
#include "ops/problems.hpp"
#include "shaders/conjugate_gradients.h"

#include <algorithm>

namespace gramian {
namespace {

/// All rounds happen at the first launch.
void on_host(const HostLaunch& launch)
{
    const auto p = launch.parameters<gpu::ConjugateGradientsParameters>();
    const auto& c = launch.constants;
    if (!p.begins) return;
    const uint32_t n = p.unknowns;
    for_each_problem(launch, p.streams, launch.groups[2], p.heads, [&](const ProblemIndex& at) {
        const float* report = launch.floats(c[3], p.report) + at.own * kSolveReportWords;
        if (report[4] != static_cast<float>(SolveStatus::failed)) return;
        const float* ridge = p.ridge == kNone ? nullptr : launch.floats(c[4], p.ridge) + size_t{at.head} * n;
        const float* rhs = launch.floats(c[1], p.rhs) + at.problem * n * p.columns;
        float* x = launch.floats(c[2], p.x) + at.problem * n * p.columns;
        std::vector<float> b(n);
        std::vector<float> column_x(n);
        for (uint32_t column = 0; column < p.columns; ++column) {
            float scale = 0;
            for (uint32_t i = 0; i < n; ++i) scale = std::max(scale, std::abs(rhs[size_t{i} * p.columns + column]));
            if (c[5] || scale == 0) scale = 1; // the published guards are absolute
            for (uint32_t i = 0; i < n; ++i) b[i] = rhs[size_t{i} * p.columns + column] / scale;
            const bool is_sound =
                twin::conjugate_gradients(launch.floats(c[0], p.a) + at.problem * n * n, ridge, report[1], b.data(),
                                          column_x.data(), n, {p.total_rounds, c[5] != 0, c[6] != 0});
            for (uint32_t i = 0; i < n; ++i) x[size_t{i} * p.columns + column] = scale * column_x[i];
            const size_t state = (at.own * p.columns + column + 1) * (2 * size_t{n} + 4) - 1;
            launch.floats(Arena::activations, p.kept)[state] = is_sound ? 0.0F : 1.0F;
        }
    });
}

void check(const ConjugateGradients& solve)
{
    const Shape& a = solve.a.shape;
    const Shape& rhs = solve.rhs.shape;
    const bool fits = a.rank() == 4 && rhs.rank() == 4 && a[2] == a[3] && rhs[0] == a[0] && rhs[1] == a[1] &&
                      rhs[2] == a[2] && solve.x.shape == rhs &&
                      (!solve.ridge || solve.ridge->shape == Shape{a[1], a[2]});
    if (!fits) {
        raise(Status::invalid_argument, "conjugate_gradients: a {}, rhs {} and x {} do not fit together", a.text(),
              rhs.text(), solve.x.shape.text());
    }
    if (a[2] > kMaxUnknowns) raise(Status::unsupported, "conjugate_gradients: P {}, at most {}", a[2], kMaxUnknowns);
}

void iterate(Recorder& recorder, const ConjugateGradients& solve, const Tensor& kept)
{
    const uint32_t n = solve.a.shape[2];
    const uint32_t rows = ceil_div(n, 64);
    const uint32_t product = rows * (1 + n) + 7;
    const uint32_t begin = 5 * rows + product + 16; // with a start that is not 0, and the sums
    const uint32_t per_round = product + 3 * rows + 8;
    const uint32_t per_launch = (kMaxLoopTrips - begin) / per_round;
    for (uint32_t first = 0; first < solve.iterations; first += std::min(per_launch, solve.iterations - first)) {
        const uint32_t rounds = std::min(per_launch, solve.iterations - first);
        Launch launch;
        launch.kernel = {&kernels::conjugate_gradients,
                         {arena_constant(solve.a), arena_constant(solve.rhs), arena_constant(solve.x),
                          arena_constant(solve.report), solve.ridge ? arena_constant(*solve.ridge) : 0U,
                          solve.is_compat ? 1U : 0U, !solve.is_compat || solve.starts_at_zero ? 1U : 0U, n}};
        launch.set_push(gpu::ConjugateGradientsParameters{
            solve.a.offset, solve.ridge ? solve.ridge->offset : kNone, solve.rhs.offset, solve.x.offset, kept.offset,
            solve.report.offset, solve.map.streams, solve.a.shape[1], n, solve.rhs.shape[3], first == 0 ? 1U : 0U,
            rounds, first + rounds == solve.iterations ? 1U : 0U, solve.iterations});
        launch.groups = {solve.rhs.shape[3], solve.a.shape[1], solve.report.shape[0]};
        launch.reads = {solve.a.slice(), solve.rhs.slice(), solve.x.slice(), kept.slice(), solve.report.slice()};
        if (solve.ridge) launch.reads.push_back(solve.ridge->slice());
        launch.writes = {solve.x.slice(), kept.slice()};
        launch.host = on_host;
        recorder.list.append(std::move(launch));
    }
}

} // namespace

void conjugate_gradients(Recorder& recorder, const ConjugateGradients& solve)
{
    check(solve);
    const uint32_t slots = solve.report.shape[0];
    const uint32_t heads = solve.a.shape[1];
    const uint32_t columns = solve.rhs.shape[3];
    const Tensor kept = recorder.temporary({slots, heads, columns, 2 * solve.a.shape[2] + 4});
    const Tensor residual = recorder.temporary({slots, heads, solve.a.shape[2], columns});
    begin_solve(recorder, solve.a, solve.regularization, solve.report, solve.map);
    iterate(recorder, solve, kept);
    judge_columns(recorder, kept, solve.report, solve.map);
    ridge_residual(recorder, solve.a, solve.rhs, solve.ridge, solve.x, residual, solve.report, solve.map);
    finish_solve(recorder, solve.x, &residual, &solve.rhs, solve.report, solve.map);
}

} // namespace gramian
