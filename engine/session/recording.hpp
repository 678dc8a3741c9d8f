// From the nodes of a model to launch lists: which nodes a program needs, where their values lie, and the calls that
// record them. Used by plan_session alone.
#pragma once

#include "session/fusion.hpp"
#include "session/layout.hpp"

#include <functional>
#include <map>
#include <vector>

namespace gramian {

/// What one program works on: `slots` x `tokens` tokens.
struct Extent {
    uint32_t slots = 1;
    uint32_t tokens = 1;
};

/// Which nodes a step runs (for a context node: its read half) and which an observation runs (its write half).
struct Plan {
    std::vector<bool> step;
    std::vector<bool> observe;
};
Plan plan_nodes(const Model& model);

inline bool is_recurrent(const Node& node)
{
    return node.op->recurrent && !node.is_context;
}
inline bool has_solve(const Node& node)
{
    return node.is_context && node.op->context->solve;
}

/// The launch lists of a window, and the scratch that each of them needs.
struct ProgramLists {
    struct One {
        LaunchList list;
        ArenaLayout scratch{Arena::activations};
    };
    One step, prefill, observe, solve;
};
ProgramLists record_programs(const Model& model, const SessionLayout& layout);

/// Records nodes one by one; values that have no place yet get one in the activations arena.
class NodeRecorder {
public:
    NodeRecorder(const Model& model, Recorder& recorder, Extent extent, const SlotMap& map);

    /// Fixes where a value lies: model inputs, and outputs that go to the io arena.
    void place(uint32_t value, const Tensor& tensor) { places_[value] = tensor; }
    void record(const Node& node);
    void record_fused(const FusedNodes& fused);
    void record_recurrent(const Node& node, const Tensors& states);
    void record_observe(const Node& node, const Tensors& states);
    void record_read(const Node& node, const Tensors& states);

private:
    [[nodiscard]] Tensors inputs(const Node& node, const std::function<bool(const Port&)>& is_wanted);
    [[nodiscard]] Tensors outputs(const Node& node, const Tensors& in);
    Tensor place_of(uint32_t value);
    [[nodiscard]] Tensor rows_of(uint32_t value);
    void label(const Node& node, const char* half);

    const Model& model_;
    Recorder& recorder_;
    Extent extent_;
    SlotMap map_;
    std::map<uint32_t, Tensor> places_;
};

/// The tensors of a node as its states and solve see them, for one token: shapes only, but for its constants.
Tensors context_shapes(const Model& model, const Node& node);

} // namespace gramian
