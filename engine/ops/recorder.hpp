// What every op records into: the launch list, what the device can do, and room for temporaries.
#pragma once

#include "device/caps.hpp"
#include "device/launch.hpp"
#include "tensor/tensor.hpp"

namespace gramian {

struct Recorder {
    LaunchList& list;
    const Caps& caps;
    ArenaLayout& scratch; // of the activations arena

    [[nodiscard]] Tensor temporary(Shape shape) const { return scratch.take(shape); }
};

/// An offset that says: not given. The same number as kNone in shaders/common/storage.glsl.
inline constexpr uint32_t kNone = UINT32_MAX;

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

inline uint32_t arena_constant(const Tensor& tensor)
{
    return static_cast<uint32_t>(tensor.arena);
}

} // namespace gramian
