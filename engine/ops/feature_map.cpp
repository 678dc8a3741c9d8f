#include "ops/feature_map.hpp"

#include "ops/feature_map_twin.hpp"
#include "ops/kernels.hpp"
#include "shaders/feature_map.h"

#include <cmath>

namespace gramian {
namespace {

// Drivers exist that stop silently after 65,535 loop trips of an invocation.
constexpr uint64_t kMaxTrips = 60'000;

void on_host(const HostLaunch& launch)
{
    const auto p = launch.parameters<gpu::FeatureMapParameters>();
    const bool is_trigonometric = launch.constants[1] != 0;
    const uint32_t out = is_trigonometric ? 2 * p.features : p.features;
    for (uint32_t row = p.first_row; row < p.first_row + launch.groups[0]; ++row) {
        for (uint32_t head = 0; head < p.heads; ++head) {
            const size_t at = size_t{row} * p.heads + head;
            const float* x = launch.floats(launch.constants[0], p.x) + at * p.width;
            const float* w = launch.floats(Arena::weights, p.projection) + size_t{head} * p.features * p.width;
            float* y = launch.floats(Arena::activations, p.y) + at * out;
            if (is_trigonometric)
                twin::rfa_features(x, w, y, p.width, p.features);
            else
                twin::favor_features(x, w, y, p.width, p.features);
        }
    }
}

} // namespace

void feature_map(Recorder& recorder, RandomFeature kind, const Tensor& x, const Tensor& projection, const Tensor& y)
{
    const bool is_trigonometric = kind == RandomFeature::rfa;
    const Shape& w = projection.shape;
    const bool fits = x.shape.rank() == 4 && w.rank() == 3 && w[0] == x.shape[2] && w[2] == x.shape[3] &&
                      y.shape == Shape{x.shape[0], x.shape[1], x.shape[2], w[1] * (is_trigonometric ? 2U : 1U)};
    if (!fits) {
        raise(Status::invalid_argument, "feature_map: x {} and projection {}: expected [B,T,H,D] and [H,M,D]",
              x.shape.text(), w.text());
    }
    const uint64_t trips = (uint64_t{1} + ceil_div(w[1], 64)) * w[2];
    if (trips > kMaxTrips) {
        raise(Status::unsupported, "feature_map: M {} and D {} take {} loop trips, at most {}", w[1], w[2], trips,
              kMaxTrips);
    }
    const uint32_t rows = x.shape[0] * x.shape[1];
    for (uint32_t first = 0; first < rows; first += std::min(recorder.caps.max_groups, rows - first)) {
        Launch launch;
        launch.kernel = {&kernels::feature_map, {arena_constant(x), is_trigonometric ? 1U : 0U}};
        launch.set_push(gpu::FeatureMapParameters{x.offset, projection.offset, y.offset, first, w[0], w[2], w[1],
                                                  1.0F / std::sqrt(static_cast<float>(w[1]))});
        launch.groups = {std::min(recorder.caps.max_groups, rows - first), w[0], 1};
        follow_slots(recorder, launch, 0, rows, 1, first);
        launch.reads = {x.slice(), projection.slice()};
        launch.writes = {y.slice()};
        launch.host = on_host;
        recorder.list.append(std::move(launch));
    }
}

} // namespace gramian
