#include "session/layout.hpp"

#include "ops/ridge_solve.hpp"
#include "session/recording.hpp"

#include <algorithm>

namespace gramian {
namespace {

// A block of tokens is large enough to fill a GPU and small enough for a phone's memory.
constexpr uint32_t kBlockSlots = 1'024;
constexpr uint32_t kSolveSlots = 128; // at least, whatever scratch a solve takes
constexpr uint32_t kBlockTokens = 128;
constexpr uint32_t kLeastTokens = 16;
constexpr uint32_t kBlockRows = 65'535;              // groups in a dimension
constexpr uint32_t kSingleTokens = 1'024;            // of a single stream: its launches follow its tokens
constexpr uint64_t kBlockBytes = uint64_t{64} << 20; // of scratch, as long as one slot and token fit
constexpr uint64_t kRowBytes = uint64_t{4} << 20;    // of rows that hold whole streams, as long as one fits
constexpr uint32_t kMaxRows = 256;
constexpr uint32_t kMoves = 1'024;

Shape with_leading(uint32_t count, const Shape& shape)
{
    Shape result{count};
    for (uint32_t axis = 0; axis < shape.rank(); ++axis) result.append(shape[axis]);
    return result;
}

class Planner {
public:
    Planner(const Model& model, const SessionOptions& options) : model_(model)
    {
        layout_.streams = options.streams;
        layout_.snapshots = options.snapshots;
        layout_.shares_launches = options.shares_launches;
    }

    /// Windows of at most `window_streams`, blocks of at most `slots` x `tokens`.
    SessionLayout place(uint32_t window_streams, uint32_t slots, uint32_t tokens)
    {
        layout_.window_count = (layout_.streams + window_streams - 1) / window_streams;
        layout_.window_streams = (layout_.streams + layout_.window_count - 1) / layout_.window_count;
        layout_.slots = std::min(slots, layout_.window_streams);
        layout_.tokens = tokens;
        place_step_io();
        place_block_io();
        place_state();
        place_moves();
        return std::move(layout_);
    }

private:
    void place_step_io()
    {
        StepIo& io = layout_.step;
        const uint32_t streams = layout_.window_streams;
        for (const ModelPort& input : model_.inputs()) {
            io.inputs.push_back(input.is_context ? Tensor{} : io.arena.take({streams, 1, input.size}));
        }
        io.streams = io.arena.take({streams});
        io.positions = io.arena.take({streams});
        io.in = {0, io.arena.bytes()};
        for (const ModelPort& output : model_.outputs()) io.outputs.push_back(io.arena.take({streams, 1, output.size}));
        io.out = {io.in.bytes, io.arena.bytes() - io.in.bytes};
    }

    void place_block_io()
    {
        BlockIo& io = layout_.block;
        io.streams = io.arena.take({layout_.slots});
        io.solve_in = {0, io.arena.bytes()};
        io.counts = io.arena.take({layout_.slots});
        io.positions = io.arena.take({layout_.slots});
        for (const ModelPort& input : model_.inputs()) {
            io.inputs.push_back(io.arena.take({layout_.slots, layout_.tokens, input.size}));
        }
        io.in = {0, io.arena.bytes()};
        for (const ModelPort& output : model_.outputs()) {
            io.outputs.push_back(io.arena.take({layout_.slots, layout_.tokens, output.size}));
        }
        io.out = {io.in.bytes, io.arena.bytes() - io.in.bytes};
    }

    void place_state()
    {
        const Plan plan = plan_nodes(model_);
        const uint64_t reports_begin = layout_.block.arena.bytes();
        for (size_t i = 0; i < model_.nodes().size(); ++i) {
            const Node& node = model_.nodes()[i];
            if (!plan.step[i] && !plan.observe[i]) continue;
            if (node.op->context && !node.is_context && !node.op->recurrent) {
                raise(Status::unsupported, "{}: this version runs {} over a context input only", node.name,
                      node.op->name);
            }
            if (!node.is_context && !is_recurrent(node)) continue;
            NodeState state;
            state.node = &node;
            if (plan.step[i] || node.is_context) place_node(state, state.kept, false);
            if (plan.observe[i] && !node.is_context) place_node(state, state.observed, true);
            if (has_solve(node)) {
                state.report = layout_.block.arena.take({layout_.slots, node.heads, kSolveReportWords});
            }
            layout_.nodes.push_back(std::move(state));
        }
        layout_.block.solve_out = {reports_begin, layout_.block.arena.bytes() - reports_begin};
    }

    void place_node(NodeState& state, Tensors& tensors, bool is_observed)
    {
        const Node& node = *state.node;
        const auto states = node.is_context ? node.op->context->states : node.op->recurrent->states;
        for (const StateShape& shape : states(node.attributes, context_shapes(model_, node))) {
            StatePart part;
            part.tensor = layout_.state.take(with_leading(layout_.window_streams, shape.shape));
            part.row_offset = layout_.row_elements;
            part.initial = shape.initial;
            part.is_observed = is_observed;
            part.is_sum = node.is_context && shape.is_sum;
            state.has_sums = state.has_sums || part.is_sum;
            layout_.row_elements += static_cast<uint32_t>(shape.shape.element_count());
            layout_.parts.push_back(part);
            tensors.add(shape.name, part.tensor);
        }
    }

    void place_moves()
    {
        if (layout_.parts.empty()) return; // a stream that remembers nothing has nothing to move
        BlockIo& io = layout_.block;
        const uint64_t fitting = kRowBytes / (uint64_t{4} * layout_.row_elements);
        const auto rows = static_cast<uint32_t>(std::clamp<uint64_t>(fitting, 1, kMaxRows));
        const uint64_t begin = io.arena.bytes();
        io.moves = io.arena.take({kMoves, 2});
        io.weight = io.arena.take({1});
        io.moves_in = {begin, io.arena.bytes() - begin};
        io.rows = io.arena.take({rows, layout_.row_elements});
        io.rows_in = {begin, io.arena.bytes() - begin};
        io.rows_out = {begin + io.moves_in.bytes, io.rows_in.bytes - io.moves_in.bytes};
        if (layout_.snapshots == 0) return;
        layout_.ring = layout_.state.take({layout_.window_streams * layout_.snapshots, layout_.row_elements});
    }

    const Model& model_;
    SessionLayout layout_;
};

[[noreturn]] void refuse(const Model& model, const SessionLayout& layout, uint64_t needed, const char* what,
                         uint64_t allowed, const char* where, uint64_t fitting)
{
    raise(Status::out_of_memory,
          "{} streams of {} need {} bytes of {} ({} a stream), and {} allows {} {}: {} streams fit", layout.streams,
          model.name(), needed, what, needed / layout.streams, model.device().caps().name, allowed, where, fitting);
}

/// What one stream and one token take, and so how many of them go into a window and a block.
struct Fit {
    uint32_t window_streams;
    uint32_t slots;
    uint32_t tokens;
};

/// Scratch of a stream's solve, at least a byte. Some kernels share it out to several problems at a time, so that one
/// alone takes as much as many.
uint64_t solve_bytes(const Model& model, const SessionOptions& options, uint32_t streams)
{
    const uint32_t count = std::min(streams, options.streams);
    const SessionLayout some = Planner(model, options).place(count, count, 1);
    return std::max<uint64_t>(record_programs(model, some).solve.scratch.bytes() / count, 1);
}

Fit fit(const Model& model, const SessionOptions& options)
{
    const Caps& caps = model.device().caps();
    const uint64_t most = std::min(caps.max_storage_bytes, caps.max_memory_bytes);
    const SessionLayout one = Planner(model, options).place(1, 1, 1);
    const ProgramLists lists = record_programs(model, one);
    const uint64_t state = std::max<uint64_t>(one.state.bytes(), 1);
    if (state > most) refuse(model, one, state * options.streams, "state", most, "in one buffer", 0);
    const uint64_t per_stream = std::max({state, one.step.arena.bytes(), lists.step.scratch.bytes(), uint64_t{1}});
    const uint64_t per_token =
        std::max({lists.prefill.scratch.bytes(), lists.observe.scratch.bytes(), one.block.in.bytes, uint64_t{1}});
    Fit fit{};
    fit.window_streams = static_cast<uint32_t>(std::clamp<uint64_t>(most / per_stream, 1, caps.max_groups));
    if (options.window_streams > 0) fit.window_streams = std::min(fit.window_streams, options.window_streams);
    // All streams side by side, as long as each of them gets some tokens and their solves find room.
    const uint64_t budget = std::min(kBlockBytes, most);
    const auto rows = static_cast<uint32_t>(std::clamp<uint64_t>(budget / per_token, 1, kBlockRows));
    const uint64_t solves = budget / solve_bytes(model, options, std::min(fit.window_streams, kSolveSlots));
    const auto most_slots = static_cast<uint32_t>(std::clamp<uint64_t>(solves, kSolveSlots, kBlockSlots));
    fit.slots = std::clamp(rows / kLeastTokens, 1U, std::min(most_slots, options.streams));
    fit.tokens = std::clamp(rows / fit.slots, 1U, options.streams == 1 ? kSingleTokens : kBlockTokens);
    if (fit.tokens > kLeastTokens) fit.tokens -= fit.tokens % kLeastTokens;
    return fit;
}

/// Streams that surely fit into `room` bytes: in whole windows, or in one more of smaller windows.
uint64_t fitting_streams(const SessionLayout& layout, uint64_t room)
{
    const uint64_t shared = layout.scratch_bytes + layout.block.arena.bytes();
    const uint64_t left = room - std::min(room, shared);
    const uint64_t window = layout.state.bytes() + layout.step.arena.bytes();
    const uint64_t tensors = layout.parts.size() + layout.step.inputs.size() + layout.step.outputs.size() + 3;
    const uint64_t whole = left / window;
    const uint64_t share = left / (whole + 1);
    const uint64_t padding = std::min(share, tensors * 64); // tensors begin at cache lines
    const uint64_t smaller = (whole + 1) * ((share - padding) / (window / layout.window_streams + 1));
    return std::max(whole * layout.window_streams, smaller);
}

} // namespace

SessionLayout plan_session(const Model& model, const SessionOptions& options, ProgramLists& lists)
{
    const Caps& caps = model.device().caps();
    const uint64_t most = std::min(caps.max_storage_bytes, caps.max_memory_bytes);
    Fit sizes = fit(model, options);
    for (;;) {
        SessionLayout layout = Planner(model, options).place(sizes.window_streams, sizes.slots, sizes.tokens);
        lists = record_programs(model, layout);
        const uint64_t block = std::max({lists.prefill.scratch.bytes(), lists.observe.scratch.bytes(),
                                         lists.solve.scratch.bytes(), layout.block.arena.bytes()});
        const uint64_t window = std::max({lists.step.scratch.bytes(), layout.state.bytes(), layout.step.arena.bytes()});
        layout.scratch_bytes = std::max({lists.step.scratch.bytes(), lists.prefill.scratch.bytes(),
                                         lists.observe.scratch.bytes(), lists.solve.scratch.bytes()});
        if (window <= most && block <= most) {
            const uint64_t room = caps.heap_bytes - std::min(caps.heap_bytes, model.weight_bytes());
            if (caps.heap_bytes == 0 || layout.bytes() <= room) return layout;
            refuse(model, layout, layout.bytes(), "memory", room, "in all", fitting_streams(layout, room));
        }
        // An op whose scratch grows faster than its tokens: smaller windows and blocks, down to one stream and token.
        if (window > most && layout.window_streams > 1)
            sizes.window_streams = layout.window_streams / 2;
        else if (block > most && layout.slots > 1)
            sizes.slots = layout.slots / 2;
        else if (block > most && sizes.tokens > 1)
            sizes.tokens /= 2;
        else
            refuse(model, layout, std::max(window, block), "scratch", most, "in one buffer", 0);
    }
}

} // namespace gramian
