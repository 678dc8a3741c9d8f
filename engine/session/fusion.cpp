#include "session/fusion.hpp"

#include <algorithm>

namespace gramian {
namespace {

class Fuser {
public:
    Fuser(const Model& model, const std::vector<bool>& runs, uint32_t tokens)
        : model_(model), tokens_(tokens), nodes_(model.nodes()), readers_(model.values().size()),
          writers_(model.values().size(), kNobody), is_output_(model.values().size()), fusion_(keep_apart(runs))
    {
        for (size_t i = 0; i < nodes_.size(); ++i) {
            if (!runs[i]) continue;
            for (const Connection& connection : nodes_[i].inputs) readers_[connection.value].push_back(i);
            for (const uint32_t value : nodes_[i].outputs) writers_[value] = i;
        }
        for (const ModelPort& output : model.outputs()) is_output_[output.value] = true;
    }

    Fusion fuse()
    {
        for (size_t i = 0; i < nodes_.size(); ++i) {
            if (is_free_linear(i)) fuse_layers(i);
        }
        return std::move(fusion_);
    }

private:
    static constexpr size_t kNobody = SIZE_MAX;

    /// A launch as it grows.
    struct Draft {
        FusedNodes fused;
        std::vector<size_t> nodes;
    };

    [[nodiscard]] bool is_free_linear(size_t i) const
    {
        return nodes_[i].op->is_linear && fusion_.places[i] == NodePlace::alone;
    }
    [[nodiscard]] uint32_t width_of(uint32_t value) const { return model_.values()[value].size; }

    /// The only reader of a value, unless it is part of a launch or the value leaves the model: its maker may be one
    /// with it.
    [[nodiscard]] size_t only_reader(uint32_t value) const
    {
        if (is_output_[value] || readers_[value].size() != 1) return kNobody;
        const size_t reader = readers_[value].front();
        return fusion_.places[reader] == NodePlace::alone ? reader : kNobody;
    }

    /// The norm that makes this value, where linear layers alone read it: each of their launches takes it over.
    [[nodiscard]] size_t norm_of(uint32_t value) const
    {
        const size_t writer = writers_[value];
        if (writer == kNobody || is_output_[value] || width_of(value) > kMaxNormWidth) return kNobody;
        const Node& node = nodes_[writer];
        if (!node.op->norm || !node.op->norm(node.attributes)) return kNobody;
        const auto& readers = readers_[value];
        const bool are_linear =
            std::all_of(readers.begin(), readers.end(), [&](size_t i) { return nodes_[i].op->is_linear; });
        return are_linear ? writer : kNobody;
    }

    /// The value that an activation makes of the given one, where that is its only reader: it joins the launch.
    uint32_t take_activation(Draft& draft, uint32_t value, Activation& activation) const
    {
        const size_t reader = only_reader(value);
        if (reader == kNobody || !nodes_[reader].op->activation) return value;
        activation = nodes_[reader].op->activation(nodes_[reader].attributes);
        draft.nodes.push_back(reader);
        return nodes_[reader].outputs.front();
    }

    [[nodiscard]] FusedLayer make_layer(Draft& draft, size_t linear) const
    {
        FusedLayer layer{&nodes_[linear], nodes_[linear].outputs.front()};
        draft.nodes.push_back(linear);
        layer.value = take_activation(draft, layer.value, layer.activation);
        return layer;
    }

    static DType type_of(const FusedLayer& layer) { return layer.linear->constants.at("weight").dtype; }

    /// Whether a launch can take both: weights of one type, outputs in one arena.
    [[nodiscard]] bool go_together(const FusedLayer& a, const FusedLayer& b) const
    {
        return type_of(a) == type_of(b) && is_output_[a.value] == is_output_[b.value] &&
               width_of(a.value) <= kMaxLayerColumns && width_of(b.value) <= kMaxLayerColumns / kMaxLayers;
    }

    void take_siblings(Draft& draft, size_t first) const
    {
        const uint32_t value = nodes_[first].inputs.front().value;
        for (const size_t i : readers_[value]) {
            if (i == first || !is_free_linear(i) || draft.fused.layers.size() == kMaxLayers) continue;
            Draft attempt = draft;
            const FusedLayer layer = make_layer(attempt, i);
            if (!go_together(draft.fused.layers.front(), layer)) continue;
            draft = std::move(attempt);
            draft.fused.layers.push_back(layer);
        }
    }

    /// A second layer, where it is the only reader of what the first one makes.
    void take_next(Draft& draft) const
    {
        const FusedLayer& first = draft.fused.layers.front();
        const size_t next = only_reader(first.value);
        if (next == kNobody || !is_free_linear(next)) return;
        const DType type = type_of(first);
        const uint32_t columns = width_of(nodes_[next].outputs.front());
        if (width_of(draft.fused.source) > kMaxChainWidth || width_of(first.value) > kMaxChainHidden ||
            columns > kMaxChainColumns || type_of({&nodes_[next], 0}) != type ||
            !suits_chain(model_.device().caps(), tokens_, type == DType::f16))
            return;
        draft.fused.is_chain = true;
        draft.fused.layers.push_back(make_layer(draft, next));
    }

    /// What is done to the last layer's output and another value.
    void take_pair(Draft& draft) const
    {
        FusedLayer& layer = draft.fused.layers.back();
        const size_t reader = only_reader(layer.value);
        if (reader == kNobody || !nodes_[reader].op->pair) return;
        const Node& node = nodes_[reader];
        const PairForm form = node.op->pair(node.attributes);
        const size_t own = node.inputs[0].value == layer.value ? 0 : 1;
        if (!form.port.empty() && node.inputs[own].port->name != form.port) return;
        if (form.before != Activation::identity && layer.activation != Activation::identity) return;
        if (form.before != Activation::identity) layer.activation = form.before;
        draft.nodes.push_back(reader);
        draft.fused.other = node.inputs[1 - own].value;
        draft.fused.pairing = form.pairing;
        draft.fused.after = form.after;
        layer.value = node.outputs.front();
        if (form.after == Activation::identity) layer.value = take_activation(draft, layer.value, draft.fused.after);
    }

    void fuse_layers(size_t first)
    {
        Draft draft;
        draft.fused.source = nodes_[first].inputs.front().value;
        const size_t norm = norm_of(draft.fused.source);
        draft.fused.layers.push_back(make_layer(draft, first));
        take_siblings(draft, first);
        if (draft.fused.layers.size() == 1) {
            take_next(draft);
            take_pair(draft);
        }
        // Everything is there once the first layer's input and the second operand of a pair are.
        const size_t place = draft.fused.other ? *std::max_element(draft.nodes.begin(), draft.nodes.end()) : first;
        if (norm != kNobody) {
            draft.nodes.push_back(norm);
            draft.fused.norm = &nodes_[norm];
            draft.fused.source = draft.fused.norm->inputs.front().value;
        }
        if (draft.nodes.size() == 1) return;
        std::sort(draft.nodes.begin(), draft.nodes.end());
        for (const size_t i : draft.nodes) {
            fusion_.places[i] = NodePlace::shared;
            draft.fused.nodes.push_back(&nodes_[i]);
        }
        fusion_.launches.emplace(place, std::move(draft.fused));
    }

    const Model& model_;
    uint32_t tokens_;
    const std::vector<Node>& nodes_;
    std::vector<std::vector<size_t>> readers_; // by value: nodes that run, one for each of their inputs
    std::vector<size_t> writers_;              // by value
    std::vector<bool> is_output_;              // by value
    Fusion fusion_;
};

} // namespace

Fusion fuse_nodes(const Model& model, const std::vector<bool>& runs, uint32_t tokens)
{
    return Fuser(model, runs, tokens).fuse();
}

Fusion keep_apart(const std::vector<bool>& runs)
{
    Fusion fusion;
    for (const bool is_run : runs) fusion.places.push_back(is_run ? NodePlace::alone : NodePlace::absent);
    return fusion;
}

} // namespace gramian
