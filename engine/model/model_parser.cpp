#include "model/model_parser.hpp"

#include "base/hash.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/ranges.h>

namespace gramian {
namespace {

constexpr uint32_t kMaxSize = 65'536; // channels of a value
constexpr size_t kMaxNodes = 10'000;
constexpr size_t kMaxPorts = 64; // inputs or outputs of a model
constexpr uint32_t kMaxHeads = 4'096;

} // namespace

ModelParser::ModelParser(Device& device, const SafetensorsFile& file, std::string name)
    : file_(file), where_(std::move(name))
{
    model_.device_ = &device;
    model_.fingerprint_ = hash_bytes(file.bytes());
}

Model ModelParser::parse()
{
    parse_header();
    const Json& nodes = require(model_.description_, "nodes", Json::value_t::array, where_);
    if (nodes.empty() || nodes.size() > kMaxNodes) {
        raise(Status::invalid_model, "{}: expected 1 to {} nodes, found {}", where_, kMaxNodes, nodes.size());
    }
    for (size_t i = 0; i < nodes.size(); ++i) parse_node(nodes[i], i);
    connect_outputs();
    parse_golden();
    check_all_used();
    upload();
    return std::move(model_);
}

void ModelParser::parse_header()
{
    const auto found = file_.metadata().find("gramian.model");
    if (found == file_.metadata().end()) {
        raise(Status::invalid_model, "{}: expected __metadata__ to hold 'gramian.model', found no such entry", where_);
    }
    model_.description_ = parse_json(found->second, where_ + ": gramian.model", Status::invalid_model);
    const Json& description = model_.description_;
    refuse_unknown_keys(description,
                        {"version", "name", "task", "inputs", "outputs", "period_s", "teacher_return", "nodes", "card"},
                        where_);
    const int64_t version = require_integer(description, "version", 1, 1'000'000, where_);
    if (version != 1)
        raise(Status::invalid_model, "{}: format version {}, this engine reads version 1", where_, version);
    model_.name_ = require_string(description, "name", where_);
    if (description.contains("task")) require_string(description, "task", where_);
    for (const char* key : {"period_s", "teacher_return"}) {
        if (description.contains(key)) require_number(description, key, where_);
    }
    parse_ports("inputs", model_.inputs_);
    parse_ports("outputs", model_.outputs_);
    for (ModelPort& input : model_.inputs_) {
        input.value = add_value(input.name, input.size, input.is_context, where_ + ": inputs");
    }
    const bool has_step_input = std::any_of(model_.inputs_.begin(), model_.inputs_.end(),
                                            [](const ModelPort& input) { return !input.is_context; });
    if (!has_step_input) raise(Status::invalid_model, "{}: expected an input that is no context input", where_);
}

void ModelParser::parse_ports(const char* key, std::vector<ModelPort>& ports)
{
    const Json& list = require(model_.description_, key, Json::value_t::array, where_);
    if (list.empty() || list.size() > kMaxPorts) {
        raise(Status::invalid_model, "{}: {}: expected 1 to {}, found {}", where_, key, kMaxPorts, list.size());
    }
    for (size_t i = 0; i < list.size(); ++i) {
        const std::string where = fmt::format("{}: {}[{}]", where_, key, i);
        refuse_unknown_keys(list[i], {"name", "size", "context", "low", "high"}, where);
        ModelPort port;
        port.name = require_string(list[i], "name", where);
        port.size = static_cast<uint32_t>(require_integer(list[i], "size", 1, kMaxSize, where));
        if (list[i].contains("context")) {
            port.is_context = require(list[i], "context", Json::value_t::boolean, where).get<bool>();
        }
        port.low = parse_bounds(list[i], "low", where, port.size);
        port.high = parse_bounds(list[i], "high", where, port.size);
        const bool is_known =
            std::any_of(ports.begin(), ports.end(), [&](const ModelPort& other) { return other.name == port.name; });
        if (is_known) raise(Status::invalid_model, "{}: the name {} is taken", where, in_quotes(port.name));
        ports.push_back(std::move(port));
    }
}

std::vector<float> ModelParser::parse_bounds(const Json& port, const char* key, const std::string& where, uint32_t size)
{
    if (!port.contains(key)) return {};
    const Json& list = require(port, key, Json::value_t::array, where);
    std::vector<float> bounds;
    for (const Json& bound : list) {
        if (bound.is_number() && std::isfinite(bound.get<float>())) bounds.push_back(bound.get<float>());
    }
    if (bounds.size() != size || list.size() != size) {
        raise(Status::invalid_model, "{}: {}: expected {} finite numbers, found {}", where, key, size, describe(list));
    }
    return bounds;
}

uint32_t ModelParser::add_value(const std::string& name, uint32_t size, bool needs_context, const std::string& where)
{
    if (name.empty()) raise(Status::invalid_model, "{}: a value needs a name", where);
    if (size > kMaxSize) {
        raise(Status::invalid_model, "{}: value {} has size {}, at most {}", where, in_quotes(name), size, kMaxSize);
    }
    const auto index = static_cast<uint32_t>(model_.values_.size());
    if (!value_index_.emplace(name, index).second) {
        raise(Status::invalid_model, "{}: the value {} is made twice", where, in_quotes(name));
    }
    model_.values_.push_back({name, size, needs_context});
    return index;
}

std::string ModelParser::known_values() const
{
    std::vector<std::string> names;
    for (const Value& value : model_.values_) names.push_back(in_quotes(value.name));
    if (names.size() > 12) names.resize(12);
    return fmt::format("{}", fmt::join(names, ", "));
}

void ModelParser::parse_node(const Json& json, size_t index)
{
    std::string where = fmt::format("{}: node {}", where_, index);
    refuse_unknown_keys(json, {"op", "in", "out", "weights", "attributes"}, where);
    const std::string name = require_string(json, "op", where);
    const Operator* op = find_operator(name);
    if (!op || op->layout == Layout::batch) {
        raise(Status::invalid_model, "{}: no node operator {}; there are: {}", where, in_quotes(name),
              operator_names());
    }
    where += fmt::format(" ({})", name);
    Json attributes = json.contains("attributes") ? json.at("attributes") : Json::object();
    uint32_t heads = 1;
    if (attributes.is_object() && attributes.contains("heads") && op->layout == Layout::heads) {
        heads = static_cast<uint32_t>(require_integer(attributes, "heads", 1, kMaxHeads, where));
        attributes.erase("heads");
    }
    Node node{op, where, Attributes(std::move(attributes), where, Status::invalid_model), heads, {}, {}, {}, false};
    check_attribute_names(*op, node.attributes);
    connect_inputs(node, json);
    bind_weights(node, json);
    check_context(node);
    infer_outputs(node, json);
    check_indexes(node);
    model_.nodes_.push_back(std::move(node));
}

void ModelParser::connect_inputs(Node& node, const Json& json)
{
    const Json in = json.contains("in") ? json.at("in") : Json();
    if (in.is_object()) {
        for (const auto& [tensor, value] : in.items()) connect_input(node, tensor, value);
    } else if (in.is_array() && node.op->inputs.front().is_variadic) {
        if (in.empty()) raise(Status::invalid_model, "{}: expected at least one input, found none", node.name);
        for (const Json& value : in) connect_input(node, std::string(node.op->inputs.front().name), value);
    } else if (in.is_array()) {
        std::vector<std::string_view> required;
        for (const Port& port : node.op->inputs) {
            const bool is_required = !port.is_optional && !port.is_constant && port.exists(node.attributes);
            if (is_required) required.push_back(port.name);
        }
        if (in.size() != required.size()) {
            raise(Status::invalid_model, "{}: expected {} inputs ({}), found {}", node.name, required.size(),
                  fmt::join(required, ", "), in.size());
        }
        for (size_t i = 0; i < in.size(); ++i) connect_input(node, std::string(required[i]), in[i]);
    } else {
        raise(Status::invalid_model, "{}: 'in': expected an array or an object, found {}", node.name, describe(in));
    }
    for (const Port& port : node.op->inputs) {
        const bool is_wired = std::any_of(node.inputs.begin(), node.inputs.end(),
                                          [&](const Connection& connection) { return connection.port == &port; });
        if (!is_wired && !port.is_optional && !port.is_constant && port.exists(node.attributes)) {
            raise(Status::invalid_model, "{}: input '{}' is not wired", node.name, port.name);
        }
    }
}

void ModelParser::connect_input(Node& node, const std::string& port_name, const Json& value)
{
    const Port* port = node.op->input(port_name);
    if (!port || port->is_constant || !port->exists(node.attributes) || port_name.starts_with("state")) {
        raise(Status::invalid_model, "{}: no input {} that a value could feed", node.name, in_quotes(port_name));
    }
    if (!value.is_string()) {
        raise(Status::invalid_model, "{}: input '{}': expected the name of a value, found {}", node.name, port_name,
              describe(value));
    }
    const auto found = value_index_.find(value.get<std::string>());
    if (found == value_index_.end()) {
        raise(Status::invalid_model, "{}: input '{}': no value {} is made before this node; there are: {}", node.name,
              port_name, in_quotes(value.get<std::string>()), known_values());
    }
    node.inputs.push_back({port, found->second});
}

void ModelParser::check_context(Node& node)
{
    const auto depends = [&](const Connection& connection) { return model_.values_[connection.value].needs_context; };
    if (!node.op->context) return;
    const auto& written = node.op->context->written;
    for (const Connection& connection : node.inputs) {
        if (!depends(connection)) continue;
        if (std::find(written.begin(), written.end(), connection.port->name) == written.end()) {
            raise(Status::invalid_model,
                  "{}: input '{}' depends on a context input, which is known while observing only; expected one of {}",
                  node.name, connection.port->name, fmt::join(written, ", "));
        }
        node.is_context = true;
    }
}

/// Shapes at one token decide the sizes; the same rule holds for any number of tokens.
void ModelParser::infer_outputs(Node& node, const Json& json)
{
    const Json out = json.contains("out") ? json.at("out") : Json();
    if (!out.is_array() && !out.is_object()) {
        raise(Status::invalid_model, "{}: 'out': expected an array or an object, found {}", node.name, describe(out));
    }
    const size_t least = node.op->outputs.size();
    if (out.size() < least || out.size() > least + node.op->extras.size()) {
        const std::string extras =
            node.op->extras.empty() ? "" : fmt::format(" and perhaps {}", fmt::join(node.op->extras, ", "));
        raise(Status::invalid_model, "{}: expected {} outputs ({}{}), found {}", node.name, least,
              fmt::join(node.op->outputs, ", "), extras, out.size());
    }
    Tensors in;
    bool needs_context = false;
    for (const Port& port : node.op->inputs) {
        for (const Connection& connection : node.inputs) {
            if (connection.port != &port) continue;
            const Value& value = model_.values_[connection.value];
            in.add(std::string(port.name), {Arena::activations, 0, port_shape(node, port, 1, 1, value.size)});
            needs_context = needs_context || value.needs_context;
        }
        if (const Tensor* constant = node.constants.find(port.name)) in.add(std::string(port.name), *constant);
    }
    std::vector<std::pair<std::string, Shape>> shapes;
    try {
        shapes = node.op->infer(node.attributes, in);
        bind_constants(node, in);
        if (node.is_context) {
            (void)node.op->context->states(node.attributes, in);
            if (node.op->context->capacity) (void)node.op->context->capacity(node.attributes);
        }
    } catch (const Error& error) {
        const std::string what = error.what();
        raise(error.status() == Status::unsupported ? Status::unsupported : Status::invalid_model, "{}",
              what.starts_with(node.name) ? what : node.name + ": " + what);
    }
    for (size_t i = 0; i < out.size(); ++i) {
        const std::string& port = shapes[i].first; // an attribute may rename an output
        const Json name = out.is_array() ? out[i] : out.contains(port) ? out.at(port) : Json();
        if (!name.is_string()) {
            raise(Status::invalid_model, "{}: output '{}': expected the name of a value, found {}", node.name, port,
                  describe(name));
        }
        const auto size = static_cast<uint32_t>(std::min<uint64_t>(shapes[i].second.element_count(), kMaxSize + 1));
        node.outputs.push_back(add_value(name.get<std::string>(), size, needs_context && !node.is_context, node.name));
    }
}

/// Row numbers come from a model input, which the session checks, or from a node that can make no other.
void ModelParser::check_indexes(const Node& node)
{
    for (const Connection& connection : node.inputs) {
        if (connection.port->indexes.empty()) continue;
        const uint32_t rows = node.constants.at(connection.port->indexes).shape[0];
        const auto input = std::find_if(model_.inputs_.begin(), model_.inputs_.end(),
                                        [&](const ModelPort& port) { return port.value == connection.value; });
        if (input != model_.inputs_.end()) {
            input->row_count = input->row_count == 0 ? rows : std::min(input->row_count, rows);
            continue;
        }
        const auto maker = std::find_if(model_.nodes_.begin(), model_.nodes_.end(), [&](const Node& other) {
            return std::find(other.outputs.begin(), other.outputs.end(), connection.value) != other.outputs.end();
        });
        const bool is_index = maker != model_.nodes_.end() && maker->op->makes_index &&
                              model_.values_[maker->inputs.front().value].size <= rows;
        if (is_index) continue;
        raise(Status::invalid_model,
              "{}: input '{}': expected an input of the model, or an index among at most {}, found the value {}",
              node.name, connection.port->name, rows, in_quotes(model_.values_[connection.value].name));
    }
}

void ModelParser::connect_outputs()
{
    for (ModelPort& output : model_.outputs_) {
        const auto found = value_index_.find(output.name);
        if (found == value_index_.end()) {
            raise(Status::invalid_model, "{}: output {}: no node makes this value; there are: {}", where_,
                  in_quotes(output.name), known_values());
        }
        const Value& value = model_.values_[found->second];
        if (value.size != output.size) {
            raise(Status::invalid_model, "{}: output {}: expected size {}, its node makes {}", where_,
                  in_quotes(output.name), output.size, value.size);
        }
        if (value.needs_context) {
            raise(Status::invalid_model,
                  "{}: output {} depends on a context input other than through a node that learns", where_,
                  in_quotes(output.name));
        }
        if (output.is_context)
            raise(Status::invalid_model, "{}: output {} is marked context", where_, in_quotes(output.name));
        if (found->second < model_.inputs_.size()) {
            raise(Status::invalid_model, "{}: output {} is an input", where_, in_quotes(output.name));
        }
        output.value = found->second;
    }
    for (const ModelPort& input : model_.inputs_) {
        const bool is_read = std::any_of(model_.nodes_.begin(), model_.nodes_.end(), [&](const Node& node) {
            return std::any_of(node.inputs.begin(), node.inputs.end(),
                               [&](const Connection& connection) { return connection.value == input.value; });
        });
        if (!is_read) raise(Status::invalid_model, "{}: input {} feeds no node", where_, in_quotes(input.name));
    }
}

std::vector<float> ModelParser::golden_values(const std::string& name, uint32_t size)
{
    const FileTensor* tensor = file_.find("golden." + name);
    if (!tensor) {
        raise(Status::invalid_model, "{}: a golden rollout without the tensor 'golden.{}'", where_, name);
    }
    used_tensors_.insert(tensor->name);
    if (tensor->shape.size() != 2 || tensor->shape[1] != size || tensor->shape[0] == 0 || tensor->shape[0] > 100'000 ||
        (model_.golden_.tokens != 0 && tensor->shape[0] != model_.golden_.tokens)) {
        raise(Status::invalid_model, "{}: tensor {}: expected shape [{}, {}], found [{}]", where_,
              in_quotes(tensor->name), model_.golden_.tokens ? std::to_string(model_.golden_.tokens) : "T", size,
              fmt::join(tensor->shape, ", "));
    }
    model_.golden_.tokens = static_cast<uint32_t>(tensor->shape[0]);
    return finite_floats(*tensor);
}

void ModelParser::parse_golden()
{
    const bool has_golden = std::any_of(file_.tensors().begin(), file_.tensors().end(),
                                        [](const FileTensor& tensor) { return tensor.name.starts_with("golden."); });
    if (!has_golden) return;
    for (const ModelPort& input : model_.inputs_) {
        model_.golden_.inputs.push_back(golden_values(input.name, input.size));
    }
    for (const ModelPort& output : model_.outputs_) {
        model_.golden_.outputs.push_back(golden_values(output.name, output.size));
    }
}

void ModelParser::check_all_used()
{
    for (const FileTensor& tensor : file_.tensors()) {
        // What a distilled model was solved from travels with it, for whoever wants to add to it.
        if (used_tensors_.contains(tensor.name) || tensor.name.starts_with("statistics.")) continue;
        raise(Status::invalid_model, "{}: tensor {} is used by no node", where_, in_quotes(tensor.name));
    }
}

} // namespace gramian
