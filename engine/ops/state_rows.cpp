#include "ops/state_rows.hpp"

#include "ops/kernels.hpp"
#include "shaders/state_rows.h"

#include <cmath>
#include <cstring>

namespace gramian {
namespace {

// 64 elements a group and round: a state of 2^31 elements takes 32,768 rounds, fewer than every driver runs.
constexpr uint32_t kMaxGroups = 1'024;

void on_host(const HostLaunch& launch)
{
    const auto p = launch.parameters<gpu::StateRowsParameters>();
    const auto* moves = reinterpret_cast<const uint32_t*>(launch.floats(Arena::io, p.moves));
    for (uint32_t move = 0; move < launch.groups[1]; ++move) {
        float* state = launch.floats(Arena::state, p.state) + size_t{moves[2 * move]} * p.size;
        float* row =
            launch.floats(launch.constants[0], p.rows) + size_t{moves[2 * move + 1]} * p.row_size + p.row_offset;
        const auto kind = static_cast<StateMove>(launch.constants[1]);
        if (kind == StateMove::pack) std::memcpy(row, state, size_t{4} * p.size);
        if (kind == StateMove::unpack) std::memcpy(state, row, size_t{4} * p.size);
        const float weight = *launch.floats(Arena::io, p.weight);
        for (uint32_t i = 0; kind == StateMove::add && i < p.size; ++i) state[i] = std::fma(weight, row[i], state[i]);
    }
}

} // namespace

void state_rows(Recorder& recorder, StateMove move, const StateRows& rows)
{
    const uint32_t count = rows.moves.shape[0];
    const auto size = static_cast<uint32_t>(rows.state.element_count() / rows.state.shape[0]);
    Launch launch;
    launch.kernel = {&kernels::state_rows, {arena_constant(rows.rows), static_cast<uint32_t>(move)}};
    launch.set_push(gpu::StateRowsParameters{rows.state.offset, size, rows.rows.offset, rows.rows.shape.last(),
                                             rows.row_offset, rows.moves.offset, rows.weight.offset});
    launch.groups = {std::min(ceil_div(size, 64), kMaxGroups), count, 1};
    follow_slots(recorder, launch, 1, count);
    launch.reads = {rows.moves.slice(), rows.weight.slice()};
    (move == StateMove::pack ? launch.reads : launch.writes).push_back(rows.state.slice());
    (move == StateMove::pack ? launch.writes : launch.reads).push_back(rows.rows.slice());
    launch.host = on_host;
    recorder.list.append(std::move(launch));
}

} // namespace gramian
