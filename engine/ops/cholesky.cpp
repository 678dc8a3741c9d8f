#include "ops/cholesky.hpp"

#include "ops/kernels.hpp"
#include "ops/problems.hpp"
#include "shaders/cholesky.h"

#include <algorithm>
#include <cmath>

namespace gramian {
namespace {

constexpr uint32_t kTile = 32;

/// The part of the factor that a launch is for: some rows of the panel's columns.
struct HostPanel {
    const float* a;
    const float* ridge;
    float* l;
    float* report;
    uint32_t unknowns;
    bool is_upper;

    float& at(uint32_t row, uint32_t column) const
    {
        return is_upper ? l[size_t{column} * unknowns + row] : l[size_t{row} * unknowns + column];
    }
    [[nodiscard]] float rest(uint32_t row, uint32_t column) const
    {
        float sum = a[size_t{row} * unknowns + column];
        if (row == column) sum += (ridge ? ridge[row] : 0.0F) + report[1];
        for (uint32_t k = 0; k < column; ++k) sum -= at(row, k) * at(column, k);
        return sum;
    }
    /// False if the pivot fails.
    bool pivot(uint32_t row) const
    {
        const float diagonal = a[size_t{row} * unknowns + row] + (ridge ? ridge[row] : 0.0F) + report[1];
        const float left = rest(row, row);
        report[0] = std::min(report[0], left);
        at(row, row) = std::sqrt(left);
        return left > 0x1p-22F * diagonal && left < 3e38F;
    }
};

void factor_corner(const HostPanel& panel, uint32_t first, uint32_t end, bool is_last)
{
    for (uint32_t column = first; column < end; ++column) {
        if (!panel.pivot(column)) {
            panel.report[kBrokenWord] = 1;
            return;
        }
        for (uint32_t row = column + 1; row < end; ++row) {
            panel.at(row, column) = panel.rest(row, column) / panel.at(column, column);
            panel.at(column, row) = 0;
        }
    }
    if (is_last) panel.report[4] = static_cast<float>(SolveStatus::solved);
}

void factor_below(const HostPanel& panel, uint32_t first, uint32_t end)
{
    for (uint32_t row = end; row < panel.unknowns; ++row) {
        for (uint32_t column = first; column < end; ++column) {
            panel.at(row, column) = panel.rest(row, column) / panel.at(column, column);
            panel.at(column, row) = 0;
        }
    }
}

void on_host(const HostLaunch& launch)
{
    const auto p = launch.parameters<gpu::CholeskyParameters>();
    const auto& c = launch.constants;
    const size_t size = size_t{p.unknowns} * p.unknowns;
    for_each_problem(launch, p.streams, launch.groups[2], p.heads, [&](const ProblemIndex& at) {
        float* report = launch.floats(c[1], p.report) + at.own * kSolveReportWords;
        if (report[4] != static_cast<float>(SolveStatus::failed) || report[kBrokenWord] != 0) return;
        const float* ridge = p.ridge == kNone ? nullptr : launch.floats(c[2], p.ridge) + size_t{at.head} * p.unknowns;
        const HostPanel panel{launch.floats(c[0], p.a) + at.problem * size,
                              ridge,
                              launch.floats(Arena::activations, p.l) + at.own * size,
                              report,
                              p.unknowns,
                              c[4] != 0};
        const uint32_t first = kTile * p.panel;
        const uint32_t end = std::min(first + kTile, p.unknowns);
        if (c[3])
            factor_corner(panel, first, end, p.is_last != 0);
        else
            factor_below(panel, first, end);
    });
}

void check(const Cholesky& factor)
{
    const Shape& a = factor.a.shape;
    const Shape& l = factor.l.shape;
    const Shape& report = factor.report.shape;
    const bool fits = a.rank() == 4 && l.rank() == 4 && a[2] == a[3] && l[1] == a[1] && l[2] == a[2] && l[3] == a[3] &&
                      report == Shape{l[0], l[1], kSolveReportWords} && factor.l.arena == Arena::activations &&
                      (!factor.ridge || factor.ridge->shape == Shape{a[1], a[2]});
    if (!fits) raise(Status::invalid_argument, "cholesky: a {} and l {} do not fit together", a.text(), l.text());
    if (a[2] > kMaxUnknowns) raise(Status::unsupported, "cholesky: P {}, at most {}", a[2], kMaxUnknowns);
}

} // namespace

void cholesky(Recorder& recorder, const Cholesky& factor)
{
    check(factor);
    const Shape& l = factor.l.shape;
    const uint32_t tiles = ceil_div(l[2], kTile);
    for (uint32_t panel = 0; panel < tiles; ++panel) {
        for (const uint32_t is_diagonal : {1U, 0U}) {
            const uint32_t below = tiles - 1 - panel;
            if (!is_diagonal && below == 0) continue;
            Launch launch;
            launch.kernel = {&kernels::cholesky,
                             {arena_constant(factor.a), arena_constant(factor.report),
                              factor.ridge ? arena_constant(*factor.ridge) : 0U, is_diagonal,
                              factor.is_upper ? 1U : 0U}};
            launch.set_push(gpu::CholeskyParameters{factor.a.offset, factor.ridge ? factor.ridge->offset : kNone,
                                                    factor.l.offset, factor.report.offset, factor.map.streams, l[1],
                                                    l[2], panel, below == 0 ? 1U : 0U});
            launch.groups = {is_diagonal ? 1 : below, l[1], l[0]};
            launch.reads = {factor.a.slice(), factor.l.slice(), factor.report.slice()};
            if (factor.ridge) launch.reads.push_back(factor.ridge->slice());
            launch.writes = {factor.l.slice()};
            if (is_diagonal) launch.writes.push_back(factor.report.slice());
            launch.host = on_host;
            recorder.list.append(std::move(launch));
        }
    }
}

void cholesky_with_retries(Recorder& recorder, const Cholesky& factor)
{
    cholesky(recorder, factor);
    for (uint32_t retry = 0; retry < kMaxSolveRetries; ++retry) {
        begin_again(recorder, factor.report, factor.map);
        cholesky(recorder, factor);
    }
}

} // namespace gramian
