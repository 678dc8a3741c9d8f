// What every op records into: the launch list, what the device can do, and room for temporaries.
#pragma once

#include "device/caps.hpp"
#include "device/launch.hpp"
#include "tensor/tensor.hpp"

namespace gramian {

/// An offset that says: not given. The same number as kNone in shaders/common/storage.glsl.
inline constexpr uint32_t kNone = UINT32_MAX;

struct Recorder {
    LaunchList& list;
    const Caps& caps;
    ArenaLayout& scratch; // of the activations arena
    uint32_t slots = 0;   // slots of the program; 0: a single call, which always runs whole
    /// Tokens of a chunk of linear recurrences, 0: token by token, kNone: as shape and device suggest.
    uint32_t chunk = kNone;

    [[nodiscard]] Tensor temporary(const Shape& shape) const { return scratch.take(shape); }
};

/// Which streams the slots of a launch stand for. Offsets are io words; kNone: slot i is stream i with all its tokens.
struct SlotMap {
    uint32_t streams = kNone;   // [slots]: stream of a slot, kNone for an idle one
    uint32_t counts = kNone;    // [slots]: tokens of a slot, at most T
    uint32_t positions = kNone; // [slots]: tokens that the stream held before
    uint32_t slots = 0;
};

inline uint32_t ceil_div(uint32_t value, uint32_t step)
{
    return (value + step - 1) / step;
}

/// Says that dimension `dimension` of a launch counts groups of `rows_per_group` rows, of `rows` in all slots together,
/// from row `first` on: an idle slot then costs nothing. Slots at work come before idle ones.
inline void follow_slots(const Recorder& recorder, Launch& launch, uint32_t dimension, uint64_t rows,
                         uint32_t rows_per_group = 1, uint32_t first = 0)
{
    if (recorder.slots == 0 || rows % recorder.slots != 0) return;
    launch.scale = {dimension, static_cast<uint32_t>(rows / recorder.slots), rows_per_group, first};
}

/// The groups of a launch that takes `count` elements in one long line, 64 a group: wrapped into two dimensions where
/// one is too short. The kernel numbers them (y * groups of x + x). `rows` of equal length make up the line; those of a
/// program's slots come slot by slot.
inline void set_line(const Recorder& recorder, Launch& launch, uint32_t count, uint32_t rows)
{
    const uint32_t groups = ceil_div(count, 64);
    const uint32_t lines = ceil_div(groups, recorder.caps.max_groups);
    launch.groups = {ceil_div(groups, lines), lines, 1};
    if (recorder.slots == 0 || rows % recorder.slots != 0) return; // not a line of slots
    if (lines == 1)
        follow_slots(recorder, launch, 0, count, 64);
    else
        follow_slots(recorder, launch, 1, count, 64 * launch.groups[0]);
}

inline uint32_t arena_constant(const Tensor& tensor)
{
    return static_cast<uint32_t>(tensor.arena);
}

} // namespace gramian
