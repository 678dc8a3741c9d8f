// N streams of one model on one device: their state, and the programs that step, prefill, observe and solve. Everything
// that a step needs is recorded and allocated at creation; a step writes inputs, submits once, waits and reads outputs.
// session.cpp: creation and steps; sequences.cpp: many tokens at once; streams.cpp: streams that come, go and copy.
#pragma once

#include "ops/ridge_solve.hpp"
#include "ops/run_operator.hpp"
#include "session/layout.hpp"
#include "session/saved_state.hpp"
#include "session/stream_rows.hpp"

#include <memory>
#include <span>
#include <string>
#include <vector>

namespace gramian {

using Inputs = std::span<const std::span<const float>>;
using Outputs = std::span<const std::span<float>>;
using Streams = std::span<const uint32_t>;

/// How a stream's least-squares problem went; of several heads and nodes, the worst.
struct SolveOutcome {
    SolveStatus status = SolveStatus::solved;
    float min_pivot = 0;
    float alpha = 0;
    uint32_t retries = 0;
    float residual = 0;
};

constexpr uint32_t kReportFields = 5; // of a report: smallest pivot, alpha, retries, residual, status

/// The reports of a node's heads, [heads, kReportFields], of what kernels wrote.
NamedArray report_array(const std::string& value, const float* words, uint32_t heads);

struct NodeTime {
    std::string node;
    double us = 0; // in the last run
};

/// Lists of streams name each stream once. A call about streams that are in a submitted step is refused until `wait`;
/// about other streams it is not. What is refused, with invalid_argument unless said otherwise, changes nothing.
class Session {
public:
    /// Throws out_of_memory with the numbers when the streams do not fit.
    Session(const Model& model, const SessionOptions& options);
    ~Session();
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    [[nodiscard]] const Model& model() const { return model_; }
    [[nodiscard]] uint32_t stream_count() const { return layout_.streams; }
    [[nodiscard]] bool has_joined(uint32_t stream) const { return info_.at(stream).has_joined; }
    [[nodiscard]] uint32_t joined_count() const { return static_cast<uint32_t>(joined_.size()); }
    [[nodiscard]] StreamPosition position_of(uint32_t stream) const;

    /// One token for every stream that has joined. inputs[i]: [streams, size] of the i-th input that is no context
    /// input; rows of other streams are not read. Throws for a value that is not finite, naming stream and channel.
    void submit(Inputs inputs);
    /// The same for these streams only; inputs[i]: [count, size] in their order. The others cost nothing.
    void submit_some(Streams streams, Inputs inputs);
    /// Waits for the submitted step; outputs[i]: [streams, size], or [count, size], of the i-th output.
    void wait(Outputs outputs);
    /// Rows of the outputs that the next wait gives.
    [[nodiscard]] uint64_t submitted_rows() const { return is_by_stream_ ? layout_.streams : submitted_.size(); }

    /// counts[i] tokens for streams[i], one after the other in inputs[j]: [sum of counts, size] of the j-th input that
    /// is no context input; outputs likewise. The same as that many steps, however they are cut.
    void prefill(Streams streams, std::span<const uint32_t> counts, Inputs inputs, Outputs outputs);
    /// Shows tokens to some streams: inputs[j] of the model's j-th input, context inputs among them.
    /// Refused when a stream would hold more pairs, or a demonstration more tokens, than the model's capacity.
    void observe(Streams streams, std::span<const uint32_t> counts, Inputs inputs);
    /// What these streams are shown next is a new demonstration: recurrent nodes before the learning ones start anew.
    void begin_demonstration(Streams streams);
    /// Settles what the streams have observed; one outcome a stream.
    std::vector<SolveOutcome> solve(Streams streams);
    /// How each least-squares problem of a stream went, by "VALUE.report" [H, 5]: smallest pivot, alpha, retries,
    /// residual, status; of the last solve over a context, and of the last token of a node that solves at every one.
    [[nodiscard]] std::vector<NamedArray> reports(uint32_t stream) const;

    /// What a stream holds of what it was shown, by "VALUE.STATE": the value that the node makes, the name of its
    /// state.
    [[nodiscard]] std::vector<NamedArray> statistics(uint32_t stream) const;
    /// Adds `weight` times the sums of another stream, of any session of a model whose learning nodes are alike: below
    /// 0 to take away what was added. What is no sum, such as a solution, is left alone: solve anew. Throws
    /// invalid_argument for a tensor that is missing, unknown or of another shape, unsupported for a node whose state
    /// is no sum.
    void add_statistics(uint32_t stream, const std::vector<NamedArray>& added, float weight);

    /// The free streams with the lowest numbers, as new. Throws out_of_memory when fewer are free.
    std::vector<uint32_t> join(uint32_t count);
    void leave(Streams streams);
    /// As new: forgets all that these streams have learned and done.
    void reset(Streams streams);
    /// Every target becomes what `from` is.
    void copy(uint32_t from, Streams targets);
    /// Adds what `from` was shown to what `to` was, times `weight` (-1 takes it away again); solve afterwards.
    /// Throws unsupported where a node keeps more than sums.
    void merge(uint32_t to, uint32_t from, float weight);
    /// Keeps the streams as they are now in their rings, over the oldest snapshot where a ring is full.
    void snapshot(Streams streams);
    /// Back to the `back`-th last snapshot (1: the last), which stays; later ones are gone.
    void rewind(Streams streams, uint32_t back);
    [[nodiscard]] std::vector<std::byte> save(Streams streams);
    [[nodiscard]] size_t saved_bytes(uint32_t streams) const;
    /// Throws invalid_state for bytes that are not exactly what `save` made, of as many streams.
    void restore(Streams streams, std::span<const std::byte> bytes, bool on_any_device);

    [[nodiscard]] const SessionLayout& layout() const { return layout_; }
    [[nodiscard]] uint64_t step_bytes_moved() const { return step_bytes_moved_; }
    [[nodiscard]] uint32_t step_dispatches() const { return step_dispatches_; }
    /// Steps, prefills, observations and solves.
    [[nodiscard]] uint64_t submissions() const { return submissions_; }
    /// Time of every node in the last step, or the last block of a prefill; empty unless `profile` was asked for.
    [[nodiscard]] std::vector<NodeTime> profile();

private:
    struct Info : StreamPosition {
        bool has_joined = true;
        std::vector<NamedArray> solved;   // reports of the last solve, of the nodes over a context
        uint64_t shown = 0;               // pairs of the demonstration at hand, or more where that is not known
        uint32_t next_snapshot = 0;       // row of its ring
        std::vector<StreamPosition> ring; // of its snapshots, the oldest first
    };
    /// Streams of one window that a block works on, and where their tokens lie in the caller's arrays.
    struct Block {
        uint32_t window = 0;
        std::vector<uint32_t> entries; // into the caller's list of streams
    };
    struct Sequences;

    void make_programs(const ProgramLists& lists, bool profile);
    void warm_up();
    [[nodiscard]] const std::string& value_name(const NodeState& state) const;
    void clear();
    void list_joined();
    void check_streams(Streams streams, bool must_have_joined = true) const;
    void check_values(std::span<const float> values, const ModelPort& port, Streams streams,
                      std::span<const uint32_t> counts) const;
    void check_room(Streams streams, std::span<const uint32_t> counts) const;
    void submit_rows(Streams streams, bool is_by_stream, Inputs inputs);
    void assign_slots(Streams streams);
    void copy_inputs(std::span<const float> values, const ModelPort& port, const Tensor& tensor);
    [[nodiscard]] std::vector<Block> blocks_of(Streams streams, uint32_t most) const;
    void run_sequences(const Sequences& sequences);
    void run_block(const Sequences& sequences, const Block& block, uint32_t done);
    void unpack_initial(Streams streams, RowProgram program);
    void set_position(uint32_t stream, const StreamPosition& position);
    [[nodiscard]] std::vector<NamedArray> solved_reports(uint32_t slot) const;
    [[nodiscard]] uint32_t window_of(uint32_t stream) const { return stream / layout_.window_streams; }
    [[nodiscard]] uint32_t place_of(uint32_t stream) const { return stream % layout_.window_streams; }
    [[nodiscard]] StateOwner owner() const;
    [[nodiscard]] float* step_floats(uint32_t window, const Tensor& tensor) const;
    [[nodiscard]] float* block_floats(const Tensor& tensor) const;
    [[nodiscard]] uint32_t* block_words(const Tensor& tensor) const;

    const Model& model_;
    SessionLayout layout_;
    std::vector<Info> info_;
    std::vector<Window> windows_;
    std::unique_ptr<Memory> block_io_, activations_;
    std::unique_ptr<Program> step_;
    std::vector<std::unique_ptr<Program>> prefill_, observe_, solve_; // by window
    std::unique_ptr<StreamRows> rows_;
    uint32_t token_limit_ = 0; // of a stream, where a recurrent node has a capacity
    uint32_t shown_limit_ = 0; // of a demonstration, likewise

    struct Slot {
        uint32_t window, slot;
    };
    std::vector<size_t> step_ports_;    // the model inputs that are no context inputs
    std::vector<uint32_t> joined_;      // ascending
    std::vector<uint32_t> submitted_;   // the streams of the last step, in the caller's order
    std::vector<Slot> slots_;           // of each
    std::vector<uint32_t> slot_counts_; // at work, by window
    std::vector<bool> is_in_step_;      // by stream, while a step is submitted
    bool is_by_stream_ = true;          // the caller's rows are those of all streams
    bool is_submitted_ = false;
    std::vector<std::string> step_labels_, prefill_labels_;
    Program* profiled_ = nullptr; // the step, or a prefill
    uint64_t step_bytes_moved_ = 0;
    uint32_t step_dispatches_ = 0;
    uint64_t submissions_ = 0;
};

} // namespace gramian
