// The C API: the streams of a session: join and leave, copies, snapshots, saved state.
#include "api/guard.hpp"
#include "base/file.hpp"

#include <algorithm>
#include <cstring>

using namespace gramian;

gramian_status gramian_session_begin_demonstration(gramian_session* session, const uint32_t* streams,
                                                   uint32_t stream_count)
{
    return guard([&] {
        require_pointer(session, "session");
        session->session->begin_demonstration(stream_list(streams, stream_count));
    });
}

gramian_status gramian_session_join(gramian_session* session, uint32_t count, uint32_t* streams)
{
    return guard([&] {
        require_pointer(session, "session");
        if (count > 0) require_pointer(streams, "streams");
        const std::vector<uint32_t> joined = session->session->join(count);
        std::copy(joined.begin(), joined.end(), streams);
    });
}

gramian_status gramian_session_leave(gramian_session* session, const uint32_t* streams, uint32_t stream_count)
{
    return guard([&] {
        require_pointer(session, "session");
        session->session->leave(stream_list(streams, stream_count));
    });
}

gramian_status gramian_session_copy(gramian_session* session, uint32_t from, const uint32_t* targets,
                                    uint32_t target_count)
{
    return guard([&] {
        require_pointer(session, "session");
        session->session->copy(from, stream_list(targets, target_count));
    });
}

gramian_status gramian_session_merge(gramian_session* session, uint32_t to, uint32_t from, float weight)
{
    return guard([&] {
        require_pointer(session, "session");
        session->session->merge(to, from, weight);
    });
}

gramian_status gramian_session_snapshot(gramian_session* session, const uint32_t* streams, uint32_t stream_count)
{
    return guard([&] {
        require_pointer(session, "session");
        session->session->snapshot(stream_list(streams, stream_count));
    });
}

gramian_status gramian_session_rewind(gramian_session* session, const uint32_t* streams, uint32_t stream_count,
                                      uint32_t back)
{
    return guard([&] {
        require_pointer(session, "session");
        session->session->rewind(stream_list(streams, stream_count), back);
    });
}

gramian_status gramian_session_position(const gramian_session* session, uint32_t stream, uint64_t* tokens,
                                        uint64_t* pairs)
{
    return guard([&] {
        require_pointer(session, "session");
        const StreamPosition position = session->session->position_of(stream);
        if (tokens) *tokens = position.tokens;
        if (pairs) *pairs = position.pairs;
    });
}

gramian_status gramian_session_save(gramian_session* session, const uint32_t* streams, uint32_t stream_count,
                                    void* bytes, size_t* byte_count)
{
    return guard([&] {
        require_pointer(session, "session");
        require_pointer(byte_count, "byte_count");
        const size_t needed = session->session->saved_bytes(stream_count);
        if (bytes && *byte_count < needed) {
            raise(Status::invalid_argument, "save: room for {} bytes, expected {}", *byte_count, needed);
        }
        *byte_count = needed;
        if (!bytes) return;
        const std::vector<std::byte> saved = session->session->save(stream_list(streams, stream_count));
        std::memcpy(bytes, saved.data(), saved.size());
    });
}

gramian_status gramian_session_restore(gramian_session* session, const uint32_t* streams, uint32_t stream_count,
                                       const void* bytes, size_t byte_count, uint32_t on_any_device)
{
    return guard([&] {
        require_pointer(session, "session");
        require_pointer(bytes, "bytes");
        session->session->restore(stream_list(streams, stream_count),
                                  {static_cast<const std::byte*>(bytes), byte_count}, on_any_device != 0);
    });
}

gramian_status gramian_session_save_file(gramian_session* session, const uint32_t* streams, uint32_t stream_count,
                                         const char* path)
{
    return guard([&] {
        require_pointer(session, "session");
        require_pointer(path, "path");
        write_file_atomically(path, session->session->save(stream_list(streams, stream_count)));
    });
}

gramian_status gramian_session_restore_file(gramian_session* session, const uint32_t* streams, uint32_t stream_count,
                                            const char* path, uint32_t on_any_device)
{
    return guard([&] {
        require_pointer(session, "session");
        require_pointer(path, "path");
        session->session->restore(stream_list(streams, stream_count), read_file(path, kMaxSavedBytes),
                                  on_any_device != 0);
    });
}
