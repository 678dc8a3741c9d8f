// When recurrences use the kernels that hold a head's state in registers. Decided by shapes and device alone: a stream
// must meet the same sums however it is cut, and in whatever company.
#pragma once

#include "ops/recorder.hpp"

#include <algorithm>

namespace gramian {

/// Widths that these kernels are made for.
inline bool has_hot_width(uint32_t size)
{
    return size == 16 || size == 32 || size == 64 || size == 128;
}

/// Whether it can be read and written four numbers at a time.
inline bool is_vector_aligned(const Tensor* tensor)
{
    return !tensor || tensor->offset % 4 == 0;
}

/// A driver that runs a subgroup as one vector of a processor: lanes own rows of a state.
inline bool runs_subgroups_as_vectors(const Caps& caps)
{
    return caps.is_software && caps.has_subgroup_operations && caps.subgroup_size >= 4;
}

/// The kernel that reads the state as texels where the device can, else the one that does not; null where the device
/// answers wrongly with both.
inline const Shader* vector_kernel(const Caps& caps, const Shader& texels, const Shader& storage)
{
    if (caps.has_state_texels && !caps.refuses(texels.name)) return &texels;
    return caps.refuses(storage.name) ? nullptr : &storage;
}

/// How the sharded kernels divide a head's state between lanes: two numbers of a row in four rows each, which are two
/// adjacent columns or, where a column is an exponent and a sum, one.
struct HeadShards {
    uint32_t shares; // lanes that share a column
    uint32_t pairs;  // of numbers in a row
    uint32_t lanes;  // a workgroup
    uint32_t blocks; // workgroups a head
};

inline HeadShards head_shards(uint32_t width, uint32_t columns)
{
    constexpr uint32_t kRowsOfLane = 4;
    constexpr uint32_t kLanes = 128; // as many as every device has: what a workgroup reads of a row is longest
    const uint32_t shares = width / kRowsOfLane;
    const uint32_t pairs = columns / 2;
    const uint32_t lane_pairs = std::min(kLanes / shares, pairs);
    return {shares, pairs, shares * lane_pairs, pairs / lane_pairs};
}

/// Whether every group of a launch has one token to take, so that its kernel need not ask. The groups of a program's
/// slots follow those at work, so that none is idle.
inline bool is_step(const Recorder& recorder, uint32_t count, const SlotMap& map)
{
    return count == 1 && map.counts == kNone && (map.streams == kNone || recorder.slots > 0);
}

} // namespace gramian
