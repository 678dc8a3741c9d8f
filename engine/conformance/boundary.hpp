// What the C functions of the conformance library share.
#pragma once

#include "base/boundary.hpp"
#include "device/device.hpp"
#include "gramian/conformance.h"

#include <algorithm>
#include <cstring>
#include <string>

namespace gramian {

/// Text of gramian_conformance_last_error(), by thread.
std::string& last_boundary_error();

template <class Body>
gramian_status guard(Body&& body) noexcept
{
    return static_cast<gramian_status>(run_guarded(last_boundary_error(), body));
}

inline void copy_text(char* room, size_t bytes, const std::string& text)
{
    std::memcpy(room, text.data(), std::min(text.size(), bytes - 1));
}

DeviceOptions device_options(const gramian_device_options& given);

} // namespace gramian
