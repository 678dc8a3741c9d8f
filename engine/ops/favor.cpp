#include "ops/favor.hpp"

#include "ops/kernels.hpp"
#include "ops/random_feature_attention_twin.hpp"
#include "shaders/favor.h"
#include "shaders/favor_stabilizer.h"

#include <cmath>

namespace gramian {
namespace {

// Drivers exist that stop silently after 65,535 loop trips of an invocation.
constexpr uint32_t kMaxTrips = 60'000;

enum class Stage : uint32_t { queries, key_logs, keys };

void features_on_host(const HostLaunch& launch)
{
    const auto p = launch.parameters<gpu::FavorParameters>();
    const auto stage = static_cast<Stage>(launch.constants[1]);
    for (uint32_t row = p.first_row; row < p.first_row + launch.groups[0]; ++row) {
        for (uint32_t head = 0; head < p.heads; ++head) {
            const size_t at = size_t{row} * p.heads + head;
            float* y = launch.floats(Arena::activations, p.y) + at * p.features;
            float* peak = p.peak == kNone ? nullptr : launch.floats(Arena::activations, p.peak) + at;
            float stabilizer = stage == Stage::keys ? *peak : 0;
            if (stage != Stage::keys) {
                stabilizer = twin::favor_logarithms(launch.floats(launch.constants[0], p.x) + at * p.width,
                                                    launch.floats(Arena::weights, p.projection) +
                                                        size_t{head} * p.features * p.width,
                                                    y, p.width, p.features);
            }
            if (stage == Stage::key_logs)
                *peak = stabilizer;
            else
                for (uint32_t j = 0; j < p.features; ++j) y[j] = p.scale * std::exp(y[j] - stabilizer) + p.epsilon;
        }
    }
}

/// One head of one slot: peaks become stabilisers.
void stabilize(const HostLaunch& launch, const gpu::FavorStabilizerParameters& p, uint32_t slot, uint32_t head,
               uint32_t stream, uint32_t count)
{
    const size_t first = size_t{slot} * p.tokens * p.heads + head;
    float* peak = launch.floats(Arena::activations, p.peak) + first;
    float* kept =
        p.state == kNone ? nullptr : launch.floats(Arena::state, p.state) + 2 * (size_t{stream} * p.heads + head);
    bool has_any = kept && kept[1] > 0;
    float largest = has_any ? kept[0] : 0;
    for (uint32_t t = 0; t < count; ++t) {
        const float before = largest;
        largest = has_any ? std::max(largest, peak[size_t{t} * p.heads]) : peak[size_t{t} * p.heads];
        if (launch.constants[0]) {
            launch.floats(Arena::activations, p.decay)[first + size_t{t} * p.heads] = has_any ? before - largest : 0;
            peak[size_t{t} * p.heads] = largest;
        }
        has_any = true;
    }
    for (uint32_t t = 0; !launch.constants[0] && t < count; ++t) peak[size_t{t} * p.heads] = largest;
    if (kept && count > 0) {
        kept[0] = largest;
        kept[1] = 1;
    }
}

void stabilizer_on_host(const HostLaunch& launch)
{
    const auto p = launch.parameters<gpu::FavorStabilizerParameters>();
    const auto* words = reinterpret_cast<const uint32_t*>(launch.arenas[static_cast<size_t>(Arena::io)]);
    for (uint32_t slot = 0; slot < launch.groups[1]; ++slot) {
        const uint32_t stream = p.streams == kNone ? slot : words[p.streams + slot];
        const uint32_t count = p.counts == kNone ? p.tokens : words[p.counts + slot];
        if (stream == kNone) continue;
        for (uint32_t head = 0; head < p.heads; ++head) stabilize(launch, p, slot, head, stream, count);
    }
}

void append_features(Recorder& recorder, Stage stage, const Tensor& x, const Tensor& projection, float epsilon,
                     const Tensor& y, const Tensor* peak)
{
    const Shape& w = projection.shape;
    const Shape& s = x.shape;
    if (s.rank() != 4 || w.rank() != 3 || w[0] != s[2] || w[2] != s[3] || y.shape != Shape{s[0], s[1], s[2], w[1]}) {
        raise(Status::invalid_argument, "favor: x {} and projection {}: expected [B,T,H,D] and [H,M,D]", s.text(),
              w.text());
    }
    const uint64_t trips = uint64_t{w[2]} + uint64_t{ceil_div(w[1], 64)} * (w[2] + 2) + 8;
    if (trips > kMaxTrips) {
        raise(Status::unsupported, "favor: M {} and D {} take {} loop trips, at most {}", w[1], w[2], trips, kMaxTrips);
    }
    const uint32_t rows = s[0] * s[1];
    for (uint32_t first = 0; first < rows; first += std::min(recorder.caps.max_groups, rows - first)) {
        Launch launch;
        launch.kernel = {&kernels::favor, {arena_constant(x), static_cast<uint32_t>(stage)}};
        launch.set_push(gpu::FavorParameters{x.offset, projection.offset, y.offset, peak ? peak->offset : kNone, first,
                                             w[0], w[2], w[1], 1.0F / std::sqrt(static_cast<float>(w[1])), epsilon});
        launch.groups = {std::min(recorder.caps.max_groups, rows - first), w[0], 1};
        launch.reads = {x.slice(), projection.slice()};
        launch.writes = {y.slice()};
        if (stage == Stage::keys) launch.reads = {y.slice(), peak->slice()};
        if (stage == Stage::key_logs) launch.writes.push_back(peak->slice());
        follow_slots(recorder, launch, 0, rows, 1, first);
        launch.host = features_on_host;
        recorder.list.append(std::move(launch));
    }
}

void append_stabilizer(Recorder& recorder, const FavorKeys& keys, const Tensor& peak)
{
    const Shape& s = keys.x.shape;
    if (uint64_t{ceil_div(s[1], 64)} * 9 > kMaxTrips) {
        raise(Status::unsupported, "favor: {} tokens in one call, at most {}", s[1], kMaxTrips / 9 * 64);
    }
    Launch launch;
    launch.kernel = {&kernels::favor_stabilizer, {keys.decay ? 1U : 0U}};
    launch.set_push(gpu::FavorStabilizerParameters{peak.offset, keys.decay ? keys.decay->offset : kNone,
                                                   keys.state ? keys.state->offset : kNone, keys.map.streams,
                                                   keys.map.counts, s[1], s[2]});
    launch.groups = {s[2], s[0], 1};
    launch.reads = {peak.slice()};
    launch.writes = {peak.slice()};
    if (keys.decay) launch.writes.push_back(keys.decay->slice());
    if (keys.state) launch.writes.push_back(keys.state->slice());
    follow_slots(recorder, launch, 1, s[0]);
    launch.host = stabilizer_on_host;
    recorder.list.append(std::move(launch));
}

} // namespace

void favor_queries(Recorder& recorder, const Tensor& x, const Tensor& projection, float epsilon, const Tensor& y)
{
    append_features(recorder, Stage::queries, x, projection, epsilon, y, nullptr);
}

void favor_keys(Recorder& recorder, const FavorKeys& keys)
{
    const Shape& s = keys.x.shape;
    const Tensor peak = recorder.temporary({s[0], s[1], s[2]});
    append_features(recorder, Stage::key_logs, keys.x, keys.projection, keys.epsilon, keys.y, &peak);
    append_stabilizer(recorder, keys, peak);
    append_features(recorder, Stage::keys, keys.x, keys.projection, keys.epsilon, keys.y, &peak);
}

} // namespace gramian
