#include "session/session.hpp"

#include "session/golden.hpp"
#include "session/recording.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

namespace gramian {

Session::Session(const Model& model, const SessionOptions& options) : model_(model)
{
    if (options.streams == 0) raise(Status::invalid_argument, "a session needs at least one stream");
    if (options.verify_golden && model.golden().tokens > 0) verify_golden(model);
    ProgramLists lists;
    layout_ = plan_session(model, options, lists);
    info_.resize(layout_.streams);
    for (Info& info : info_) info.has_joined = !options.starts_empty;
    is_in_step_.assign(layout_.streams, false);
    list_joined();
    for (size_t i = 0; i < model.inputs().size(); ++i) {
        if (!model.inputs()[i].is_context) step_ports_.push_back(i);
    }
    for (const NodeState& state : layout_.nodes) {
        if (!is_recurrent(*state.node) || !state.node->op->recurrent->capacity) continue;
        const uint32_t capacity = state.node->op->recurrent->capacity(state.node->attributes);
        if (capacity == 0) continue;
        const auto lower = [&](uint32_t& limit) { limit = limit == 0 ? capacity : std::min(limit, capacity); };
        if (!state.kept.entries().empty()) lower(token_limit_);
        if (!state.observed.entries().empty()) lower(shown_limit_);
    }
    make_programs(lists, options.profile);
    warm_up();
}

Session::~Session() = default;

void Session::make_programs(const ProgramLists& lists, bool profile)
{
    Device& device = model_.device();
    for (uint32_t i = 0; i < layout_.window_count; ++i) {
        const std::string name = fmt::format("streams {} to {}", i * layout_.window_streams,
                                             std::min(layout_.streams, (i + 1) * layout_.window_streams) - 1);
        windows_.push_back({device.allocate(MemoryKind::device, layout_.state.bytes(), "state of " + name),
                            device.allocate(MemoryKind::io, layout_.step.arena.bytes(), "io of " + name)});
    }
    block_io_ = device.allocate(MemoryKind::io, layout_.block.arena.bytes(), "session io");
    activations_ = device.allocate(MemoryKind::device, layout_.scratch_bytes, "session activations");
    rows_ = std::make_unique<StreamRows>(layout_, device, windows_, *block_io_);

    std::vector<Arenas> arenas;
    for (const Window& window : windows_) {
        arenas.push_back({{model_.weights(), window.state.get(), activations_.get(), window.io.get()}});
    }
    const LaunchList& step = lists.step.list;
    step_ = device.compile(step, arenas, {"step", layout_.step.in, layout_.step.out, profile, layout_.window_streams});
    for (const Launch& launch : step.launches()) step_labels_.push_back(step.label(launch));
    profiled_ = step_.get();
    const LaunchList& prefill = lists.prefill.list;
    for (const Launch& launch : prefill.launches()) prefill_labels_.push_back(prefill.label(launch));
    step_bytes_moved_ = step.bytes_moved() * layout_.window_count;
    step_dispatches_ = static_cast<uint32_t>(step.launches().size()) * layout_.window_count;
    const BlockIo& io = layout_.block;
    for (Arenas& window : arenas) {
        window.memory[static_cast<size_t>(Arena::io)] = block_io_.get();
        prefill_.push_back(device.compile(prefill, window, {"prefill", io.in, io.out, profile, layout_.block_units()}));
        if (!model_.has_context()) continue;
        observe_.push_back(
            device.compile(lists.observe.list, window, {"observe", io.in, {}, false, layout_.block_units()}));
        if (lists.solve.list.launches().empty()) continue;
        solve_.push_back(
            device.compile(lists.solve.list, window, {"solve", io.solve_in, io.solve_out, false, layout_.slots}));
    }
}

/// The first submit of a kernel may compile it: that belongs to creation, not to the first step. A step runs for the
/// first stream of every window, since kernels for steps take it that their slots are at work; what that leaves behind
/// is cleared. Observations name a stream, and show it nothing; all else sees idle slots.
void Session::warm_up()
{
    std::fill_n(block_words(layout_.block.counts), layout_.slots, 0U);
    std::fill_n(block_words(layout_.block.positions), layout_.slots, 0U);
    for (uint32_t window = 0; window < layout_.window_count; ++window) {
        auto* streams = reinterpret_cast<uint32_t*>(step_floats(window, layout_.step.streams));
        std::fill_n(streams, layout_.window_streams, kNone);
        *streams = 0;
        *reinterpret_cast<uint32_t*>(step_floats(window, layout_.step.positions)) = 0;
        step_->set_slots(window, 1);
    }
    if (model_.has_context()) {
        std::fill_n(block_words(layout_.block.streams), layout_.slots, 0U);
        observe_[0]->run();
    }
    std::fill_n(block_words(layout_.block.streams), layout_.slots, kNone);
    if (!solve_.empty()) solve_[0]->run();
    step_->run();
    clear();
}

/// Every stream as new.
void Session::clear()
{
    for (const Window& window : windows_) window.state->fill_zero(0, window.state->bytes());
    const bool is_zero = std::all_of(layout_.parts.begin(), layout_.parts.end(),
                                     [](const StatePart& part) { return part.initial == 0; });
    if (is_zero) return;
    std::vector<uint32_t> all(layout_.streams);
    std::iota(all.begin(), all.end(), 0U);
    unpack_initial(all, RowProgram::unpack);
}

float* Session::step_floats(uint32_t window, const Tensor& tensor) const
{
    return reinterpret_cast<float*>(windows_[window].io->mapped()) + tensor.offset;
}

float* Session::block_floats(const Tensor& tensor) const
{
    return reinterpret_cast<float*>(block_io_->mapped()) + tensor.offset;
}

uint32_t* Session::block_words(const Tensor& tensor) const
{
    return reinterpret_cast<uint32_t*>(block_io_->mapped()) + tensor.offset;
}

void Session::list_joined()
{
    joined_.clear();
    for (uint32_t stream = 0; stream < layout_.streams; ++stream) {
        if (info_[stream].has_joined) joined_.push_back(stream);
    }
}

void Session::check_streams(Streams streams, bool must_have_joined) const
{
    std::vector<bool> seen(layout_.streams);
    for (uint32_t stream : streams) {
        if (stream >= layout_.streams) {
            raise(Status::invalid_argument, "stream {}: the session has streams 0 to {}", stream, layout_.streams - 1);
        }
        if (seen[stream]) raise(Status::invalid_argument, "stream {} is named twice", stream);
        seen[stream] = true;
        if (must_have_joined && !info_[stream].has_joined) {
            raise(Status::invalid_argument, "stream {} has not joined", stream);
        }
        if (is_submitted_ && is_in_step_[stream]) {
            raise(Status::invalid_argument, "stream {} is in a step that was submitted: wait for it first", stream);
        }
    }
}

/// `counts`: tokens of each stream, or empty for one each. A row number is whole and below the rows of its table.
void Session::check_values(std::span<const float> values, const ModelPort& port, Streams streams,
                           std::span<const uint32_t> counts) const
{
    const auto is_bad = [&](float value) {
        if (port.row_count == 0) return !std::isfinite(value);
        return !(value >= 0 && value < static_cast<float>(port.row_count) && value == std::floor(value));
    };
    const auto bad = std::find_if(values.begin(), values.end(), is_bad);
    if (bad == values.end()) return;
    const auto index = static_cast<size_t>(bad - values.begin());
    uint64_t token = index / port.size;
    size_t entry = 0;
    if (counts.empty()) entry = token;
    while (!counts.empty() && token >= counts[entry]) token -= counts[entry++];
    const std::string at = counts.empty() ? "" : fmt::format(", token {}", token);
    const std::string expected =
        port.row_count == 0 ? "a finite number" : fmt::format("a row number from 0 to {}", port.row_count - 1);
    raise(Status::invalid_argument, "input '{}': stream {}{}, channel {} is {}, expected {}", port.name, streams[entry],
          at, index % port.size, *bad, expected);
}

void Session::check_room(Streams streams, std::span<const uint32_t> counts) const
{
    for (size_t i = 0; token_limit_ > 0 && i < streams.size(); ++i) {
        const uint64_t tokens = info_[streams[i]].tokens + (counts.empty() ? 1 : counts[i]);
        if (tokens <= token_limit_) continue;
        raise(Status::invalid_argument, "stream {}: {} tokens, and {} keeps at most {} (its 'capacity')", streams[i],
              tokens, model_.name(), token_limit_);
    }
}

void Session::submit(Inputs inputs)
{
    submit_rows(joined_, true, inputs);
}

void Session::submit_some(Streams streams, Inputs inputs)
{
    check_streams(streams);
    submit_rows(streams, false, inputs);
}

void Session::submit_rows(Streams streams, bool is_by_stream, Inputs inputs)
{
    if (is_submitted_) raise(Status::invalid_argument, "a step is submitted already: wait for it first");
    const std::vector<size_t>& ports = step_ports_;
    if (inputs.size() != ports.size()) {
        raise(Status::invalid_argument, "step: expected {} inputs, found {}", ports.size(), inputs.size());
    }
    const size_t rows = is_by_stream ? layout_.streams : streams.size();
    for (size_t i = 0; i < ports.size(); ++i) {
        const ModelPort& port = model_.inputs()[ports[i]];
        if (inputs[i].size() != rows * port.size) {
            raise(Status::invalid_argument, "input '{}': expected {} x {} numbers, found {}", port.name, rows,
                  port.size, inputs[i].size());
        }
        for (size_t row = 0; row < streams.size(); ++row) {
            const size_t at = is_by_stream ? streams[row] : row;
            check_values(inputs[i].subspan(at * port.size, port.size), port, streams.subspan(row, 1), {});
        }
    }
    check_room(streams, {});
    is_by_stream_ = is_by_stream;
    assign_slots(streams);
    for (size_t i = 0; i < ports.size(); ++i) {
        copy_inputs(inputs[i], model_.inputs()[ports[i]], layout_.step.inputs[ports[i]]);
    }
    for (size_t row = 0; row < streams.size(); ++row) {
        auto* positions = reinterpret_cast<uint32_t*>(step_floats(slots_[row].window, layout_.step.positions));
        positions[slots_[row].slot] = static_cast<uint32_t>(info_[streams[row]].tokens++);
        is_in_step_[streams[row]] = true;
    }
    step_->submit();
    profiled_ = step_.get();
    is_submitted_ = true;
    ++submissions_;
}

/// Each window's streams get its slots in the caller's order; nothing is written when they are those of the last step.
void Session::assign_slots(Streams streams)
{
    if (std::equal(streams.begin(), streams.end(), submitted_.begin(), submitted_.end()) && !slot_counts_.empty())
        return;
    submitted_.assign(streams.begin(), streams.end());
    slots_.clear();
    slot_counts_.assign(layout_.window_count, 0);
    for (uint32_t stream : streams) {
        const uint32_t window = window_of(stream);
        const uint32_t slot = slot_counts_[window]++;
        reinterpret_cast<uint32_t*>(step_floats(window, layout_.step.streams))[slot] = place_of(stream);
        slots_.push_back({window, slot});
    }
    for (uint32_t window = 0; window < layout_.window_count; ++window) {
        auto* words = reinterpret_cast<uint32_t*>(step_floats(window, layout_.step.streams));
        std::fill(words + slot_counts_[window], words + layout_.window_streams, kNone);
        step_->set_slots(window, slot_counts_[window]);
    }
}

void Session::copy_inputs(std::span<const float> values, const ModelPort& port, const Tensor& tensor)
{
    for (size_t row = 0; row < slots_.size(); ++row) {
        const size_t at = is_by_stream_ ? submitted_[row] : row;
        std::memcpy(step_floats(slots_[row].window, tensor) + size_t{slots_[row].slot} * port.size,
                    values.data() + at * port.size, size_t{4} * port.size);
    }
}

void Session::wait(Outputs outputs)
{
    step_->wait();
    if (is_submitted_) {
        for (uint32_t stream : submitted_) is_in_step_[stream] = false;
    }
    is_submitted_ = false;
    if (outputs.size() != model_.outputs().size()) {
        raise(Status::invalid_argument, "step: expected room for {} outputs, found {}", model_.outputs().size(),
              outputs.size());
    }
    const size_t rows = is_by_stream_ ? layout_.streams : submitted_.size();
    for (size_t i = 0; i < outputs.size(); ++i) {
        const ModelPort& port = model_.outputs()[i];
        if (outputs[i].size() != rows * port.size) {
            raise(Status::invalid_argument, "output '{}': expected room for {} x {} numbers, found {}", port.name, rows,
                  port.size, outputs[i].size());
        }
        for (size_t row = 0; row < slots_.size(); ++row) {
            const size_t at = is_by_stream_ ? submitted_[row] : row;
            std::memcpy(outputs[i].data() + at * port.size,
                        step_floats(slots_[row].window, layout_.step.outputs[i]) + size_t{slots_[row].slot} * port.size,
                        size_t{4} * port.size);
        }
    }
}

std::vector<NodeTime> Session::profile()
{
    std::vector<NodeTime> times;
    const std::vector<std::string>& labels = profiled_ == step_.get() ? step_labels_ : prefill_labels_;
    const std::vector<double> spent = profiled_->launch_ns();
    for (size_t i = 0; i < spent.size(); ++i) times.push_back({labels[i], spent[i] / 1e3});
    return times;
}

} // namespace gramian
