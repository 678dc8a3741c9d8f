#include "ops/state_read.hpp"

#include "ops/kernels.hpp"
#include "ops/state_read_twin.hpp"
#include "shaders/state_read.h"

#include <bit>

namespace gramian {
namespace {

void on_host(const HostLaunch& launch)
{
    const auto p = launch.parameters<gpu::StateReadParameters>();
    const auto& c = launch.constants;
    const auto* words = reinterpret_cast<const uint32_t*>(launch.arenas[static_cast<size_t>(Arena::io)]);
    for (uint32_t row = p.first_row; row < p.first_row + launch.groups[0]; ++row) {
        const uint32_t slot = row / p.tokens;
        const uint32_t stream = p.streams == kNone ? slot : words[p.streams + slot];
        if (stream == kNone) continue;
        for (uint32_t head = 0; head < p.heads; ++head) {
            const size_t at = size_t{row} * p.heads + head;
            const size_t state = size_t{stream} * p.heads + head;
            const float* z = c[5] ? launch.floats(c[1], p.z) + state * p.width : nullptr;
            twin::state_read(launch.floats(c[0], p.q) + at * p.width,
                             launch.floats(c[1], p.s) + state * p.width * p.columns, z,
                             launch.floats(c[2], p.y) + at * p.columns, p.width, p.columns, static_cast<Feature>(c[4]),
                             p.scale, p.epsilon, p.denominator_min);
        }
    }
}

} // namespace

uint32_t columns_per_group(uint32_t columns)
{
    return std::bit_ceil(std::min(columns, 64U));
}

void state_read(Recorder& recorder, const StateRead& read)
{
    const Shape& q = read.q.shape;
    const Shape& s = read.s.shape;
    const bool fits = q.rank() == 4 && s.rank() == 4 && s[1] == q[2] && s[2] == q[3] &&
                      read.y.shape == Shape{q[0], q[1], q[2], s[3]} &&
                      (!read.z || (read.z->shape == Shape{s[0], s[1], s[2]} && read.z->arena == read.s.arena));
    if (!fits) {
        raise(Status::invalid_argument, "state_read: q {}, s {} and y {} do not fit together", q.text(), s.text(),
              read.y.shape.text());
    }
    const uint32_t columns = columns_per_group(s[3]);
    const uint32_t rows = q[0] * q[1];
    for (uint32_t first = 0; first < rows; first += std::min(recorder.caps.max_groups, rows - first)) {
        Launch launch;
        launch.kernel = {&kernels::state_read,
                         {arena_constant(read.q), arena_constant(read.s), arena_constant(read.y), columns,
                          static_cast<uint32_t>(read.feature), read.z ? 1U : 0U}};
        launch.set_push(gpu::StateReadParameters{read.q.offset, read.s.offset, read.z ? read.z->offset : 0,
                                                 read.y.offset, read.map.streams, first, q[1], q[2], q[3], s[3],
                                                 read.scale, read.epsilon, read.denominator_min});
        launch.groups = {std::min(recorder.caps.max_groups, rows - first), q[2], ceil_div(s[3], columns)};
        follow_slots(recorder, launch, 0, rows, 1, first);
        launch.reads = {read.q.slice(), read.s.slice()};
        if (read.z) launch.reads.push_back(read.z->slice());
        launch.writes = {read.y.slice()};
        launch.host = on_host;
        recorder.list.append(std::move(launch));
    }
}

} // namespace gramian
