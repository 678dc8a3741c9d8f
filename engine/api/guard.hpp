// What the files of the C API share: every function is one guarded call into the engine and holds no logic.
#pragma once

#include "gramian/gramian.h"

#include "api/handles.hpp"
#include "base/boundary.hpp"

#include <cstddef>
#include <span>

namespace gramian {

/// This thread's text for gramian_last_error.
std::string& last_error_text();

/// Runs the body; turns what it throws into a status and keeps the text.
template <class Body>
gramian_status guard(Body&& body) noexcept
{
    return static_cast<gramian_status>(run_guarded(last_error_text(), body));
}

/// Entry i of an array whose first entry says how large the caller takes each to be.
template <class Struct>
void write_entry(Struct* entries, uint32_t index, const Struct& value)
{
    const uint32_t size = entries[0].size;
    auto* room = reinterpret_cast<Struct*>(reinterpret_cast<std::byte*>(entries) + size_t{size} * index);
    if (index > 0) room->size = size;
    write_struct(room, value);
}

inline std::span<const uint32_t> stream_list(const uint32_t* streams, uint32_t count)
{
    if (count > 0) require_pointer(streams, "streams");
    return {streams, count};
}

} // namespace gramian
