// How a test of the C API opens its device.
#pragma once

#include <gramian/gramian.h>

/// From the environment (../test_device.hpp); in the conformance runner, as the device of the case was opened.
gramian_device_options opened_with();
