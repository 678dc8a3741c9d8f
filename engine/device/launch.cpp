#include "device/launch.hpp"

#include <algorithm>
#include <cassert>

namespace gramian {
namespace {

bool overlap(const Slice& a, const Slice& b)
{
    return a.arena == b.arena && a.offset < b.offset + b.bytes && b.offset < a.offset + a.bytes;
}

bool same(const Slice& a, const Slice& b)
{
    return a.arena == b.arena && a.offset == b.offset && a.bytes == b.bytes;
}

bool any_overlap(const std::vector<Slice>& a, const std::vector<Slice>& b)
{
    return std::any_of(a.begin(), a.end(), [&](const Slice& x) {
        return std::any_of(b.begin(), b.end(), [&](const Slice& y) { return overlap(x, y); });
    });
}

} // namespace

void LaunchList::append(Launch launch)
{
    assert(launch.kernel.shader && launch.host);
    if (launch.groups[0] == 0 || launch.groups[1] == 0 || launch.groups[2] == 0) return;
    assert(std::all_of(launch.groups.begin(), launch.groups.end(), [](uint32_t n) { return n <= 65535; }));
    launch.label = static_cast<uint32_t>(labels_.size() - 1);
    launches_.push_back(std::move(launch));
}

std::vector<bool> LaunchList::barriers() const
{
    std::vector<bool> barriers;
    std::vector<Slice> reads;
    std::vector<Slice> writes; // since the last barrier
    for (const Launch& launch : launches_) {
        const bool needed = any_overlap(launch.reads, writes) || any_overlap(launch.writes, writes) ||
                            any_overlap(launch.writes, reads);
        if (needed) {
            reads.clear();
            writes.clear();
        }
        barriers.push_back(needed);
        reads.insert(reads.end(), launch.reads.begin(), launch.reads.end());
        writes.insert(writes.end(), launch.writes.begin(), launch.writes.end());
    }
    return barriers;
}

std::array<uint32_t, 3> Launch::groups_for(uint32_t slots) const
{
    std::array<uint32_t, 3> scaled = groups;
    if (scale.follows()) {
        const uint64_t needed = (scale.rows(slots) + scale.rows_per_group - 1) / scale.rows_per_group;
        uint32_t& recorded = scaled[scale.dimension];
        recorded = static_cast<uint32_t>(std::min<uint64_t>(recorded, needed));
    }
    return scaled;
}

uint64_t LaunchList::bytes_moved() const
{
    uint64_t bytes = 0;
    for (const Launch& launch : launches_) {
        for (auto read = launch.reads.begin(); read != launch.reads.end(); ++read) {
            // A launch that reads a tensor for two ends moves it once.
            if (std::none_of(launch.reads.begin(), read, [&](const Slice& other) { return same(*read, other); }))
                bytes += read->bytes;
        }
        for (const Slice& slice : launch.writes) bytes += slice.bytes;
    }
    return bytes;
}

} // namespace gramian
