// TEST_CASE, CHECK and their like: doctest's in a test program. The sources that prove properties of a device are cases
// of the conformance runner as well (apps/conformance/CMakeLists.txt), which has checks of its own.
#pragma once

#ifdef GRAMIAN_FAMILY
#include "conformance/checks.hpp"
#else
#include <doctest/doctest.h>
#include <span>

namespace gramian {
using doctest::Approx;
} // namespace gramian
#endif

namespace gramian {

/// Bits that the runner compares from run to run.
inline void note_bits([[maybe_unused]] std::span<const float> values)
{
#ifdef GRAMIAN_FAMILY
    trial().note(values);
#endif
}

} // namespace gramian
