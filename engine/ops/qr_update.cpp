#include "ops/qr_update.hpp"

#include "ops/kernels.hpp"
#include "ops/problems.hpp"
#include "ops/qr_update_twin.hpp"
#include "shaders/qr_update.h"

#include <algorithm>
#include <cmath>

namespace gramian {
namespace {

constexpr uint32_t kMaxColumns = 256;

/// One problem of a launch on the host.
struct HostUpdate {
    const HostLaunch& launch;
    gpu::QrUpdateParameters p;
    ProblemIndex at;

    [[nodiscard]] bool is_lower() const { return launch.constants[5] != 0; }
    float& r(uint32_t i, uint32_t j) const
    {
        float* base = launch.floats(Arena::activations, p.r) + at.own * p.unknowns * p.unknowns;
        return is_lower() ? base[size_t{j} * p.unknowns + i] : base[size_t{i} * p.unknowns + j];
    }
    [[nodiscard]] float* z() const { return launch.floats(Arena::activations, p.z) + at.own * p.unknowns * p.columns; }
    [[nodiscard]] float before(uint32_t i, uint32_t j, const float* report) const
    {
        if (p.a == kNone) {
            const float* ridge = launch.floats(launch.constants[4], p.ridge) + size_t{at.head} * p.unknowns;
            return i == j ? std::sqrt(report[1] + (p.ridge == kNone ? 0.0F : ridge[i])) : 0.0F;
        }
        const float* a = launch.floats(launch.constants[0], p.a) + at.own * p.unknowns * p.unknowns;
        return j < i ? 0.0F : is_lower() ? a[size_t{j} * p.unknowns + i] : a[size_t{i} * p.unknowns + j];
    }
    void begin(const float* report) const
    {
        const float* rhs = launch.floats(launch.constants[0], p.rhs) + at.own * p.unknowns * p.columns;
        for (uint32_t i = 0; i < p.unknowns; ++i) {
            const float sign = p.a != kNone && before(i, i, report) < 0 ? -p.forget_root : p.forget_root;
            for (uint32_t j = 0; j < p.unknowns; ++j) r(i, j) = sign * before(i, j, report);
            for (uint32_t c = 0; c < p.columns; ++c) {
                const size_t element = size_t{i} * p.columns + c;
                z()[element] = p.rhs == kNone ? 0.0F : sign * rhs[element];
            }
        }
    }
    void add_row(uint32_t index) const
    {
        const size_t row = (size_t{at.slot} * p.rows + index) * p.heads + at.head;
        const float* x = launch.floats(launch.constants[1], p.x) + row * p.unknowns;
        std::vector<float> new_x(x, x + p.unknowns);
        std::vector<float> new_y;
        if (p.columns > 0) {
            const float* y = launch.floats(launch.constants[2], p.y) + row * p.columns;
            new_y.assign(y, y + p.columns);
        }
        twin::rotate_row([&](uint32_t i, uint32_t j) -> float& { return r(i, j); }, z(), new_x.data(), new_y.data(),
                         p.unknowns, p.columns);
    }
};

void on_host(const HostLaunch& launch)
{
    const auto p = launch.parameters<gpu::QrUpdateParameters>();
    for_each_problem(launch, kNone, launch.groups[1], p.heads, [&](const ProblemIndex& at) {
        const float* report = nullptr;
        if (p.report != kNone) {
            report = launch.floats(launch.constants[3], p.report) + at.own * kSolveReportWords;
            if (report[4] != static_cast<float>(SolveStatus::failed)) return;
        }
        const HostUpdate update{launch, p, at};
        if (p.first_row == 0) update.begin(report);
        for (uint32_t row = p.first_row; row < p.end_row; ++row) update.add_row(row);
    });
}

/// Loop trips that `rows` rows, staged together, take an invocation.
uint32_t trips_of(uint32_t unknowns, uint32_t columns, uint32_t rows)
{
    uint32_t trips = ceil_div(unknowns + columns, 64) * (1 + rows);
    for (uint32_t j = 0; j < unknowns; ++j) {
        trips += 1 + 2 * rows + ceil_div(unknowns + columns - j - 1, 64) * (1 + 2 * rows);
    }
    return trips;
}

struct Staging {
    uint32_t rows;       // staged together
    uint32_t per_launch; // rows that a launch takes
};

Staging choose_staging(const Caps& caps, uint32_t unknowns, uint32_t columns, uint32_t count)
{
    const uint32_t begins = unknowns * (1 + ceil_div(unknowns + columns, 64)) + 2 * ceil_div(unknowns, 64);
    const uint32_t room = std::min(caps.max_shared_bytes, 16384U) / 4 - unknowns;
    uint32_t rows = std::min({8U, count, room / (unknowns + columns)});
    while (rows > 1 && begins + trips_of(unknowns, columns, rows) > kMaxLoopTrips) --rows;
    const uint32_t times = std::max(1U, (kMaxLoopTrips - begins) / trips_of(unknowns, columns, rows));
    return {rows, times * rows};
}

void check(const QrUpdate& update, uint32_t columns)
{
    const Shape& x = update.x.shape;
    const Shape& r = update.r.shape;
    const Shape factor{x[0], x[2], x[3], x[3]};
    const Shape moments{x[0], x[2], x[3], columns};
    const bool fits = x.rank() == 4 && r == factor && (!update.a || update.a->shape == factor) &&
                      (!update.y || (update.y->shape == Shape{x[0], x[1], x[2], columns} && update.z)) &&
                      (!update.z || update.z->shape == moments) && (!update.rhs || update.rhs->shape == moments) &&
                      (update.a || update.report) && (!update.ridge || update.ridge->shape == Shape{x[2], x[3]});
    if (!fits) {
        raise(Status::invalid_argument, "qr_update: x {}, y {} and r {} do not fit together", x.text(),
              update.y ? update.y->shape.text() : "none", r.text());
    }
    if (x[3] > kMaxUnknowns || columns > kMaxColumns) {
        raise(Status::unsupported, "qr_update: P {} and K {}, at most {} and {}", x[3], columns, kMaxUnknowns,
              kMaxColumns);
    }
}

uint32_t offset_of(const Tensor* tensor)
{
    return tensor ? tensor->offset : kNone;
}

uint32_t arena_of(const Tensor* tensor)
{
    return tensor ? arena_constant(*tensor) : 2U;
}

} // namespace

void qr_update(Recorder& recorder, const QrUpdate& update)
{
    const uint32_t columns = update.y ? update.y->shape[3] : 0;
    check(update, columns);
    const Shape& x = update.x.shape;
    const Staging staging = choose_staging(recorder.caps, x[3], columns, x[1]);
    for (uint32_t first = 0; first < x[1]; first += std::min(staging.per_launch, x[1] - first)) {
        Launch launch;
        launch.kernel = {&kernels::qr_update,
                         {arena_of(update.a), arena_constant(update.x), arena_of(update.y), arena_of(update.report),
                          arena_of(update.ridge), static_cast<uint32_t>(update.triangle), staging.rows, x[3] + columns,
                          x[3]}};
        launch.set_push(gpu::QrUpdateParameters{
            offset_of(update.a), offset_of(update.rhs), offset_of(update.ridge), update.x.offset, offset_of(update.y),
            update.r.offset, offset_of(update.z), offset_of(update.report), x[2], x[3], columns, x[1], first,
            std::min(first + staging.per_launch, x[1]), std::sqrt(update.forget)});
        launch.groups = {x[2], x[0], 1};
        launch.reads = {update.x.slice(), update.r.slice()};
        for (const Tensor* tensor : {update.a, update.rhs, update.ridge, update.y, update.z, update.report}) {
            if (tensor) launch.reads.push_back(tensor->slice());
        }
        launch.writes = {update.r.slice()};
        if (update.z) launch.writes.push_back(update.z->slice());
        launch.host = on_host;
        recorder.list.append(std::move(launch));
    }
}

} // namespace gramian
