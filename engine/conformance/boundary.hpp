// What the C functions of the conformance library share: no exception crosses, and structs may be shorter or longer
// than ours.
#pragma once

#include "base/error.hpp"
#include "device/device.hpp"
#include "gramian/conformance.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <string>

namespace gramian {

/// Text of gramian_conformance_last_error(), by thread.
std::string& last_boundary_error();

template <class Body>
gramian_status guard(Body&& body) noexcept
{
    try {
        body();
        return GRAMIAN_OK;
    } catch (const Error& error) {
        last_boundary_error() = error.what();
        return static_cast<gramian_status>(error.status());
    } catch (const std::bad_alloc&) {
        last_boundary_error() = "out of memory on the host";
        return GRAMIAN_OUT_OF_MEMORY;
    } catch (const std::exception& error) {
        last_boundary_error() = error.what();
        return GRAMIAN_INTERNAL;
    }
}

template <class Pointer>
void require_pointer(Pointer pointer, const char* what)
{
    if (!pointer) raise(Status::invalid_argument, "{} is NULL", what);
}

/// A struct from a caller may be shorter or longer than ours: the common part counts.
template <class Struct>
Struct read_struct(const Struct* given, Struct defaults)
{
    if (!given) return defaults;
    if (given->size < sizeof(uint32_t)) raise(Status::invalid_argument, "a struct whose size is not filled in");
    std::memcpy(&defaults, given, std::min<size_t>(given->size, sizeof(Struct)));
    return defaults;
}

template <class Struct>
void write_struct(Struct* room, const Struct& value)
{
    require_pointer(room, "the struct to fill");
    const uint32_t size = room->size;
    if (size < sizeof(uint32_t)) raise(Status::invalid_argument, "a struct whose size is not filled in");
    std::memcpy(room, &value, std::min<size_t>(size, sizeof(Struct)));
    room->size = size;
}

inline void copy_text(char* room, size_t bytes, const std::string& text)
{
    std::memcpy(room, text.data(), std::min(text.size(), bytes - 1));
}

DeviceOptions device_options(const gramian_device_options& given);

} // namespace gramian
