#include "ops/outer_sum.hpp"

#include "ops/kernels.hpp"
#include "ops/outer_sum_twin.hpp"
#include "shaders/outer_sum.h"

#include <cstring>

namespace gramian {
namespace {

constexpr uint32_t kTile = 32;
// The kernel takes up to 2.25 loop trips a token, 4.25 where a history is kept; drivers exist that stop silently after
// 65,535 trips.
constexpr uint32_t kMaxTokens = 26'000;
constexpr uint32_t kMaxKeptTokens = 14'000;

void sum_head(const HostLaunch& launch, const gpu::OuterSumParameters& p, uint32_t slot, uint32_t head)
{
    const auto& c = launch.constants;
    const auto* words = reinterpret_cast<const uint32_t*>(launch.arenas[static_cast<size_t>(Arena::io)]);
    const uint32_t stream = p.streams == kNone ? slot : words[p.streams + slot];
    if (stream == kNone) return;
    const uint32_t given = p.counts == kNone ? p.tokens : words[p.counts + slot];
    const uint32_t end = std::min(given, p.first + p.count);
    const uint32_t count = end - std::min(end, p.first);
    const auto row = [&](uint32_t t) { return (size_t{slot} * p.tokens + p.first + t) * p.heads + head; };
    const float* x = launch.floats(c[0], p.x);
    const float* y = launch.floats(c[1], p.y);
    const size_t size = size_t{p.width} * p.columns;
    if (count == 0 && c[5] && p.initial == p.z) return;
    float* z = launch.floats(c[2], p.z) + (size_t{stream} * p.heads + head) * size;
    const float* initial = launch.floats(c[2], p.initial) + (size_t{stream} * p.heads + head) * size;
    if (!c[5]) std::memset(z, 0, 4 * size);
    if (c[5] && p.initial != p.z) std::memcpy(z, initial, 4 * size);
    twin::outer_sum(
        count, p.width, p.columns,
        [&](uint32_t t, uint32_t i) { return twin::feature(static_cast<Feature>(c[6]), x[row(t) * p.width + i]); },
        [&](uint32_t t, uint32_t j) { return c[7] ? 1.0F : y[row(t) * p.columns + j]; },
        [&](uint32_t i, uint32_t j) -> float& { return z[size_t{i} * p.columns + j]; },
        [&](uint32_t t) { return c[3] ? launch.floats(Arena::activations, p.beta)[row(t)] : 1.0F; },
        [&](uint32_t t) {
            if (!c[4]) return 1.0F;
            const float kept = p.decay == kNone ? 1.0F : std::exp(launch.floats(Arena::activations, p.decay)[row(t)]);
            return p.forget * kept;
        },
        [&](uint32_t t) {
            if (!c[8]) return;
            const size_t at = ((size_t{slot} * p.count + t) * p.heads + head) * size;
            std::copy_n(z, size, launch.floats(Arena::activations, p.history) + at);
        });
}

void on_host(const HostLaunch& launch)
{
    const auto p = launch.parameters<gpu::OuterSumParameters>();
    for (uint32_t slot = 0; slot < launch.groups[2]; ++slot) {
        for (uint32_t head = 0; head < p.heads; ++head) sum_head(launch, p, slot, head);
    }
}

void check(const OuterSum& sum)
{
    const Shape& x = sum.x.shape;
    const Shape& z = sum.z.shape;
    const bool fits = x.rank() == 4 && z.rank() == 4 && z[1] == x[2] && z[2] == x[3] &&
                      (sum.y ? sum.y->shape == Shape{x[0], x[1], x[2], z[3]} : z[3] == 1) &&
                      (!sum.beta || sum.beta->shape == Shape{x[0], x[1], x[2]}) &&
                      (!sum.decay || sum.decay->shape == Shape{x[0], x[1], x[2]}) &&
                      (!sum.initial || (sum.initial->shape == z && sum.initial->arena == sum.z.arena)) &&
                      sum.first < x[1];
    if (!fits) {
        raise(Status::invalid_argument, "outer_sum: x {}, y {} and z {} do not fit together", x.text(),
              sum.y ? sum.y->shape.text() : "ones", z.text());
    }
    const uint32_t count = std::min(sum.count, x[1] - sum.first);
    if (sum.history && count > kMaxKeptTokens) {
        raise(Status::unsupported, "outer_sum: a history of {} tokens, at most {} in one call", count, kMaxKeptTokens);
    }
    if (sum.history && sum.history->shape != Shape{x[0], count, x[2], z[2], z[3]}) {
        raise(Status::invalid_argument, "outer_sum: history {} of {} tokens of z {}", sum.history->shape.text(), count,
              z.text());
    }
}

void launch_part(Recorder& recorder, const OuterSum& sum)
{
    const Shape& x = sum.x.shape;
    const uint32_t columns = sum.z.shape[3];
    const bool has_decay = sum.decay || sum.forget != 1.0F;
    Launch launch;
    launch.kernel = {&kernels::outer_sum,
                     {arena_constant(sum.x), arena_constant(sum.y ? *sum.y : sum.x), arena_constant(sum.z),
                      sum.beta ? 1U : 0U, has_decay ? 1U : 0U, sum.initial ? 1U : 0U,
                      static_cast<uint32_t>(sum.feature), sum.y ? 0U : 1U, sum.history ? 1U : 0U}};
    launch.set_push(gpu::OuterSumParameters{
        sum.x.offset, sum.y ? sum.y->offset : 0, sum.beta ? sum.beta->offset : 0, sum.decay ? sum.decay->offset : kNone,
        sum.initial ? sum.initial->offset : 0, sum.z.offset, sum.map.streams, sum.map.counts,
        sum.history ? sum.history->offset : kNone, x[1], sum.first, sum.count, x[2], x[3], columns, sum.forget});
    launch.groups = {ceil_div(x[3], kTile) * ceil_div(columns, kTile), x[2], x[0]};
    follow_slots(recorder, launch, 2, x[0]);
    launch.reads = {sum.x.slice()};
    for (const Tensor* tensor : {sum.y, sum.beta, sum.decay, sum.initial}) {
        if (tensor) launch.reads.push_back(tensor->slice());
    }
    launch.writes = {sum.z.slice()};
    if (sum.history) launch.writes.push_back(sum.history->slice());
    launch.host = on_host;
    recorder.list.append(std::move(launch));
}

} // namespace

void outer_sum(Recorder& recorder, const OuterSum& sum)
{
    check(sum);
    const uint32_t count = std::min(sum.count, sum.x.shape[1] - sum.first);
    OuterSum part = sum;
    for (uint32_t done = 0; done < count; done += part.count) {
        part.first = sum.first + done;
        part.count = std::min(kMaxTokens, count - done);
        launch_part(recorder, part);
        part.initial = &sum.z; // the next launch goes on from where this one stopped
    }
}

} // namespace gramian
