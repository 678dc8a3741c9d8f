#include "ops/ring_append.hpp"

#include "ops/kernels.hpp"
#include "shaders/ring_append.h"

#include <cstring>

namespace gramian {
namespace {

/// One slot. `total`: its two words, or null.
void append_slot(const HostLaunch& launch, const gpu::RingAppendParameters& p, uint32_t slot, uint32_t stream,
                 uint32_t count, uint32_t* total)
{
    const bool is_second = launch.constants[2] != 0;
    const uint32_t before = !total ? p.position : is_second ? total[1] - count : total[0];
    const uint32_t after = before + count;
    for (uint32_t token = count - std::min(count, p.rows); token < count; ++token) {
        std::memcpy(launch.floats(launch.constants[1], p.z) +
                        (size_t{stream} * p.rows + (before + token) % p.rows) * p.width,
                    launch.floats(launch.constants[0], p.x) + (size_t{slot} * p.tokens + p.first + token) * p.width,
                    size_t{4} * p.width);
    }
    if (total && !is_second) total[1] = after;
    if (total && is_second) total[0] = p.fold > 0 && after >= 2 * p.fold ? p.fold + after % p.fold : after;
}

void on_host(const HostLaunch& launch)
{
    const auto p = launch.parameters<gpu::RingAppendParameters>();
    const auto* words = reinterpret_cast<const uint32_t*>(launch.arenas[static_cast<size_t>(Arena::io)]);
    auto* totals = reinterpret_cast<uint32_t*>(launch.floats(Arena::state, 0));
    for (uint32_t slot = 0; slot < launch.groups[1]; ++slot) {
        const uint32_t stream = p.streams == kNone ? slot : words[p.streams + slot];
        const uint32_t count = p.counts == kNone ? p.count : std::min(p.count, words[p.counts + slot]);
        if (stream == kNone || count == 0) continue;
        append_slot(launch, p, slot, stream, count, p.total == kNone ? nullptr : totals + p.total + 2 * stream);
    }
}

/// One of the two tensors of a pair.
void append(Recorder& recorder, const PairRing& ring, bool is_second, const Tensor& x, const Tensor& z, uint32_t first,
            uint32_t count, const SlotMap& map)
{
    const Shape& s = x.shape;
    if (s.rank() != 4 || z.shape.rank() != 4 || z.shape[2] != s[2] || z.shape[3] != s[3] || first + count > s[1]) {
        raise(Status::invalid_argument, "ring_append: x {} and z {} do not fit together", s.text(), z.shape.text());
    }
    if (count > recorder.caps.max_groups) {
        raise(Status::unsupported, "ring_append: {} tokens in one call, at most {}", count, recorder.caps.max_groups);
    }
    Launch launch;
    launch.kernel = {&kernels::ring_append, {arena_constant(x), arena_constant(z), is_second ? 1U : 0U}};
    launch.set_push(gpu::RingAppendParameters{x.offset, z.offset, map.streams, map.counts,
                                              ring.total ? ring.total->offset : kNone, ring.position, ring.fold, s[1],
                                              first, count, s[2] * s[3], z.shape[1]});
    launch.groups = {count, s[0], 1};
    follow_slots(recorder, launch, 1, s[0]);
    launch.reads = {x.slice()};
    launch.writes = {z.slice()};
    if (ring.total) launch.reads.push_back(ring.total->slice());
    if (ring.total) launch.writes.push_back(ring.total->slice());
    launch.host = on_host;
    recorder.list.append(std::move(launch));
}

} // namespace

void ring_append(Recorder& recorder, const PairRing& ring, const Tensor& k, const Tensor& v, uint32_t first,
                 uint32_t count, const SlotMap& map)
{
    append(recorder, ring, false, k, ring.k, first, count, map);
    append(recorder, ring, true, v, ring.v, first, count, map);
}

void keep_last(Recorder& recorder, const Tensor& x, const Tensor& z, const SlotMap& map)
{
    const Shape& s = z.shape;
    if (s.rank() != 3) raise(Status::invalid_argument, "keep_last: expected z [streams, H, C], found {}", s.text());
    append(recorder, {}, false, x, z.as({s[0], 1, s[1], s[2]}), 0, x.shape[1], map);
}

} // namespace gramian
