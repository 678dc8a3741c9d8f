// `gramian trace`: the q, k and v that the attention nodes of a model met on a user's input, for `compare`; or a
// synthetic trace of chosen skew.
#include "attention_trace.hpp"
#include "command.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <map>

namespace gramian::app {
namespace {

struct TraceOptions {
    CommonOptions common;
    std::string model;
    std::string input;
    std::string out;
    bool generate = false;
    uint32_t tokens = 512;
    uint32_t heads = 2;
    uint32_t width = 32;
    double skew = 1;
    uint64_t seed = 0;
};

/// A node that takes q, k and v, and the values that it takes them from.
struct AttentionNode {
    std::string name; // "node2"
    uint32_t heads = 1;
    std::map<std::string, std::string> values; // port: value
};

std::vector<std::string> ports_of(const std::string& op)
{
    for (const Json& entry : Json::parse(gramian_operators_json())) {
        if (entry["name"] != op) continue;
        std::vector<std::string> ports;
        for (const Json& input : entry["inputs"]) ports.push_back(input["name"]);
        return ports;
    }
    return {};
}

/// Values by port; `in` is a list in the operator's order or an object.
std::map<std::string, std::string> wiring(const Json& node)
{
    std::map<std::string, std::string> values;
    if (node["in"].is_object()) {
        for (const auto& [port, value] : node["in"].items()) values[port] = value.get<std::string>();
        return values;
    }
    const std::vector<std::string> ports = ports_of(node["op"]);
    for (size_t i = 0; i < node["in"].size() && i < ports.size(); ++i) values[ports[i]] = node["in"][i];
    return values;
}

std::vector<AttentionNode> attention_nodes(const Json& model)
{
    std::vector<AttentionNode> nodes;
    for (size_t i = 0; i < model["nodes"].size(); ++i) {
        const Json& node = model["nodes"][i];
        AttentionNode found{fmt::format("node{}", i), 1, wiring(node)};
        const auto attributes = node.find("attributes");
        if (attributes != node.end()) found.heads = attributes->value("heads", 1U);
        const auto has = [&](const char* port) { return found.values.contains(port); };
        if (has("q") && has("k") && has("v")) nodes.push_back(std::move(found));
    }
    return nodes;
}

/// The model again, with what its attention nodes take among its outputs, and without its golden rollout.
ModelHandle exposing_model(const DeviceHandle& device, const std::string& path, std::vector<AttentionNode>& nodes,
                           std::map<std::string, uint64_t>& sizes)
{
    const ModelHandle plain(device, path);
    const TensorsHandle file = TensorsHandle::load(path);
    Json model = Json::parse(gramian_tensors_get_text(file.get(), "gramian.model"));
    nodes = attention_nodes(model);
    std::map<std::string, bool> needs_context;
    for (const Json& value : Json::parse(plain.json())["values"]) {
        sizes[value["name"]] = value["size"];
        needs_context[value["name"]] = value["needs_context"];
    }
    std::erase_if(nodes, [&](const AttentionNode& node) {
        return std::any_of(node.values.begin(), node.values.end(),
                           [&](const auto& entry) { return needs_context[entry.second]; });
    });
    if (nodes.empty()) {
        throw std::runtime_error(path + ": expected a node that takes q, k and v of every token, found none");
    }
    Json outputs = Json::array();
    for (const AttentionNode& node : nodes) {
        for (const char* port : {"q", "k", "v"}) {
            const Json output{{"name", node.values.at(port)}, {"size", sizes.at(node.values.at(port))}};
            if (std::find(outputs.begin(), outputs.end(), output) == outputs.end()) outputs.push_back(output);
        }
    }
    model["outputs"] = outputs;
    TensorsHandle exposed;
    for (uint32_t i = 0; i < gramian_tensors_count(file.get()); ++i) {
        gramian_tensor_view view{};
        view.size = sizeof view;
        api::check(gramian_tensors_get(file.get(), i, &view));
        const std::string name = view.name;
        if (!name.starts_with("golden.")) exposed.add(name, std::span(view.shape, view.rank), view.values);
    }
    exposed.set_text("gramian.model", model.dump());
    return ModelHandle(device, exposed.serialize(), path);
}

/// The inputs of the model as sequences [B, T, size].
struct Sequences {
    uint64_t batch = 0;
    uint64_t tokens = 0;
    std::vector<gramian_tensor_view> inputs; // in the model's order
};

Sequences sequences_of(const Json& model, const TensorsHandle& file, const std::string& path)
{
    Sequences sequences;
    for (const Json& input : model["inputs"]) {
        if (input.value("context", false)) continue;
        const std::string name = input["name"];
        const gramian_tensor_view view = file.find(name);
        const bool fits =
            view.rank == 3 && view.shape[2] == input["size"] &&
            (sequences.inputs.empty() || (view.shape[0] == sequences.batch && view.shape[1] == sequences.tokens));
        if (!fits) {
            throw std::runtime_error(
                fmt::format("{}: {}: expected [B, T, {}], the same B and T for every input, found [{}]", path, name,
                            input["size"].dump(), fmt::join(view.shape, view.shape + view.rank, ", ")));
        }
        sequences.batch = view.shape[0];
        sequences.tokens = view.shape[1];
        sequences.inputs.push_back(view);
    }
    if (sequences.batch == 0 || sequences.tokens == 0) throw std::runtime_error(path + ": the input holds no token");
    return sequences;
}

/// Runs the sequences side by side; values by name, [B, T, size].
std::map<std::string, std::vector<float>> record_values(const ModelHandle& model, const Sequences& sequences)
{
    const Json description = Json::parse(model.json());
    gramian_session_options options = gramian_session_options_default();
    options.streams = static_cast<uint32_t>(sequences.batch);
    const SessionHandle session(model, options);
    std::vector<std::vector<float>> in, out;
    std::vector<const float*> in_pointers;
    std::vector<float*> out_pointers;
    for (const gramian_tensor_view& view : sequences.inputs) {
        in_pointers.push_back(in.emplace_back(view.shape[0] * view.shape[2]).data());
    }
    std::map<std::string, std::vector<float>> values;
    for (const Json& output : description["outputs"]) {
        const uint64_t size = output["size"];
        out_pointers.push_back(out.emplace_back(sequences.batch * size).data());
        values[output["name"]].resize(sequences.batch * sequences.tokens * size);
    }
    for (uint64_t t = 0; t < sequences.tokens; ++t) {
        for (size_t i = 0; i < in.size(); ++i) {
            const gramian_tensor_view& view = sequences.inputs[i];
            for (uint64_t b = 0; b < sequences.batch; ++b) {
                std::copy_n(view.values + (b * sequences.tokens + t) * view.shape[2], view.shape[2],
                            in[i].data() + b * view.shape[2]);
            }
        }
        api::check(gramian_session_step(session.get(), in_pointers.data(), out_pointers.data()));
        for (size_t i = 0; i < out.size(); ++i) {
            const uint64_t size = description["outputs"][i]["size"];
            std::vector<float>& all = values[description["outputs"][i]["name"]];
            for (uint64_t b = 0; b < sequences.batch; ++b) {
                std::copy_n(out[i].data() + b * size, size, all.data() + (b * sequences.tokens + t) * size);
            }
        }
    }
    return values;
}

std::vector<AttentionTrace> trace_model(const TraceOptions& options)
{
    const DeviceHandle device = open_device(options.common, options.common.device);
    std::vector<AttentionNode> nodes;
    std::map<std::string, uint64_t> sizes;
    const ModelHandle model = exposing_model(device, options.model, nodes, sizes);
    const TensorsHandle file = TensorsHandle::load(options.input);
    const Sequences sequences = sequences_of(Json::parse(model.json()), file, options.input);
    const std::map<std::string, std::vector<float>> values = record_values(model, sequences);
    std::vector<AttentionTrace> traces;
    for (const AttentionNode& node : nodes) {
        AttentionTrace trace;
        trace.name = node.name;
        trace.batch = static_cast<uint32_t>(sequences.batch);
        trace.tokens = static_cast<uint32_t>(sequences.tokens);
        trace.heads = node.heads;
        trace.width = static_cast<uint32_t>(sizes.at(node.values.at("q")) / node.heads);
        trace.columns = static_cast<uint32_t>(sizes.at(node.values.at("v")) / node.heads);
        trace.q = values.at(node.values.at("q"));
        trace.k = values.at(node.values.at("k"));
        trace.v = values.at(node.values.at("v"));
        traces.push_back(std::move(trace));
    }
    return traces;
}

Exit trace(const TraceOptions& options)
{
    const bool has_model = !options.model.empty() || !options.input.empty();
    if (options.generate == has_model || (has_model && options.input.empty())) {
        throw UsageError("expected MODEL and INPUT, or --generate");
    }
    const std::vector<AttentionTrace> traces =
        options.generate
            ? std::vector{generate_trace(options.tokens, options.heads, options.width, options.skew, options.seed)}
            : trace_model(options);
    save_traces(traces, options.out);
    Json nodes = Json::array();
    for (const AttentionTrace& one : traces) {
        nodes.push_back({{"node", one.name},
                         {"batch", one.batch},
                         {"tokens", one.tokens},
                         {"heads", one.heads},
                         {"key_width", one.width},
                         {"value_width", one.columns}});
    }
    if (options.common.json) {
        fmt::print("{}\n",
                   Json{{"out", options.out}, {"nodes", nodes}}.dump(-1, ' ', false, Json::error_handler_t::replace));
        return Exit::done;
    }
    for (const AttentionTrace& one : traces) {
        fmt::print("{}: {}{} sequences of {} tokens, {} heads, keys of {}, values of {}\n", options.out,
                   one.name.empty() ? "" : one.name + ", ", one.batch, one.tokens, one.heads, one.width, one.columns);
    }
    return Exit::done;
}

} // namespace

Command make_trace(CLI::App& parent)
{
    CLI::App* app = parent.add_subcommand("trace", "Write the q, k and v of a model's attention nodes to a file");
    app->footer(
        R"(INPUT holds the model's inputs, [B, T, size] each. The trace holds q, k [B, T, H, D] and v [B, T, H, E] of the attention
node, or NODE.q, NODE.k and NODE.v where there are several. --generate draws random vectors instead: --skew is the standard
deviation of the logits, 0 for uniform attention, 4 for attention to a few keys.

Example:
  gramian trace cartpole-memory.safetensors sequences.safetensors --out trace.safetensors
  gramian trace --generate --skew 2 --tokens 512 --out trace.safetensors)");
    auto options = std::make_shared<TraceOptions>();
    app->add_option("model", options->model, "FILE.safetensors");
    app->add_option("input", options->input, "FILE.safetensors");
    app->add_option("--out", options->out, "FILE.safetensors")->required();
    app->add_flag("--generate", options->generate, "A synthetic trace, without a model");
    app->add_option("--skew", options->skew, "Standard deviation of the logits")
        ->check(CLI::Range(0.0, 100.0))
        ->capture_default_str();
    app->add_option("--tokens", options->tokens, "Of a synthetic trace")
        ->check(CLI::Range(1U, 65'536U))
        ->capture_default_str();
    app->add_option("--heads", options->heads, "Of a synthetic trace")
        ->check(CLI::Range(1U, 256U))
        ->capture_default_str();
    app->add_option("--width", options->width, "Of keys and values of a synthetic trace")
        ->check(CLI::Range(1U, 256U))
        ->capture_default_str();
    app->add_option("--seed", options->seed, "Of a synthetic trace")->capture_default_str();
    add_common_options(*app, options->common);
    return {app, [options] { return trace(*options); }};
}

} // namespace gramian::app
