#include "ops/append.hpp"

#include "ops/kernels.hpp"
#include "shaders/append.h"

#include <cassert>
#include <cstring>

namespace gramian {
namespace {

void on_host(const HostLaunch& launch)
{
    const auto p = launch.parameters<gpu::AppendParameters>();
    const auto* words = reinterpret_cast<const uint32_t*>(launch.arenas[static_cast<size_t>(Arena::io)]);
    auto* totals = reinterpret_cast<uint32_t*>(launch.floats(Arena::state, 0));
    for (uint32_t slot = 0; slot < launch.groups[1]; ++slot) {
        const uint32_t count = words[p.counts + slot];
        if (count == 0) continue;
        const uint32_t stream = words[p.streams + slot];
        const uint32_t position = words[p.positions + slot];
        const uint32_t kept = std::min(count, p.capacity - std::min(p.capacity, position));
        std::memcpy(launch.floats(Arena::state, p.z) + (size_t{stream} * p.capacity + position) * p.width,
                    launch.floats(launch.constants[0], p.x) + size_t{slot} * p.tokens * p.width,
                    size_t{4} * kept * p.width);
        if (p.total != kNone) totals[p.total + stream] = position + count;
    }
}

} // namespace

void append(Recorder& recorder, const Append& rows)
{
    const Shape& x = rows.x.shape;
    const Shape& z = rows.z.shape;
    if (x.rank() != 3 || z.rank() != 3 || x[2] != z[2] || rows.z.arena != Arena::state) {
        raise(Status::invalid_argument, "append: x {} and z {} do not fit together", x.text(), z.text());
    }
    assert(rows.map.streams != kNone && rows.map.counts != kNone && rows.map.positions != kNone);
    Launch launch;
    launch.kernel = {&kernels::append, {arena_constant(rows.x)}};
    launch.set_push(gpu::AppendParameters{rows.x.offset, rows.z.offset, rows.map.streams, rows.map.counts,
                                          rows.map.positions, rows.total ? rows.total->offset : kNone, x[1], x[2],
                                          z[1]});
    launch.groups = {x[1], x[0], 1};
    follow_slots(recorder, launch, 1, x[0]);
    launch.reads = {rows.x.slice()};
    launch.writes = {rows.z.slice()};
    if (rows.total) launch.writes.push_back(rows.total->slice());
    launch.host = on_host;
    recorder.list.append(std::move(launch));
}

} // namespace gramian
