// What the C functions of the conformance library share.
#pragma once

#include "base/boundary.hpp"
#include "device/device.hpp"
#include "gramian/conformance.h"

#include <string>

namespace gramian {

/// Text of gramian_conformance_last_error(), by thread.
std::string& last_boundary_error();

template <class Body>
gramian_status guard(Body&& body) noexcept
{
    return static_cast<gramian_status>(run_guarded(last_boundary_error(), body));
}

DeviceOptions device_options(const gramian_device_options& given);

} // namespace gramian
