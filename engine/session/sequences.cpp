// Many tokens at once: prefill, observe and solve, a block of slots and tokens at a time.
#include "session/recording.hpp"
#include "session/session.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

namespace gramian {
namespace {

/// The worst of all heads and nodes.
SolveOutcome worst_of(const std::vector<NamedArray>& reports)
{
    SolveOutcome worst;
    worst.min_pivot = INFINITY;
    for (const NamedArray& report : reports) {
        for (size_t i = 0; i < report.values.size(); i += kReportFields) {
            const float* head = &report.values[i];
            worst.min_pivot = std::min(worst.min_pivot, head[0]);
            worst.alpha = std::max(worst.alpha, head[1]);
            worst.retries = std::max(worst.retries, static_cast<uint32_t>(head[2]));
            worst.residual = std::max(worst.residual, head[3]);
            worst.status = std::max(worst.status, static_cast<SolveStatus>(head[4]));
        }
    }
    return worst;
}

} // namespace

/// What the caller gave: tokens of some streams, one stream after the other.
struct Session::Sequences {
    Streams streams;
    std::span<const uint32_t> counts;
    std::vector<uint64_t> starts; // first token of each stream in the arrays
    std::vector<size_t> ports;    // the model inputs that the arrays stand for
    Inputs inputs;
    Outputs outputs; // empty while observing
    std::vector<std::unique_ptr<Program>>* programs = nullptr;
    uint64_t Info::*position = nullptr; // what counts these tokens

    Sequences(Streams which, std::span<const uint32_t> lengths, Inputs given)
        : streams(which), counts(lengths), inputs(given)
    {
        starts.assign(streams.size(), 0);
        for (size_t i = 1; i < streams.size(); ++i) starts[i] = starts[i - 1] + counts[i - 1];
    }
};

/// The streams of each window, `most` at a time.
std::vector<Session::Block> Session::blocks_of(Streams streams, uint32_t most) const
{
    std::vector<Block> blocks;
    std::vector<size_t> open(layout_.window_count, SIZE_MAX); // the block of each window that has room
    for (uint32_t entry = 0; entry < streams.size(); ++entry) {
        const uint32_t window = window_of(streams[entry]);
        if (open[window] == SIZE_MAX || blocks[open[window]].entries.size() == most) {
            open[window] = blocks.size();
            blocks.push_back({window, {}});
        }
        blocks[open[window]].entries.push_back(entry);
    }
    return blocks;
}

void Session::prefill(Streams streams, std::span<const uint32_t> counts, Inputs inputs, Outputs outputs)
{
    check_streams(streams);
    Sequences sequences(streams, counts, inputs);
    sequences.ports = step_ports_;
    if (counts.size() != streams.size() || inputs.size() != sequences.ports.size() ||
        outputs.size() != model_.outputs().size()) {
        raise(Status::invalid_argument,
              "prefill: {} streams with {} counts, {} inputs and {} outputs, expected {} inputs and {} outputs",
              streams.size(), counts.size(), inputs.size(), outputs.size(), sequences.ports.size(),
              model_.outputs().size());
    }
    const uint64_t total = std::accumulate(counts.begin(), counts.end(), uint64_t{0});
    for (size_t i = 0; i < inputs.size(); ++i) {
        const ModelPort& port = model_.inputs()[sequences.ports[i]];
        if (inputs[i].size() != total * port.size) {
            raise(Status::invalid_argument, "prefill: input '{}': expected {} tokens of {} numbers, found {} numbers",
                  port.name, total, port.size, inputs[i].size());
        }
        check_values(inputs[i], port, streams, counts);
    }
    for (size_t i = 0; i < outputs.size(); ++i) {
        const ModelPort& port = model_.outputs()[i];
        if (outputs[i].size() == total * port.size) continue;
        raise(Status::invalid_argument, "prefill: output '{}': expected room for {} tokens of {} numbers, found {}",
              port.name, total, port.size, outputs[i].size());
    }
    check_room(streams, counts);
    const bool is_step = std::all_of(counts.begin(), counts.end(), [](uint32_t count) { return count == 1; });
    if (is_step && !is_submitted_) {
        submit_some(streams, inputs);
        return wait(outputs);
    }
    sequences.outputs = outputs;
    sequences.programs = &prefill_;
    sequences.position = &Info::tokens;
    run_sequences(sequences);
}

void Session::observe(Streams streams, std::span<const uint32_t> counts, Inputs inputs)
{
    if (!model_.has_context()) {
        raise(Status::invalid_argument, "{} has no context input: there is nothing to observe", model_.name());
    }
    check_streams(streams);
    if (counts.size() != streams.size() || inputs.size() != model_.inputs().size()) {
        raise(Status::invalid_argument, "observe: {} streams with {} counts and {} inputs, expected {} inputs",
              streams.size(), counts.size(), inputs.size(), model_.inputs().size());
    }
    const uint64_t total = std::accumulate(counts.begin(), counts.end(), uint64_t{0});
    for (size_t i = 0; i < inputs.size(); ++i) {
        const ModelPort& port = model_.inputs()[i];
        if (inputs[i].size() != total * port.size) {
            raise(Status::invalid_argument, "observe: input '{}': expected {} tokens of {} numbers, found {} numbers",
                  port.name, total, port.size, inputs[i].size());
        }
        check_values(inputs[i], port, streams, counts);
    }
    for (size_t i = 0; i < streams.size(); ++i) {
        const uint64_t held = info_[streams[i]].pairs + counts[i];
        if (model_.capacity() > 0 && held > model_.capacity()) {
            raise(Status::invalid_argument, "stream {}: {} pairs, and {} keeps at most {} (its 'capacity')", streams[i],
                  held, model_.name(), model_.capacity());
        }
        const uint64_t shown = info_[streams[i]].shown + counts[i];
        if (shown_limit_ > 0 && shown > shown_limit_) {
            raise(Status::invalid_argument,
                  "stream {}: {} tokens in one demonstration, and {} keeps at most {} (its "
                  "'capacity')",
                  streams[i], shown, model_.name(), shown_limit_);
        }
    }
    Sequences sequences(streams, counts, inputs);
    sequences.ports.resize(inputs.size());
    std::iota(sequences.ports.begin(), sequences.ports.end(), size_t{0});
    sequences.programs = &observe_;
    sequences.position = &Info::pairs;
    run_sequences(sequences);
}

void Session::run_sequences(const Sequences& sequences)
{
    // The longest first: streams of one length share a block, and none waits for another.
    std::vector<uint32_t> order;
    for (uint32_t i = 0; i < sequences.streams.size(); ++i) {
        if (sequences.counts[i] > 0) order.push_back(i);
    }
    std::stable_sort(order.begin(), order.end(),
                     [&](uint32_t a, uint32_t b) { return sequences.counts[a] > sequences.counts[b]; });
    std::vector<uint32_t> streams;
    for (uint32_t entry : order) streams.push_back(sequences.streams[entry]);
    for (Block& block : blocks_of(streams, layout_.slots)) {
        for (uint32_t& entry : block.entries) entry = order[entry];
        const uint32_t longest = sequences.counts[block.entries.front()];
        for (uint32_t done = 0; done < longest; done += layout_.tokens) run_block(sequences, block, done);
    }
}

/// Tokens `done` and on of a block's streams, the longest of them first.
void Session::run_block(const Sequences& sequences, const Block& block, uint32_t done)
{
    const BlockIo& io = layout_.block;
    uint32_t at_work = 0;
    std::fill_n(block_words(io.streams), layout_.slots, kNone);
    std::fill_n(block_words(io.counts), layout_.slots, 0U);
    for (uint32_t slot = 0; slot < block.entries.size(); ++slot) {
        const uint32_t entry = block.entries[slot];
        if (sequences.counts[entry] <= done) break;
        const uint32_t stream = sequences.streams[entry];
        const uint32_t count = std::min(layout_.tokens, sequences.counts[entry] - done);
        block_words(io.streams)[slot] = place_of(stream);
        block_words(io.counts)[slot] = count;
        block_words(io.positions)[slot] = static_cast<uint32_t>(info_[stream].*sequences.position);
        for (size_t i = 0; i < sequences.ports.size(); ++i) {
            const size_t size = model_.inputs()[sequences.ports[i]].size;
            std::memcpy(block_floats(io.inputs[sequences.ports[i]]) + slot * layout_.tokens * size,
                        sequences.inputs[i].data() + (sequences.starts[entry] + done) * size, 4 * count * size);
        }
        at_work = slot + 1;
    }
    Program& program = *(*sequences.programs)[block.window];
    program.set_slots(0, layout_.slots == 1 ? block_words(io.counts)[0] : at_work);
    program.run();
    if (sequences.programs == &prefill_) profiled_ = &program;
    ++submissions_;
    for (uint32_t slot = 0; slot < at_work; ++slot) {
        const uint32_t entry = block.entries[slot];
        const size_t count = block_words(io.counts)[slot];
        Info& info = info_[sequences.streams[entry]];
        info.*sequences.position += count;
        if (sequences.programs == &observe_) info.shown += count;
        for (size_t i = 0; i < sequences.outputs.size(); ++i) {
            const size_t size = model_.outputs()[i].size;
            std::memcpy(sequences.outputs[i].data() + (sequences.starts[entry] + done) * size,
                        block_floats(io.outputs[i]) + slot * layout_.tokens * size, 4 * count * size);
        }
    }
}

std::vector<SolveOutcome> Session::solve(Streams streams)
{
    check_streams(streams);
    if (!model_.has_context()) {
        raise(Status::invalid_argument, "{} has no context input: there is nothing to solve", model_.name());
    }
    std::vector<SolveOutcome> outcomes(streams.size());
    if (solve_.empty()) return outcomes;
    uint32_t* words = block_words(layout_.block.streams);
    for (const Block& block : blocks_of(streams, layout_.slots)) {
        const auto count = static_cast<uint32_t>(block.entries.size());
        std::fill_n(words, layout_.slots, kNone);
        for (uint32_t slot = 0; slot < count; ++slot) words[slot] = place_of(streams[block.entries[slot]]);
        solve_[block.window]->set_slots(0, count);
        solve_[block.window]->run();
        ++submissions_;
        for (uint32_t slot = 0; slot < count; ++slot) {
            const uint32_t entry = block.entries[slot];
            std::vector<NamedArray>& solved = info_[streams[entry]].solved;
            solved = solved_reports(slot);
            outcomes[entry] = worst_of(solved);
        }
    }
    return outcomes;
}

/// What the last solve of a slot reports, by node and head.
std::vector<NamedArray> Session::solved_reports(uint32_t slot) const
{
    std::vector<NamedArray> found;
    for (const NodeState& state : layout_.nodes) {
        if (!has_solve(*state.node)) continue;
        const uint32_t heads = state.node->heads;
        const float* words = block_floats(state.report) + size_t{slot} * heads * kSolveReportWords;
        found.push_back(report_array(value_name(state), words, heads));
    }
    return found;
}

} // namespace gramian
