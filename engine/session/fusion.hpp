// Which nodes share a launch: linear layers that read the same value, with the norm before them and the pointwise
// functions after them, wherever nobody else reads what lies between. Decided from the graph alone, and no bit depends
// on it: a launch each makes the same numbers. Used by recording.
#pragma once

#include "model/model.hpp"
#include "ops/linear.hpp"

#include <map>
#include <optional>
#include <vector>

namespace gramian {

struct FusedLayer {
    const Node* linear;
    uint32_t value; // what the launch makes of it
    Activation activation = Activation::identity;
};

struct FusedNodes {
    std::vector<const Node*> nodes; // all of them, in the order of the model
    uint32_t source;                // value: what the norm reads, or the layers where there is none
    const Node* norm = nullptr;
    std::vector<FusedLayer> layers;
    bool is_chain = false;         // two layers, and the second one reads what the first one makes
    std::optional<uint32_t> other; // value: second operand of what is done to the only layer, or to the last of a chain
    Pairing pairing = Pairing::none;
    Activation after = Activation::identity;
};

enum class NodePlace : uint8_t {
    absent, // the program does not run this node
    alone,  // it has its own launch
    shared, // it is part of a launch of several nodes
};

struct Fusion {
    std::vector<NodePlace> places;         // by node
    std::map<size_t, FusedNodes> launches; // by the node in whose place each stands, the last of those it waits for
};

/// Of a program that runs the nodes that `runs` says, for so many tokens at a time. Which layers make a chain depends
/// on these.
Fusion fuse_nodes(const Model& model, const std::vector<bool>& runs, uint32_t tokens);
/// A launch for each node.
Fusion keep_apart(const std::vector<bool>& runs);

} // namespace gramian
