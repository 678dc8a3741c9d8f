// What C functions share: no exception crosses them, and a caller's struct may be shorter (an older caller) or longer
// than ours.
#pragma once

#include "base/error.hpp"

#include <algorithm>
#include <cstring>
#include <new>
#include <string>

namespace gramian {

/// Runs the body. ok, or the status of what it threw, whose text is then kept in last_error.
template <class Body>
Status run_guarded(std::string& last_error, Body&& body) noexcept
{
    try {
        body();
        return Status::ok;
    } catch (const Error& error) {
        last_error = error.what();
        return error.status();
    } catch (const std::bad_alloc&) {
        last_error = "out of memory on the host";
        return Status::out_of_memory;
    } catch (const std::exception& error) {
        last_error = error.what();
        return Status::internal;
    }
}

/// Copies a text into a C string's room of `size` bytes, what is too long cut off.
inline void copy_text(char* room, size_t size, const std::string& text)
{
    const size_t length = std::min(size - 1, text.size());
    std::memcpy(room, text.data(), length);
    room[length] = 0;
}

template <class Pointer>
void require_pointer(Pointer pointer, const char* what)
{
    if (!pointer) raise(Status::invalid_argument, "{} is NULL", what);
}

/// The part that the caller's struct and ours have in common, and for the rest the defaults.
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

} // namespace gramian
