#include "ops/query_solve.hpp"

#include "ops/kernels.hpp"
#include "ops/query_solve_twin.hpp"
#include "ops/state_read.hpp"
#include "shaders/query_solve.h"

namespace gramian {
namespace {

// Drivers exist that stop silently after 65,535 loop trips of an invocation.
constexpr uint64_t kMaxTrips = 60'000;
constexpr uint32_t kMaxFactorWidth = 256; // 28,000 trips with all retries
constexpr uint32_t kMaxGradientWidth = 512;
constexpr uint32_t kReductionBytes = (64 + 4 + 4) * 4; // sums over lanes, bounds of pivots, the mean

/// Vectors of the factor and the query: see shaders/common/cholesky.glsl.
uint32_t factor_vectors(uint32_t width)
{
    const uint32_t blocks = ceil_div(width, 4);
    return blocks * (4 * blocks + 1) - 2 * blocks * (blocks - 1);
}

bool fits_shared(const Caps& caps, uint32_t width)
{
    return 16 * factor_vectors(width) + kReductionBytes <= caps.max_shared_bytes &&
           !caps.refuses(kernels::query_solve_shared.name);
}

/// One row of a launch on the host.
class HostQuery {
public:
    HostQuery(const HostLaunch& launch, const gpu::QuerySolveParameters& p, size_t problem, size_t at, uint32_t head)
        : launch_(launch), p_(p), state_head_(problem * p.heads + head), at_(at * p.heads + head), head_(head)
    {
    }

    void run() const
    {
        const auto& c = launch_.constants;
        const float* ridge = p_.ridge == kNone ? nullptr : launch_.floats(c[4], p_.ridge) + size_t{head_} * p_.width;
        const float* q = launch_.floats(c[2], p_.q) + at_ * p_.width;
        std::vector<float> x(p_.width);
        float variance = 0;
        const bool is_gradient = launch_.constants[10] != kNone;
        const auto solver = is_gradient ? static_cast<QuerySolver>(1 + c[10]) : QuerySolver::cholesky;
        const auto report = twin::query_solve(launch_.floats(c[0], p_.g) + state_head_ * p_.width * p_.width, ridge, q,
                                              x.data(), variance, p_.width, p_.alpha, c[6] != 0, solver, p_.iterations);
        if (p_.y != kNone) read(x);
        if (p_.x != kNone) std::copy(x.begin(), x.end(), launch_.floats(Arena::activations, p_.x) + at_ * p_.width);
        if (p_.variance != kNone) launch_.floats(c[3], p_.variance)[at_] = variance;
        if (p_.report == kNone) return;
        float* out = launch_.floats(c[5], p_.report) + at_ * kSolveReportWords;
        out[0] = report.min_pivot;
        out[1] = report.alpha;
        out[2] = report.retries;
        out[3] = report.residual;
        out[4] = static_cast<float>(report.status);
    }

private:
    void read(const std::vector<float>& x) const
    {
        const float* s = launch_.floats(launch_.constants[1], p_.s) + state_head_ * p_.width * p_.columns;
        float* y = launch_.floats(launch_.constants[3], p_.y) + at_ * p_.columns;
        for (uint32_t j = 0; j < p_.columns; ++j) {
            float sum = 0;
            for (uint32_t i = 0; i < p_.width; ++i) sum += s[size_t{i} * p_.columns + j] * x[i];
            y[j] = sum;
        }
    }

    const HostLaunch& launch_;
    const gpu::QuerySolveParameters& p_;
    size_t state_head_;
    size_t at_;
    uint32_t head_;
};

void on_host(const HostLaunch& launch)
{
    const auto p = launch.parameters<gpu::QuerySolveParameters>();
    const auto* words = reinterpret_cast<const uint32_t*>(launch.arenas[static_cast<size_t>(Arena::io)]);
    for (uint32_t row = p.first_row; row < p.first_row + launch.groups[1]; ++row) {
        const uint32_t slot = row / p.count;
        const uint32_t token = p.first + row % p.count;
        const uint32_t stream = p.streams == kNone ? slot : words[p.streams + slot];
        const uint32_t end = p.counts == kNone ? p.tokens : words[p.counts + slot];
        if (stream == kNone || token >= end) continue;
        for (uint32_t head = 0; head < p.heads; ++head) {
            HostQuery(launch, p, launch.constants[7] ? row : stream, size_t{slot} * p.tokens + token, head).run();
        }
    }
}

void check_shapes(const QuerySolve& solve)
{
    const Shape& g = solve.g.shape;
    const Shape& q = solve.q.shape;
    const bool fits = g.rank() == 4 && q.rank() == 4 && g[1] == q[2] && g[2] == q[3] && g[3] == q[3] &&
                      solve.count > 0 && solve.first + solve.count <= q[1] &&
                      (!solve.is_per_token || g[0] == q[0] * solve.count) &&
                      (!solve.ridge || solve.ridge->shape == Shape{q[2], q[3]}) && !solve.s == !solve.y &&
                      (!solve.s || (solve.s->shape[0] == g[0] && solve.s->shape[1] == g[1] &&
                                    solve.s->shape[2] == g[2] && solve.s->shape[3] == solve.y->shape.last())) &&
                      (!solve.x || (solve.x->shape == q && solve.x->arena == Arena::activations));
    if (fits) return;
    raise(Status::invalid_argument, "query_solve: g {} and q {} with {} tokens do not fit together", g.text(), q.text(),
          solve.count);
}

void check_size(const QuerySolve& solve)
{
    const uint32_t width = solve.q.shape[3];
    const bool is_factor = solve.solver == QuerySolver::cholesky;
    const uint32_t most = is_factor ? kMaxFactorWidth : kMaxGradientWidth;
    if (width > most) raise(Status::unsupported, "intention: key width {}, at most {} for each query", width, most);
    if (is_factor) return;
    // An invocation owns every 64th row: a product of its rows, four sweeps over them, the sums over the lanes.
    const uint64_t trips = uint64_t{ceil_div(width, 64)} * (width / 4 + 8) + 24;
    if (trips * solve.iterations > kMaxTrips) {
        raise(Status::unsupported, "intention: {} iterations at key width {}, at most {}", solve.iterations, width,
              kMaxTrips / trips);
    }
}

std::vector<uint32_t> constants_of(const QuerySolve& solve)
{
    const uint32_t width = solve.q.shape[3];
    const bool is_factor = solve.solver == QuerySolver::cholesky;
    const Tensor* out = solve.y ? solve.y : solve.variance;
    return {arena_constant(solve.g),
            solve.s ? arena_constant(*solve.s) : arena_constant(solve.g),
            arena_constant(solve.q),
            out ? arena_constant(*out) : 0U,
            solve.ridge ? arena_constant(*solve.ridge) : 0U,
            solve.report ? arena_constant(*solve.report) : 0U,
            solve.is_relative ? 1U : 0U,
            solve.is_per_token ? 1U : 0U,
            solve.y ? columns_per_group(solve.y->shape.last()) : 1U,
            is_factor ? factor_vectors(width) : width,
            is_factor ? kNone : static_cast<uint32_t>(solve.solver) - 1};
}

} // namespace

uint64_t query_solve_scratch_bytes(const Caps& caps, QuerySolver solver, uint32_t width)
{
    return solver != QuerySolver::cholesky || fits_shared(caps, width) ? 0 : uint64_t{16} * factor_vectors(width);
}

uint32_t max_shared_query_width(const Caps& caps)
{
    uint32_t width = kMaxFactorWidth;
    while (width > 0 && !fits_shared(caps, width)) --width;
    return width;
}

void query_solve(Recorder& recorder, const QuerySolve& solve)
{
    check_shapes(solve);
    check_size(solve);
    const Shape& q = solve.q.shape;
    const bool is_gradient = solve.solver != QuerySolver::cholesky;
    const bool is_shared = is_gradient || fits_shared(recorder.caps, q[3]);
    const uint32_t rows = q[0] * solve.count;
    const auto offset = [](const Tensor* tensor) { return tensor ? tensor->offset : kNone; };
    gpu::QuerySolveParameters p{solve.g.offset,
                                solve.s ? solve.s->offset : 0,
                                solve.q.offset,
                                offset(solve.ridge),
                                offset(solve.y),
                                offset(solve.x),
                                offset(solve.variance),
                                offset(solve.report),
                                0,
                                solve.map.streams,
                                solve.map.counts,
                                q[1],
                                solve.first,
                                solve.count,
                                0,
                                q[2],
                                q[3],
                                solve.y ? solve.y->shape.last() : 0,
                                solve.iterations,
                                static_cast<float>(solve.alpha)};
    const uint32_t most = std::min(rows, recorder.caps.max_groups);
    Tensor factors;
    if (!is_shared && solve.scratch) factors = *solve.scratch;
    if (!is_shared && !solve.scratch) factors = recorder.temporary({most, q[2], factor_vectors(q[3]), 4});
    p.workspace = factors.offset;
    for (; p.first_row < rows; p.first_row += most) {
        Launch launch;
        launch.kernel = {is_gradient ? &kernels::query_solve_gradient
                         : is_shared ? &kernels::query_solve_shared
                                     : &kernels::query_solve_global,
                         constants_of(solve)};
        launch.set_push(p);
        launch.groups = {q[2], std::min(most, rows - p.first_row), 1};
        launch.reads = {solve.g.slice(), solve.q.slice()};
        for (const Tensor* tensor : {solve.s, solve.ridge}) {
            if (tensor) launch.reads.push_back(tensor->slice());
        }
        for (const Tensor* tensor : {solve.y, solve.x, solve.variance, solve.report}) {
            if (tensor) launch.writes.push_back(tensor->slice());
        }
        if (!is_shared) launch.writes.push_back(factors.slice());
        follow_slots(recorder, launch, 1, rows, 1, p.first_row);
        launch.host = on_host;
        recorder.list.append(std::move(launch));
    }
}

} // namespace gramian
