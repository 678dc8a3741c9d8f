// The device that a test program runs on: Vulkan device 0, or what GRAMIAN_DEVICE selects; GRAMIAN_LIMITS=minimum
// and GRAMIAN_VALIDATION=1 switch limits and validation. A machine without that device fails; nothing is skipped.
#pragma once

#include "device/device.hpp"

namespace gramian {

/// What the environment asks for.
DeviceOptions test_options();
/// Opened when the program starts, closed after the last test.
Device& test_device();
/// The host executor, to compare with.
Device& host_device();

} // namespace gramian
