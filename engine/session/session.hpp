// N streams of one model on one device: their state, and the programs that step, observe and solve. Everything that
// is recorded or allocated is so at creation; a step writes inputs, submits once, waits and reads outputs.
#pragma once

#include "model/model.hpp"
#include "ops/ridge_solve.hpp"
#include "ops/run_operator.hpp"

#include <memory>
#include <span>
#include <string>
#include <vector>

namespace gramian {

struct SessionOptions {
    uint32_t streams = 1;
    bool verify_golden = true; // replay the model's golden rollout first and refuse a device that does not reproduce it
    bool profile = false;      // time every launch
};

/// How a stream's least-squares problem went; of several heads and nodes, the worst.
struct SolveOutcome {
    SolveStatus status = SolveStatus::solved;
    float min_pivot = 0;
    float alpha = 0;
    uint32_t retries = 0;
    float residual = 0;
};

struct NodeTime {
    std::string node;
    double us = 0; // in the last run
};

class Session {
public:
    /// Throws out_of_memory with the numbers when the streams do not fit.
    Session(const Model& model, const SessionOptions& options);
    ~Session();
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    [[nodiscard]] const Model& model() const { return model_; }
    [[nodiscard]] uint32_t stream_count() const { return streams_; }

    /// One token for every stream. inputs[i]: [streams, size] of the i-th input that is no context input.
    /// Throws invalid_argument, naming stream and channel, for a value that is not finite: nothing changes then.
    void submit(std::span<const std::span<const float>> inputs);
    /// Waits for the submitted step; outputs[i]: [streams, size] of the i-th output.
    void wait(std::span<const std::span<float>> outputs);

    /// Shows tokens to some streams. `streams` are distinct; stream i gets counts[i] tokens, one after the other in
    /// inputs[j]: [sum of counts, size] of the model's j-th input, context inputs among them.
    /// Throws invalid_argument when a stream would hold more pairs than the model's capacity.
    void observe(std::span<const uint32_t> streams, std::span<const uint32_t> counts,
                 std::span<const std::span<const float>> inputs);
    /// Settles what the streams have observed; one outcome a stream.
    std::vector<SolveOutcome> solve(std::span<const uint32_t> streams);
    /// Forgets all that these streams have learned and done.
    void reset(std::span<const uint32_t> streams);

    /// What a stream holds of what it was shown, by "VALUE.STATE": the value that the node makes, the name of its
    /// state.
    [[nodiscard]] std::vector<NamedArray> statistics(uint32_t stream) const;
    /// Adds `weight` times the sums of another stream, of any session of a model whose learning nodes are alike: below
    /// 0 to take away what was added. What is no sum, such as a solution, is left alone: solve anew. Throws
    /// invalid_argument for a tensor that is missing, unknown or of another shape, unsupported for a node whose state
    /// is no sum.
    void add_statistics(uint32_t stream, const std::vector<NamedArray>& added, float weight);

    [[nodiscard]] uint64_t state_bytes() const;      // of all streams
    [[nodiscard]] uint64_t activation_bytes() const; // scratch, shared by all programs
    [[nodiscard]] uint64_t step_bytes_moved() const { return step_bytes_moved_; }
    [[nodiscard]] uint32_t step_dispatches() const { return step_dispatches_; }
    [[nodiscard]] uint64_t submissions() const { return submissions_; }
    /// Time of every node in the last step, observation and solve; empty unless `profile` was asked for.
    [[nodiscard]] std::vector<NodeTime> step_profile();

private:
    struct Recordings;
    struct NodeState {
        const Node* node = nullptr;
        Tensors tensors;
        Tensor report; // io [slots, H, 8], where the node has something to solve
    };

    void place_io();
    void place_state();
    void record_nodes(Recordings& recordings);
    void make_programs(bool profile);
    void check_fits() const;
    void check_streams(std::span<const uint32_t> streams) const;
    void check_finite(std::span<const float> values, const ModelPort& port, std::span<const uint32_t> streams,
                      std::span<const uint32_t> counts) const;
    void observe_slots(std::span<const uint32_t> streams, std::span<const uint32_t> counts,
                       std::span<const uint64_t> starts, std::span<const std::span<const float>> inputs);
    [[nodiscard]] SolveOutcome outcome_of(uint32_t slot) const;
    void warm_up();
    void run(Program& program);
    [[nodiscard]] const std::string& value_name(const NodeState& state) const;
    [[nodiscard]] float* io_floats(const Tensor& tensor) const;
    [[nodiscard]] uint32_t* io_words(const Tensor& tensor) const;

    const Model& model_;
    uint32_t streams_;
    uint32_t slots_ = 0;  // streams that one observation or solve works on
    uint32_t tokens_ = 0; // tokens a slot in one observation
    ArenaLayout io_layout_{Arena::io};
    ArenaLayout state_layout_{Arena::state};
    std::vector<Tensor> step_inputs_;    // by model input; unused for context inputs
    std::vector<Tensor> step_outputs_;   // by model output
    std::vector<Tensor> observe_inputs_; // by model input
    Tensor slot_streams_;
    Tensor slot_counts_;
    Tensor slot_positions_;
    std::vector<NodeState> node_states_; // by context node
    std::vector<uint32_t> positions_;    // tokens shown to each stream
    IoRange step_in_, step_out_, observe_in_, solve_in_, solve_out_;
    std::unique_ptr<Memory> io_, state_, activations_;
    std::unique_ptr<Program> step_, observe_, solve_;
    std::vector<std::string> step_labels_;
    uint64_t step_bytes_moved_ = 0;
    uint32_t step_dispatches_ = 0;
    uint64_t submissions_ = 0;
    bool is_submitted_ = false;
};

} // namespace gramian
