// Where everything of a session lies: how its streams are cut into windows, and the tensors of every arena. A plan:
// nothing is allocated here. Used by Session, and by whoever wants to know what a session would take.
#pragma once

#include "model/model.hpp"

#include <string>
#include <vector>

namespace gramian {

struct SessionOptions {
    uint32_t streams = 1;
    bool verify_golden = true; // replay the model's golden rollout first and refuse a device that does not reproduce it
    bool profile = false;      // time every launch
    bool starts_empty = false; // no stream has joined yet
    uint32_t snapshots = 0;    // that every stream can be set back to
    uint32_t window_streams = 0; // at most, in a window; 0: as many as the device can bind
    bool shares_launches = true; // nodes that can: fusion.hpp; false: a launch for each, of the same bits
};

/// What a node keeps for every stream of a window.
struct NodeState {
    const Node* node = nullptr;
    Tensors kept;          // by steps; for a context node: what it has learned
    Tensors observed;      // by observations, of a recurrent node before one that learns
    bool has_sums = false; // of a context node: they add up where streams are merged
    Tensor report;         // block io [slots, H, 8], where the node has something to solve
};

/// A state tensor as it lies in a row that holds a whole stream: saved state and snapshots are made of such rows.
struct StatePart {
    Tensor tensor; // [window streams, …]
    uint32_t row_offset = 0;
    float initial = 0;
    bool is_observed = false; // starts anew with each demonstration
    bool is_sum = false;      // adds up where streams are merged
};

/// The io arena of a window: a step of its streams.
struct StepIo {
    std::vector<Tensor> inputs;  // [window streams, 1, size] by model input; none for context inputs
    std::vector<Tensor> outputs; // likewise, by model output
    Tensor streams;              // words: the streams at work, by slot
    Tensor positions;            // words: tokens that they have had
    IoRange in, out;
    ArenaLayout arena{Arena::io};
};

/// The io arena that all windows share: a block of tokens of some streams, and rows that hold whole streams.
struct BlockIo {
    Tensor streams, counts, positions;    // words [slots]
    std::vector<Tensor> inputs;           // [slots, tokens, size] by model input
    std::vector<Tensor> outputs;          // likewise, by model output
    Tensor moves;                         // words [moves, 2]: stream and row
    Tensor weight;                        // [1]
    Tensor rows;                          // [any, row elements]
    IoRange in, out, solve_in, solve_out, // tokens in, answers out; streams in, reports out
        moves_in, rows_in, rows_out;      // moves alone, moves and rows, rows alone
    ArenaLayout arena{Arena::io};
};

struct SessionLayout {
    uint32_t streams = 0;
    uint32_t window_streams = 0; // of every window; the last one may be in part unused
    uint32_t window_count = 0;
    uint32_t slots = 0;  // streams of a block
    uint32_t tokens = 0; // tokens a slot of a block
    uint32_t snapshots = 0;
    bool shares_launches = true;
    std::vector<NodeState> nodes;
    std::vector<StatePart> parts;
    uint32_t row_elements = 0;
    Tensor ring; // state [window streams * snapshots, row elements]
    ArenaLayout state{Arena::state};
    StepIo step;
    BlockIo block;
    uint64_t scratch_bytes = 0;

    /// What the launches of a block follow: its slots, or the tokens of its only slot.
    [[nodiscard]] uint32_t block_units() const { return slots == 1 ? tokens : slots; }
    [[nodiscard]] uint64_t state_bytes() const { return window_count * state.bytes(); }
    [[nodiscard]] uint64_t io_bytes() const { return window_count * step.arena.bytes() + block.arena.bytes(); }
    [[nodiscard]] uint64_t bytes() const { return state_bytes() + io_bytes() + scratch_bytes; }
};

struct ProgramLists;

/// Fits the streams into windows and blocks that the device can bind, and records the programs of one window.
/// Throws out_of_memory with the numbers when the streams do not fit, unsupported for a model that cannot run.
SessionLayout plan_session(const Model& model, const SessionOptions& options, ProgramLists& lists);

} // namespace gramian
