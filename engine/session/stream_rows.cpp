#include "session/stream_rows.hpp"

#include <algorithm>

namespace gramian {
namespace {

const char* name_of(RowProgram program)
{
    const char* const names[] = {"pack", "unpack", "restart", "add", "snapshot", "rewind"};
    return names[static_cast<size_t>(program)];
}

StateMove move_of(RowProgram program)
{
    if (program == RowProgram::add) return StateMove::add;
    return program == RowProgram::pack || program == RowProgram::snapshot ? StateMove::pack : StateMove::unpack;
}

bool takes(RowProgram program, const StatePart& part)
{
    if (program == RowProgram::restart) return part.is_observed;
    return program != RowProgram::add || part.is_sum;
}

} // namespace

StreamRows::StreamRows(const SessionLayout& layout, Device& device, std::span<const Window> windows, Memory& block_io)
    : layout_(layout), device_(device), windows_(windows), io_(block_io)
{
}

float* StreamRows::row(uint32_t index) const
{
    const Tensor& rows = layout_.block.rows;
    return reinterpret_cast<float*>(io_.mapped()) + rows.offset + size_t{index} * rows.shape.last();
}

void StreamRows::set_weight(float weight)
{
    reinterpret_cast<float*>(io_.mapped())[layout_.block.weight.offset] = weight;
}

std::unique_ptr<Program> StreamRows::compile(RowProgram kind, uint32_t window)
{
    const bool is_ring = kind == RowProgram::snapshot || kind == RowProgram::rewind;
    const BlockIo& io = layout_.block;
    LaunchList list;
    ArenaLayout scratch(Arena::activations);
    Recorder recorder{list, device_.caps(), scratch, io.moves.shape[0]};
    for (const StatePart& part : layout_.parts) {
        if (!takes(kind, part)) continue;
        state_rows(recorder, move_of(kind),
                   {part.tensor, is_ring ? layout_.ring : io.rows, part.row_offset, io.moves, io.weight});
    }
    ProgramOptions options;
    options.name = name_of(kind);
    options.inputs = is_ring || kind == RowProgram::pack ? io.moves_in : io.rows_in;
    if (kind == RowProgram::pack) options.outputs = io.rows_out;
    options.slots = recorder.slots;
    return device_.compile(list, Arenas{{nullptr, windows_[window].state.get(), nullptr, &io_}}, options);
}

void StreamRows::run(RowProgram program, uint32_t window, std::span<const RowMove> moves)
{
    std::unique_ptr<Program>& compiled = programs_[{program, window}];
    if (!compiled) compiled = compile(program, window);
    auto* words = reinterpret_cast<uint32_t*>(io_.mapped()) + layout_.block.moves.offset;
    const size_t most = layout_.block.moves.shape[0];
    for (size_t first = 0; first < moves.size(); first += most) {
        const size_t count = std::min(most, moves.size() - first);
        for (size_t i = 0; i < count; ++i) {
            words[2 * i] = moves[first + i].stream;
            words[2 * i + 1] = moves[first + i].row;
        }
        compiled->set_slots(0, static_cast<uint32_t>(count));
        compiled->run();
    }
}

} // namespace gramian
