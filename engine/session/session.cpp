#include "session/session.hpp"

#include "session/golden.hpp"
#include "session/recording.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

namespace gramian {
namespace {

// An observation works on this many tokens at once at most: enough to fill a GPU, little enough for a phone's memory.
constexpr uint32_t kObserveTokens = 16'384;
constexpr uint32_t kObserveTokensPerStream = 128;

bool is_recurrent(const Node& node)
{
    return node.op->recurrent && !node.is_context;
}
bool has_solve(const Node& node)
{
    return node.is_context && node.op->context->solve;
}

Shape with_leading(uint32_t count, const Shape& shape)
{
    Shape result{count};
    for (uint32_t axis = 0; axis < shape.rank(); ++axis) result.append(shape[axis]);
    return result;
}

} // namespace

Session::Session(const Model& model, const SessionOptions& options) : model_(model), streams_(options.streams)
{
    if (streams_ == 0) raise(Status::invalid_argument, "a session needs at least one stream");
    if (options.verify_golden && model.golden().tokens > 0) verify_golden(model);
    slots_ = std::min(streams_, kObserveTokens / kObserveTokensPerStream);
    tokens_ = kObserveTokensPerStream;
    place_io();
    place_state();
    make_programs(options.profile);
    positions_.assign(streams_, 0);
    warm_up();
}

Session::~Session() = default;

void Session::place_io()
{
    const auto bytes_so_far = [&] { return io_layout_.bytes(); };
    for (const ModelPort& input : model_.inputs()) {
        step_inputs_.push_back(input.is_context ? Tensor{} : io_layout_.take({streams_, 1, input.size}));
    }
    step_in_ = {0, bytes_so_far()};
    for (const ModelPort& output : model_.outputs())
        step_outputs_.push_back(io_layout_.take({streams_, 1, output.size}));
    step_out_ = {step_in_.bytes, bytes_so_far() - step_in_.bytes};
    if (!model_.has_context()) return;
    const uint64_t slots_begin = bytes_so_far();
    slot_streams_ = io_layout_.take({slots_});
    solve_in_ = {slots_begin, bytes_so_far() - slots_begin};
    slot_counts_ = io_layout_.take({slots_});
    slot_positions_ = io_layout_.take({slots_});
    for (const ModelPort& input : model_.inputs()) {
        observe_inputs_.push_back(io_layout_.take({slots_, tokens_, input.size}));
    }
    observe_in_ = {slots_begin, bytes_so_far() - slots_begin};
}

void Session::place_state()
{
    const Plan plan = plan_nodes(model_);
    const uint64_t reports_begin = io_layout_.bytes();
    for (size_t i = 0; i < model_.nodes().size(); ++i) {
        const Node& node = model_.nodes()[i];
        if (!plan.step[i] && !plan.observe[i]) continue;
        if (node.op->context && !node.is_context && !node.op->recurrent) {
            raise(Status::unsupported, "{}: this version runs {} over a context input only", node.name, node.op->name);
        }
        if (is_recurrent(node) && plan.observe[i]) {
            raise(Status::unsupported, "{}: a node that carries its own state, before one that learns from a context",
                  node.name);
        }
        if (!node.is_context && !is_recurrent(node)) continue;
        const auto states = node.is_context ? node.op->context->states : node.op->recurrent->states;
        NodeState state;
        state.node = &node;
        for (const StateShape& shape : states(node.attributes, context_shapes(model_, node))) {
            state.tensors.add(shape.name, state_layout_.take(with_leading(streams_, shape.shape)));
        }
        if (has_solve(node)) state.report = io_layout_.take({slots_, node.heads, kSolveReportWords});
        node_states_.push_back(std::move(state));
    }
    solve_out_ = {reports_begin, io_layout_.bytes() - reports_begin};
}

/// The launch lists of a session, and the scratch that each of them needs.
struct Session::Recordings {
    struct One {
        LaunchList list;
        ArenaLayout scratch{Arena::activations};
    };
    One step, observe, solve;

    [[nodiscard]] uint64_t scratch_bytes() const
    {
        return std::max({step.scratch.bytes(), observe.scratch.bytes(), solve.scratch.bytes()});
    }
};

void Session::record_nodes(Recordings& recordings)
{
    const Caps& caps = model_.device().caps();
    Recorder step{recordings.step.list, caps, recordings.step.scratch};
    Recorder observe{recordings.observe.list, caps, recordings.observe.scratch};
    Recorder solve{recordings.solve.list, caps, recordings.solve.scratch};
    NodeRecorder stepper(model_, step, {streams_, 1});
    NodeRecorder observer(model_, observe, {slots_, tokens_});
    for (size_t i = 0; i < model_.inputs().size(); ++i) {
        if (!model_.inputs()[i].is_context) stepper.place(model_.inputs()[i].value, step_inputs_[i]);
        if (model_.has_context()) observer.place(model_.inputs()[i].value, observe_inputs_[i]);
    }
    for (size_t i = 0; i < model_.outputs().size(); ++i) stepper.place(model_.outputs()[i].value, step_outputs_[i]);
    const SlotMap map{slot_streams_.offset, slot_counts_.offset, slot_positions_.offset, slots_};
    const Plan plan = plan_nodes(model_);
    auto state = node_states_.begin();
    for (size_t i = 0; i < model_.nodes().size(); ++i) {
        const Node& node = model_.nodes()[i];
        const Node& last = model_.nodes()[plan.last[i]];
        if (plan.is_taken[i] || (!plan.step[plan.last[i]] && !plan.observe[plan.last[i]])) continue;
        if (!node.is_context && !is_recurrent(node)) {
            if (plan.step[plan.last[i]]) stepper.record(node, last);
            if (plan.observe[plan.last[i]]) observer.record(node, last);
            continue;
        }
        const NodeState& kept = *state++;
        if (is_recurrent(node)) {
            stepper.record_recurrent(node, kept.tensors, {.slots = streams_});
            continue;
        }
        stepper.record_read(node, kept.tensors, {.slots = streams_});
        observer.record_observe(node, kept.tensors, map);
        if (!has_solve(node)) continue;
        solve.list.set_label(node.name.substr(node.name.find(": ") + 2) + " solve");
        node.op->context->solve(solve, node.attributes, context_shapes(model_, node), kept.tensors, kept.report, map);
    }
}

void Session::make_programs(bool profile)
{
    Recordings recordings;
    record_nodes(recordings);
    check_fits();
    Device& device = model_.device();
    io_ = device.allocate(MemoryKind::io, io_layout_.bytes(), "session io");
    state_ = device.allocate(MemoryKind::device, state_layout_.bytes(), fmt::format("state of {} streams", streams_));
    activations_ = device.allocate(MemoryKind::device, recordings.scratch_bytes(), "session activations");
    const Arenas arenas{{model_.weights(), state_.get(), activations_.get(), io_.get()}};
    const LaunchList& step = recordings.step.list;
    step_ = device.compile(step, arenas, {"step", step_in_, step_out_, profile});
    for (const Launch& launch : step.launches()) step_labels_.push_back(step.label(launch));
    step_bytes_moved_ = step.bytes_moved();
    step_dispatches_ = static_cast<uint32_t>(step.launches().size());
    if (!model_.has_context()) return;
    observe_ = device.compile(recordings.observe.list, arenas, {"observe", observe_in_, {}, false});
    const LaunchList& solve = recordings.solve.list;
    if (!solve.launches().empty()) solve_ = device.compile(solve, arenas, {"solve", solve_in_, solve_out_, false});
}

void Session::check_fits() const
{
    const Caps& caps = model_.device().caps();
    const uint64_t most = std::min(caps.max_storage_bytes, caps.max_memory_bytes);
    if (state_layout_.bytes() <= most) return;
    raise(Status::out_of_memory,
          "{} streams of {} need {} bytes of state ({} a stream), and {} allows {} in one buffer: {} streams fit",
          streams_, model_.name(), state_layout_.bytes(), state_layout_.bytes() / streams_, caps.name, most,
          most / std::max<uint64_t>(1, state_layout_.bytes() / streams_));
}

/// The first submit of a kernel may compile it: that belongs to creation, not to the first step.
void Session::warm_up()
{
    if (model_.has_context()) {
        std::fill_n(io_words(slot_streams_), slots_, kNone);
        std::fill_n(io_words(slot_counts_), slots_, 0U);
        std::fill_n(io_words(slot_positions_), slots_, 0U);
        // An idle observation still names a stream: no kernel writes for it.
        std::fill_n(io_words(slot_streams_), slots_, 0U);
        observe_->run();
        std::fill_n(io_words(slot_streams_), slots_, kNone);
        if (solve_) solve_->run();
    }
    step_->run();
    state_->fill_zero(0, state_->bytes());
}

void Session::run(Program& program)
{
    program.run();
    ++submissions_;
}

float* Session::io_floats(const Tensor& tensor) const
{
    return reinterpret_cast<float*>(io_->mapped()) + tensor.offset;
}

uint32_t* Session::io_words(const Tensor& tensor) const
{
    return reinterpret_cast<uint32_t*>(io_->mapped()) + tensor.offset;
}

void Session::check_streams(std::span<const uint32_t> streams) const
{
    std::vector<bool> seen(streams_);
    for (uint32_t stream : streams) {
        if (stream >= streams_) {
            raise(Status::invalid_argument, "stream {}: the session has streams 0 to {}", stream, streams_ - 1);
        }
        if (seen[stream]) raise(Status::invalid_argument, "stream {} is named twice", stream);
        seen[stream] = true;
    }
}

/// `counts`: tokens of each stream, or empty for one each.
void Session::check_finite(std::span<const float> values, const ModelPort& port, std::span<const uint32_t> streams,
                           std::span<const uint32_t> counts) const
{
    const auto bad = std::find_if(values.begin(), values.end(), [](float value) { return !std::isfinite(value); });
    if (bad == values.end()) return;
    const auto index = static_cast<size_t>(bad - values.begin());
    uint64_t token = index / port.size;
    size_t entry = 0;
    while (!counts.empty() && token >= counts[entry]) token -= counts[entry++];
    const uint64_t stream = counts.empty() ? token : streams[entry];
    const std::string at = counts.empty() ? "" : fmt::format(", token {}", token);
    raise(Status::invalid_argument, "input '{}': stream {}{}, channel {} is {}, expected a finite number", port.name,
          stream, at, index % port.size, *bad);
}

void Session::submit(std::span<const std::span<const float>> inputs)
{
    if (is_submitted_) raise(Status::invalid_argument, "a step is submitted already: wait for it first");
    std::vector<size_t> wanted;
    for (size_t i = 0; i < model_.inputs().size(); ++i) {
        if (!model_.inputs()[i].is_context) wanted.push_back(i);
    }
    if (inputs.size() != wanted.size()) {
        raise(Status::invalid_argument, "step: expected {} inputs, found {}", wanted.size(), inputs.size());
    }
    for (size_t i = 0; i < wanted.size(); ++i) {
        const ModelPort& port = model_.inputs()[wanted[i]];
        if (inputs[i].size() != size_t{streams_} * port.size) {
            raise(Status::invalid_argument, "input '{}': expected {} x {} numbers, found {}", port.name, streams_,
                  port.size, inputs[i].size());
        }
        check_finite(inputs[i], port, {}, {});
    }
    for (size_t i = 0; i < wanted.size(); ++i) {
        std::memcpy(io_floats(step_inputs_[wanted[i]]), inputs[i].data(), inputs[i].size_bytes());
    }
    step_->submit();
    is_submitted_ = true;
    ++submissions_;
}

void Session::wait(std::span<const std::span<float>> outputs)
{
    step_->wait();
    is_submitted_ = false;
    if (outputs.size() != step_outputs_.size()) {
        raise(Status::invalid_argument, "step: expected room for {} outputs, found {}", step_outputs_.size(),
              outputs.size());
    }
    for (size_t i = 0; i < outputs.size(); ++i) {
        if (outputs[i].size() != step_outputs_[i].element_count()) {
            raise(Status::invalid_argument, "output '{}': expected room for {} x {} numbers, found {}",
                  model_.outputs()[i].name, streams_, model_.outputs()[i].size, outputs[i].size());
        }
        std::memcpy(outputs[i].data(), io_floats(step_outputs_[i]), outputs[i].size_bytes());
    }
}

void Session::observe(std::span<const uint32_t> streams, std::span<const uint32_t> counts,
                      std::span<const std::span<const float>> inputs)
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
        check_finite(inputs[i], port, streams, counts);
    }
    for (size_t i = 0; i < streams.size(); ++i) {
        const uint64_t held = uint64_t{positions_[streams[i]]} + counts[i];
        if (model_.capacity() > 0 && held > model_.capacity()) {
            raise(Status::invalid_argument, "stream {}: {} pairs, and {} keeps at most {} (its 'capacity')", streams[i],
                  held, model_.name(), model_.capacity());
        }
    }
    std::vector<uint64_t> starts(streams.size(), 0); // first token of each stream in the inputs
    for (size_t i = 1; i < streams.size(); ++i) starts[i] = starts[i - 1] + counts[i - 1];
    for (size_t first = 0; first < streams.size(); first += slots_) {
        const size_t count = std::min<size_t>(slots_, streams.size() - first);
        observe_slots(streams.subspan(first, count), counts.subspan(first, count),
                      std::span<const uint64_t>(starts).subspan(first, count), inputs);
    }
}

/// As many chunks of tokens as the longest of these streams needs.
void Session::observe_slots(std::span<const uint32_t> streams, std::span<const uint32_t> counts,
                            std::span<const uint64_t> starts, std::span<const std::span<const float>> inputs)
{
    const uint32_t longest = *std::max_element(counts.begin(), counts.end());
    for (uint32_t done = 0; done < longest; done += tokens_) {
        std::fill_n(io_words(slot_streams_), slots_, 0U);
        std::fill_n(io_words(slot_counts_), slots_, 0U);
        for (size_t slot = 0; slot < streams.size(); ++slot) {
            const uint32_t count = std::min(tokens_, counts[slot] - std::min(counts[slot], done));
            io_words(slot_streams_)[slot] = streams[slot];
            io_words(slot_counts_)[slot] = count;
            io_words(slot_positions_)[slot] = positions_[streams[slot]];
            for (size_t i = 0; i < inputs.size() && count > 0; ++i) {
                const uint32_t size = model_.inputs()[i].size;
                std::memcpy(io_floats(observe_inputs_[i]) + slot * tokens_ * size,
                            inputs[i].data() + (starts[slot] + done) * size, size_t{4} * count * size);
            }
        }
        run(*observe_);
        for (size_t slot = 0; slot < streams.size(); ++slot) positions_[streams[slot]] += io_words(slot_counts_)[slot];
    }
}

std::vector<SolveOutcome> Session::solve(std::span<const uint32_t> streams)
{
    check_streams(streams);
    if (!model_.has_context()) {
        raise(Status::invalid_argument, "{} has no context input: there is nothing to solve", model_.name());
    }
    std::vector<SolveOutcome> outcomes(streams.size());
    if (!solve_) return outcomes;
    for (size_t first = 0; first < streams.size(); first += slots_) {
        const size_t count = std::min<size_t>(slots_, streams.size() - first);
        std::fill_n(io_words(slot_streams_), slots_, kNone);
        std::copy_n(streams.begin() + static_cast<ptrdiff_t>(first), count, io_words(slot_streams_));
        run(*solve_);
        for (size_t slot = 0; slot < count; ++slot) outcomes[first + slot] = outcome_of(static_cast<uint32_t>(slot));
    }
    return outcomes;
}

/// The worst of the heads and nodes of a slot.
SolveOutcome Session::outcome_of(uint32_t slot) const
{
    SolveOutcome worst;
    worst.min_pivot = INFINITY;
    for (const NodeState& state : node_states_) {
        if (!has_solve(*state.node)) continue;
        const float* report = io_floats(state.report) + size_t{slot} * state.node->heads * kSolveReportWords;
        for (uint32_t head = 0; head < state.node->heads; ++head, report += kSolveReportWords) {
            worst.min_pivot = std::min(worst.min_pivot, report[0]);
            worst.alpha = std::max(worst.alpha, report[1]);
            worst.retries = std::max(worst.retries, static_cast<uint32_t>(report[2]));
            worst.residual = std::max(worst.residual, report[3]);
            worst.status = std::max(worst.status, static_cast<SolveStatus>(report[4]));
        }
    }
    return worst;
}

void Session::reset(std::span<const uint32_t> streams)
{
    check_streams(streams);
    if (is_submitted_) raise(Status::invalid_argument, "a step is submitted: wait for it before a reset");
    for (uint32_t stream : streams) {
        for (const NodeState& state : node_states_) {
            for (const Tensors::Entry& entry : state.tensors.entries()) {
                const uint64_t bytes = entry.tensor.bytes() / streams_;
                state_->fill_zero(entry.tensor.slice().offset + stream * bytes, bytes);
            }
        }
        positions_[stream] = 0;
    }
}

uint64_t Session::state_bytes() const
{
    return state_layout_.bytes();
}
uint64_t Session::activation_bytes() const
{
    return activations_->bytes();
}

std::vector<NodeTime> Session::step_profile()
{
    std::vector<NodeTime> times;
    const std::vector<double> spent = step_->launch_ns();
    for (size_t i = 0; i < spent.size(); ++i) times.push_back({step_labels_[i], spent[i] / 1e3});
    return times;
}

} // namespace gramian
