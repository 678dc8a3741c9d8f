#include "session/recording.hpp"

namespace gramian {
namespace {

bool is_written(const Node& node, const Port& port)
{
    const auto& written = node.op->context->written;
    return std::find(written.begin(), written.end(), port.name) != written.end();
}

/// "node 3 (linear)"
std::string short_name(const Node& node)
{
    return node.name.substr(node.name.find(": ") + 2);
}

} // namespace

Plan plan_nodes(const Model& model)
{
    const std::vector<Node>& nodes = model.nodes();
    Plan plan{std::vector<bool>(nodes.size()), std::vector<bool>(nodes.size())};
    std::vector<bool> step_values(model.values().size());
    std::vector<bool> observe_values(model.values().size());
    for (const ModelPort& output : model.outputs()) step_values[output.value] = true;
    // Nodes follow their inputs in the file, so one pass from the last to the first meets every user before its source.
    for (size_t i = nodes.size(); i-- > 0;) {
        const Node& node = nodes[i];
        const auto is_used = [&](const std::vector<bool>& values) {
            return std::any_of(node.outputs.begin(), node.outputs.end(), [&](uint32_t value) { return values[value]; });
        };
        plan.step[i] = is_used(step_values);
        plan.observe[i] = node.is_context ? plan.step[i] : is_used(observe_values);
        for (const Connection& connection : node.inputs) {
            const bool written = node.is_context && is_written(node, *connection.port);
            if (plan.step[i] && !written) step_values[connection.value] = true;
            if (plan.observe[i] && (written || !node.is_context)) observe_values[connection.value] = true;
        }
    }
    return plan;
}

NodeRecorder::NodeRecorder(const Model& model, Recorder& recorder, Extent extent, const SlotMap& map)
    : model_(model), recorder_(recorder), extent_(extent), map_(map)
{
}

void NodeRecorder::label(const Node& node, const char* half)
{
    recorder_.list.set_label(short_name(node) + half);
}

Tensor NodeRecorder::place_of(uint32_t value)
{
    const auto known = places_.find(value);
    if (known != places_.end()) return known->second;
    const Tensor tensor = recorder_.temporary({extent_.slots, extent_.tokens, model_.values()[value].size});
    return places_.emplace(value, tensor).first->second;
}

Tensors NodeRecorder::inputs(const Node& node, const std::function<bool(const Port&)>& is_wanted)
{
    Tensors in;
    for (const Port& port : node.op->inputs) {
        for (const Connection& connection : node.inputs) {
            if (connection.port != &port || !is_wanted(port)) continue;
            const Tensor tensor = place_of(connection.value);
            const uint32_t size = model_.values()[connection.value].size;
            in.add(std::string(port.name), tensor.as(port_shape(node, port, extent_.slots, extent_.tokens, size)));
        }
    }
    for (const Tensors::Entry& constant : node.constants.entries()) in.add(constant.name, constant.tensor);
    return in;
}

Tensors NodeRecorder::outputs(const Node& node, const Tensors& in)
{
    Tensors out;
    const auto shapes = node.op->infer(node.attributes, in);
    for (size_t i = 0; i < shapes.size(); ++i) {
        const bool is_value = i < node.outputs.size();
        out.add(shapes[i].first,
                is_value ? place_of(node.outputs[i]).as(shapes[i].second) : recorder_.temporary(shapes[i].second));
    }
    return out;
}

void NodeRecorder::record(const Node& node)
{
    label(node, "");
    const Tensors in = inputs(node, [](const Port&) { return true; });
    node.op->record(recorder_, node.attributes, in, outputs(node, in));
}

Tensor NodeRecorder::rows_of(uint32_t value)
{
    return place_of(value).as({extent_.slots * extent_.tokens, model_.values()[value].size});
}

void NodeRecorder::record_fused(const FusedNodes& fused)
{
    std::string label;
    for (const Node* node : fused.nodes) label += (label.empty() ? "" : " + ") + short_name(*node);
    recorder_.list.set_label(label);
    LinearBlock block{.x = rows_of(fused.source)};
    if (fused.norm) {
        block.norm = fused.norm->op->norm(fused.norm->attributes);
        block.gain = fused.norm->constants.find("weight");
        block.shift = fused.norm->constants.find("bias");
    }
    for (const FusedLayer& layer : fused.layers) {
        const Tensors& constants = layer.linear->constants;
        const bool is_kept = fused.is_chain && &layer == &fused.layers.front(); // it lies nowhere
        const Tensor like = rows_of(is_kept ? fused.layers.back().value : layer.value);
        const Tensor y{like.arena, like.offset, {like.shape[0], model_.values()[layer.value].size}};
        block.layers.push_back({constants.at("weight"), constants.find("bias"), y, layer.activation});
    }
    block.is_chain = fused.is_chain;
    if (fused.other) block.other = rows_of(*fused.other);
    block.pairing = fused.pairing;
    block.after = fused.after;
    linear_block(recorder_, block);
}

void NodeRecorder::record_recurrent(const Node& node, const Tensors& states)
{
    label(node, "");
    const Tensors in = inputs(node, [](const Port&) { return true; });
    Tensors out;
    const auto shapes = node.op->infer(node.attributes, in);
    for (size_t i = 0; i < node.outputs.size(); ++i) {
        out.add(shapes[i].first, place_of(node.outputs[i]).as(shapes[i].second));
    }
    node.op->recurrent->record(recorder_, node.attributes, in, states, out, map_);
}

void NodeRecorder::record_observe(const Node& node, const Tensors& states)
{
    label(node, " observe");
    const Tensors in = inputs(node, [&](const Port& port) { return is_written(node, port); });
    node.op->context->observe(recorder_, node.attributes, in, states, map_);
}

void NodeRecorder::record_read(const Node& node, const Tensors& states)
{
    label(node, " read");
    const Tensors in = inputs(node, [&](const Port& port) { return !is_written(node, port); });
    const uint32_t size = model_.values()[node.outputs[0]].size;
    Tensors out;
    out.add(std::string(node.op->outputs[0]),
            place_of(node.outputs[0]).as({extent_.slots, extent_.tokens, node.heads, size / node.heads}));
    for (size_t i = 1; i < node.outputs.size(); ++i) {
        out.add(std::string(node.op->extras[i - 1]),
                place_of(node.outputs[i]).as({extent_.slots, extent_.tokens, node.heads}));
    }
    node.op->context->read(recorder_, node.attributes, in, states, out, map_);
}

Tensors context_shapes(const Model& model, const Node& node)
{
    Tensors in;
    for (const Connection& connection : node.inputs) {
        const uint32_t size = model.values()[connection.value].size;
        in.add(std::string(connection.port->name),
               {Arena::activations, 0, port_shape(node, *connection.port, 1, 1, size)});
    }
    for (const Tensors::Entry& constant : node.constants.entries()) in.add(constant.name, constant.tensor);
    return in;
}

namespace {

struct Fusions {
    Fusion step, prefill, observe;
};

Fusions fuse_programs(const Model& model, const SessionLayout& layout, const Plan& plan)
{
    if (!layout.shares_launches) return {keep_apart(plan.step), keep_apart(plan.step), keep_apart(plan.observe)};
    const uint32_t block = layout.slots * layout.tokens;
    return {fuse_nodes(model, plan.step, layout.window_streams), fuse_nodes(model, plan.step, block),
            fuse_nodes(model, plan.observe, block)};
}

/// The recorders of the four programs, side by side: every node goes to those that run it.
struct Recorders {
    Recorders(const Model& model, const SessionLayout& layout, ProgramLists& lists)
        : caps(model.device().caps()), block_map(block_map_of(layout)),
          step(recorder_of(lists.step, layout.window_streams)),
          prefill(recorder_of(lists.prefill, layout.block_units())),
          observe(recorder_of(lists.observe, layout.block_units())), solve(recorder_of(lists.solve, layout.slots)),
          stepper(model, step, {layout.window_streams, 1}, step_map_of(layout)),
          prefiller(model, prefill, {layout.slots, layout.tokens}, block_map),
          observer(model, observe, {layout.slots, layout.tokens}, block_map)
    {
        for (size_t i = 0; i < model.inputs().size(); ++i) {
            const ModelPort& input = model.inputs()[i];
            observer.place(input.value, layout.block.inputs[i]);
            if (input.is_context) continue;
            stepper.place(input.value, layout.step.inputs[i]);
            prefiller.place(input.value, layout.block.inputs[i]);
        }
        for (size_t i = 0; i < model.outputs().size(); ++i) {
            stepper.place(model.outputs()[i].value, layout.step.outputs[i]);
            prefiller.place(model.outputs()[i].value, layout.block.outputs[i]);
        }
    }

    void take(const Node& node, size_t index, const Fusions& fusions)
    {
        record(stepper, node, index, fusions.step);
        record(prefiller, node, index, fusions.prefill);
        record(observer, node, index, fusions.observe);
    }

    void take_recurrent(const NodeState& state, bool is_in_step, bool is_in_observe)
    {
        if (is_in_step) stepper.record_recurrent(*state.node, state.kept);
        if (is_in_step) prefiller.record_recurrent(*state.node, state.kept);
        if (is_in_observe) observer.record_recurrent(*state.node, state.observed);
    }

    void take_context(const Model& model, const NodeState& state)
    {
        const Node& node = *state.node;
        stepper.record_read(node, state.kept);
        prefiller.record_read(node, state.kept);
        observer.record_observe(node, state.kept);
        if (!has_solve(node)) return;
        solve.list.set_label(short_name(node) + " solve");
        node.op->context->solve(solve, node.attributes, context_shapes(model, node), state.kept, state.report,
                                block_map);
    }

    static void record(NodeRecorder& recorder, const Node& node, size_t index, const Fusion& fusion)
    {
        if (fusion.places[index] == NodePlace::alone) recorder.record(node);
        const auto fused = fusion.launches.find(index);
        if (fused != fusion.launches.end()) recorder.record_fused(fused->second);
    }
    static SlotMap step_map_of(const SessionLayout& layout)
    {
        return {layout.step.streams.offset, kNone, layout.step.positions.offset, layout.window_streams};
    }
    static SlotMap block_map_of(const SessionLayout& layout)
    {
        return {layout.block.streams.offset, layout.block.counts.offset, layout.block.positions.offset, layout.slots};
    }
    Recorder recorder_of(ProgramLists::One& one, uint32_t units) const { return {one.list, caps, one.scratch, units}; }

    const Caps& caps;
    SlotMap block_map;
    Recorder step, prefill, observe, solve;
    NodeRecorder stepper, prefiller, observer;
};

} // namespace

ProgramLists record_programs(const Model& model, const SessionLayout& layout)
{
    ProgramLists lists;
    Recorders recorders(model, layout, lists);
    const Plan plan = plan_nodes(model);
    const Fusions fusions = fuse_programs(model, layout, plan);
    auto state = layout.nodes.begin();
    for (size_t i = 0; i < model.nodes().size(); ++i) {
        const Node& node = model.nodes()[i];
        if (!plan.step[i] && !plan.observe[i]) continue;
        if (is_recurrent(node))
            recorders.take_recurrent(*state++, plan.step[i], plan.observe[i]);
        else if (node.is_context)
            recorders.take_context(model, *state++);
        else
            recorders.take(node, i, fusions);
    }
    return lists;
}

} // namespace gramian
