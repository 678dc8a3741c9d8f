// Streams that come and go, and are saved, copied, set back and merged.
#include "session/recording.hpp"
#include "session/session.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace gramian {

std::vector<uint32_t> Session::join(uint32_t count)
{
    std::vector<uint32_t> streams;
    for (uint32_t stream = 0; stream < layout_.streams && streams.size() < count; ++stream) {
        if (!info_[stream].has_joined) streams.push_back(stream);
    }
    if (streams.size() < count) {
        raise(Status::out_of_memory, "{} streams cannot join: {} of the session's {} are free", count, streams.size(),
              layout_.streams);
    }
    unpack_initial(streams, RowProgram::unpack);
    for (uint32_t stream : streams) info_[stream] = {};
    list_joined();
    return streams;
}

void Session::leave(Streams streams)
{
    check_streams(streams);
    for (uint32_t stream : streams) info_[stream].has_joined = false;
    list_joined();
}

void Session::reset(Streams streams)
{
    check_streams(streams);
    unpack_initial(streams, RowProgram::unpack);
    for (uint32_t stream : streams) info_[stream] = {};
}

void Session::begin_demonstration(Streams streams)
{
    check_streams(streams);
    const bool has_any =
        std::any_of(layout_.parts.begin(), layout_.parts.end(), [](const StatePart& part) { return part.is_observed; });
    if (has_any) unpack_initial(streams, RowProgram::restart);
    for (uint32_t stream : streams) info_[stream].shown = 0;
}

/// Every stream is unpacked from one row that holds what a new stream holds.
void Session::unpack_initial(Streams streams, RowProgram program)
{
    if (layout_.parts.empty()) return;
    for (const StatePart& part : layout_.parts) {
        const size_t size = part.tensor.element_count() / layout_.window_streams;
        std::fill_n(rows_->row(0) + part.row_offset, size, part.initial);
    }
    for (const Block& block : blocks_of(streams, UINT32_MAX)) {
        std::vector<RowMove> moves;
        for (uint32_t entry : block.entries) moves.push_back({place_of(streams[entry]), 0});
        rows_->run(program, block.window, moves);
    }
}

void Session::copy(uint32_t from, Streams targets)
{
    check_streams({&from, 1});
    check_streams(targets);
    if (std::find(targets.begin(), targets.end(), from) != targets.end()) {
        raise(Status::invalid_argument, "stream {} cannot be copied to itself", from);
    }
    if (!layout_.parts.empty()) {
        const RowMove packed{place_of(from), 0};
        rows_->run(RowProgram::pack, window_of(from), {&packed, 1});
        for (const Block& block : blocks_of(targets, UINT32_MAX)) {
            std::vector<RowMove> moves;
            for (uint32_t entry : block.entries) moves.push_back({place_of(targets[entry]), 0});
            rows_->run(RowProgram::unpack, block.window, moves);
        }
    }
    for (uint32_t stream : targets) set_position(stream, info_[from]);
}

void Session::merge(uint32_t to, uint32_t from, float weight)
{
    const uint32_t both[] = {to, from};
    check_streams(both);
    if (!std::isfinite(weight)) raise(Status::invalid_argument, "merge: weight {}, expected a finite number", weight);
    if (!model_.has_context()) {
        raise(Status::unsupported, "{} has no context input: there is nothing to merge", model_.name());
    }
    for (const NodeState& state : layout_.nodes) {
        if (!state.node->is_context || state.has_sums) continue;
        raise(Status::unsupported, "{}: {} keeps pairs, not sums: streams cannot be merged", state.node->name,
              state.node->op->name);
    }
    const RowMove packed{place_of(from), 0};
    const RowMove added{place_of(to), 0};
    rows_->run(RowProgram::pack, window_of(from), {&packed, 1});
    rows_->set_weight(weight);
    rows_->run(RowProgram::add, window_of(to), {&added, 1});
    const uint64_t pairs = info_[from].pairs;
    if (weight > 0) info_[to].pairs += pairs;
    if (weight < 0) info_[to].pairs -= std::min(pairs, info_[to].pairs);
}

void Session::snapshot(Streams streams)
{
    check_streams(streams);
    if (layout_.snapshots == 0) {
        raise(Status::invalid_argument, "the session keeps no snapshots: its option 'snapshots' is 0");
    }
    for (const Block& block : blocks_of(streams, UINT32_MAX)) {
        std::vector<RowMove> moves;
        for (uint32_t entry : block.entries) {
            const uint32_t place = place_of(streams[entry]);
            moves.push_back({place, place * layout_.snapshots + info_[streams[entry]].next_snapshot});
        }
        if (!layout_.parts.empty()) rows_->run(RowProgram::snapshot, block.window, moves);
    }
    for (uint32_t stream : streams) {
        Info& info = info_[stream];
        info.next_snapshot = (info.next_snapshot + 1) % layout_.snapshots;
        if (info.ring.size() == layout_.snapshots) info.ring.erase(info.ring.begin());
        info.ring.push_back(info);
    }
}

void Session::rewind(Streams streams, uint32_t back)
{
    check_streams(streams);
    for (uint32_t stream : streams) {
        if (back >= 1 && back <= info_[stream].ring.size()) continue;
        raise(Status::invalid_argument, "stream {}: back to snapshot {}, and it has {}", stream, back,
              info_[stream].ring.size());
    }
    for (const Block& block : blocks_of(streams, UINT32_MAX)) {
        std::vector<RowMove> moves;
        for (uint32_t entry : block.entries) {
            const uint32_t place = place_of(streams[entry]);
            const uint32_t row = (info_[streams[entry]].next_snapshot + layout_.snapshots - back) % layout_.snapshots;
            moves.push_back({place, place * layout_.snapshots + row});
        }
        if (!layout_.parts.empty()) rows_->run(RowProgram::rewind, block.window, moves);
    }
    for (uint32_t stream : streams) {
        Info& info = info_[stream];
        info.ring.resize(info.ring.size() - back + 1);
        info.next_snapshot = (info.next_snapshot + layout_.snapshots - back + 1) % layout_.snapshots;
        static_cast<StreamPosition&>(info) = info.ring.back();
        info.shown = info.pairs;
    }
}

StreamPosition Session::position_of(uint32_t stream) const
{
    check_streams({&stream, 1});
    return info_[stream];
}

/// A stream becomes another: the snapshots of what it was are gone.
void Session::set_position(uint32_t stream, const StreamPosition& position)
{
    static_cast<StreamPosition&>(info_[stream]) = position;
    info_[stream].shown = position.pairs;
    info_[stream].solved.clear();
    info_[stream].ring.clear();
}

size_t Session::saved_bytes(uint32_t streams) const
{
    return encoded_bytes(owner(), streams);
}

StateOwner Session::owner() const
{
    const Caps& caps = model_.device().caps();
    return {model_.fingerprint(), layout_.row_elements, caps.name + ", " + caps.driver};
}

std::vector<std::byte> Session::save(Streams streams)
{
    check_streams(streams);
    std::vector<SavedStream> saved(streams.size());
    for (size_t i = 0; i < streams.size(); ++i) {
        saved[i].position = info_[streams[i]];
    }
    if (!layout_.parts.empty()) {
        for (const Block& block : blocks_of(streams, rows_->row_count())) {
            std::vector<RowMove> moves;
            for (uint32_t entry : block.entries) {
                moves.push_back({place_of(streams[entry]), static_cast<uint32_t>(moves.size())});
            }
            rows_->run(RowProgram::pack, block.window, moves);
            for (size_t i = 0; i < moves.size(); ++i) {
                const float* row = rows_->row(static_cast<uint32_t>(i));
                saved[block.entries[i]].elements.assign(row, row + layout_.row_elements);
            }
        }
    }
    return encode_streams(owner(), saved);
}

void Session::restore(Streams streams, std::span<const std::byte> bytes, bool on_any_device)
{
    check_streams(streams);
    const std::vector<SavedStream> saved = decode_streams(owner(), bytes, on_any_device);
    if (saved.size() != streams.size()) {
        raise(Status::invalid_state, "saved state: it holds {} streams, expected {}", saved.size(), streams.size());
    }
    if (!layout_.parts.empty()) {
        for (const Block& block : blocks_of(streams, rows_->row_count())) {
            std::vector<RowMove> moves;
            for (uint32_t entry : block.entries) {
                const auto row = static_cast<uint32_t>(moves.size());
                moves.push_back({place_of(streams[entry]), row});
                std::memcpy(rows_->row(row), saved[entry].elements.data(), size_t{4} * layout_.row_elements);
            }
            rows_->run(RowProgram::unpack, block.window, moves);
        }
    }
    for (size_t i = 0; i < streams.size(); ++i) set_position(streams[i], saved[i].position);
}

} // namespace gramian
