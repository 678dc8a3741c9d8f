// What the ops on batches of small matrices share: how many loop trips a launch may take, and the loop over the
// problems of a launch for their host functions.
#pragma once

#include "ops/recorder.hpp"

#include <algorithm>

namespace gramian {

/// A widespread software driver stops silently after 65,535 loop trips of an invocation.
inline constexpr uint32_t kMaxLoopTrips = 64'000;

inline constexpr uint32_t kMaxUnknowns = 1024;

/// One problem of a launch: the stream counts for what is given and asked for, the slot for reports and temporaries.
struct ProblemIndex {
    uint32_t slot;
    uint32_t stream;
    uint32_t head;
    size_t own;     // slot * heads + head
    size_t problem; // stream * heads + head
};

/// Calls `each` with every problem of the launch whose slot is not idle.
template <class Each>
void for_each_problem(const HostLaunch& launch, uint32_t streams, uint32_t slots, uint32_t heads, Each each)
{
    const auto* words = reinterpret_cast<const uint32_t*>(launch.arenas[static_cast<size_t>(Arena::io)]);
    for (uint32_t slot = 0; slot < slots; ++slot) {
        const uint32_t stream = streams == kNone ? slot : words[streams + slot];
        if (stream == kNone) continue;
        for (uint32_t head = 0; head < heads; ++head) {
            each(ProblemIndex{slot, stream, head, size_t{slot} * heads + head, size_t{stream} * heads + head});
        }
    }
}

/// Elements `first` to first + count of the leading axis.
inline Tensor part_of(const Tensor& tensor, uint32_t first, uint32_t count)
{
    Shape shape{count};
    for (uint32_t axis = 1; axis < tensor.shape.rank(); ++axis) shape.append(tensor.shape[axis]);
    const uint64_t each = tensor.element_count() / tensor.shape[0];
    return {tensor.arena, static_cast<uint32_t>(tensor.offset + first * each), shape};
}

/// Calls `record(first, count)` for parts of the batch that need at most some 32 MiB of temporaries, which take the
/// same place one after the other, and that fit the groups of a launch.
template <class Record>
void in_parts(Recorder& recorder, uint32_t batch, uint64_t bytes_each, Record record)
{
    const uint64_t fitting = std::max<uint64_t>(1, (uint64_t{32} << 20) / std::max<uint64_t>(1, bytes_each));
    const auto most = static_cast<uint32_t>(std::min<uint64_t>({fitting, recorder.caps.max_groups, batch}));
    const ArenaLayout before = recorder.scratch;
    ArenaLayout largest = before;
    for (uint32_t first = 0; first < batch; first += std::min(most, batch - first)) {
        recorder.scratch = before;
        record(first, std::min(most, batch - first));
        if (first == 0) largest = recorder.scratch;
    }
    recorder.scratch = largest;
}

} // namespace gramian
