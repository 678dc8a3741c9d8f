// The one exception type of the engine, and the status codes that it carries across the C boundary.
// A message names what was expected and what was found; `raise` formats it. Used by every layer.
#pragma once

#include <cstdint>
#include <fmt/format.h>
#include <stdexcept>
#include <string>
#include <utility>

namespace gramian {

/// Same numbers as `gramian_status` in gramian.h: appended to, never reordered.
enum class Status : int32_t {
    ok = 0,
    invalid_argument = 1, // a caller's value: a wrong shape, a NaN observation, an unknown name
    invalid_model = 2,    // a file whose content does not hold up
    io_error = 3,         // a file that cannot be read or written
    no_device = 4,        // no usable device, or not the one that was named
    unsupported = 5,      // understood, but not done by this version or on this device
    out_of_memory = 6,    // does not fit; the message holds the numbers
    device_lost = 7,      // sticky: the device is gone
    timeout = 8,          // the device did not finish in time
    internal = 9,         // a fault of the engine
    invalid_state = 10,   // a saved state that is damaged, or of another model or device
};

class Error : public std::runtime_error {
public:
    Error(Status status, const std::string& message) : std::runtime_error(message), status_(status) {}
    [[nodiscard]] Status status() const noexcept { return status_; }

private:
    Status status_;
};

/// Throws Error(status) with the formatted message.
template <class... Args>
[[noreturn]] void raise(Status status, fmt::format_string<Args...> format, Args&&... args)
{
    throw Error(status, fmt::format(format, std::forward<Args>(args)...));
}

} // namespace gramian
