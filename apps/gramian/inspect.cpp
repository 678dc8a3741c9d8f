// `gramian inspect`: what a model file holds, checked as the engine would check it, and what its streams will take.
#include "command.hpp"

#include <fmt/ranges.h>

namespace gramian::app {
namespace {

struct InspectOptions {
    CommonOptions common;
    std::string file;
    uint32_t streams = 1;
};

std::string ports_text(const Json& ports)
{
    std::vector<std::string> texts;
    for (const Json& port : ports) {
        texts.push_back(fmt::format("{} [{}]{}", port.at("name").get<std::string>(), port.at("size").get<uint32_t>(),
                                    port.value("context", false) ? " (context)" : ""));
    }
    return fmt::format("{}", fmt::join(texts, ", "));
}

std::string names_text(const Json& names)
{
    std::vector<std::string> texts;
    if (names.is_object()) {
        for (const auto& [port, value] : names.items()) texts.push_back(port + " = " + value.get<std::string>());
    } else {
        for (const Json& name : names) texts.push_back(name.get<std::string>());
    }
    return fmt::format("{}", fmt::join(texts, ", "));
}

Json memory_of(const ModelHandle& model, uint32_t streams)
{
    gramian_session_options options = gramian_session_options_default();
    options.streams = streams;
    const gramian_session_info info = session_measure(model, options);
    return {{"streams", streams},
            {"state_bytes", info.state_bytes},
            {"state_bytes_per_stream", info.state_bytes / streams},
            {"activation_bytes", info.activation_bytes},
            {"io_bytes", info.io_bytes},
            {"bytes", info.bytes},
            {"windows", info.windows},
            {"step_dispatches", info.step_dispatches},
            {"step_bytes_moved", info.step_bytes_moved}};
}

void print_model(const Json& model, const Json& memory)
{
    fmt::print("{}{}\n", model.at("name").get<std::string>(),
               model.contains("task") ? ", for task " + model.at("task").get<std::string>() : "");
    fmt::print("  inputs   {}\n  outputs  {}\n", ports_text(model.at("inputs")), ports_text(model.at("outputs")));
    for (const Json& node : model.at("nodes")) {
        const std::string attributes = node.contains("attributes") ? node.at("attributes").dump() : "{}";
        fmt::print("  {:<20} {} -> {}{}\n", node.at("op").get<std::string>(), names_text(node.at("in")),
                   names_text(node.at("out")), attributes == "{}" ? "" : "  " + attributes);
    }
    const auto halves = model.at("half_parameter_count").get<uint64_t>();
    fmt::print("  {} parameters{}, {} bytes of weights, {} golden tokens, fingerprint {}\n",
               model.at("parameter_count").get<uint64_t>(),
               halves > 0 ? fmt::format(" ({} of them in fp16)", halves) : "", model.at("weight_bytes").get<uint64_t>(),
               model.at("golden_tokens").get<uint32_t>(), model.at("fingerprint").get<std::string>());
    fmt::print(
        "  {} streams: {} bytes, of which {} are state ({} a stream, in {} windows) and {} scratch; a step is {} "
        "dispatches, {} bytes moved\n",
        memory.at("streams").get<uint32_t>(), memory.at("bytes").get<uint64_t>(),
        memory.at("state_bytes").get<uint64_t>(), memory.at("state_bytes_per_stream").get<uint64_t>(),
        memory.at("windows").get<uint32_t>(), memory.at("activation_bytes").get<uint64_t>(),
        memory.at("step_dispatches").get<uint32_t>(), memory.at("step_bytes_moved").get<uint64_t>());
    if (const auto tokens = model.at("token_capacity").get<uint32_t>(); tokens > 0) {
        fmt::print(
            "  the state of a stream grows with its tokens: room for {} of them is taken, and more are refused\n",
            tokens);
    }
    if (model.contains("card") && model.at("card").contains("summary")) {
        fmt::print("  {}\n", model.at("card").at("summary").get<std::string>());
    }
}

Exit inspect(const InspectOptions& options)
{
    const DeviceHandle device = open_device(options.common, options.common.device);
    const ModelHandle model(device, options.file);
    Json json = Json::parse(model.json());
    const Json memory = memory_of(model, options.streams);
    if (options.common.json) {
        json["memory"] = memory;
        fmt::print("{}\n", json.dump());
    } else {
        print_model(json, memory);
    }
    return Exit::done;
}

} // namespace

Command make_inspect(CLI::App& parent)
{
    CLI::App* app = parent.add_subcommand("inspect", "Check a model file and say what it holds");
    app->footer("Example:\n  gramian inspect agent.safetensors --streams 1000");
    auto options = std::make_shared<InspectOptions>();
    options->common.device = "host"; // a file is the same on every device
    app->add_option("file", options->file, "A .safetensors model file")->required();
    app->add_option("--streams", options->streams, "Say what this many streams take")
        ->check(CLI::Range(1U, 10'000'000U))
        ->capture_default_str();
    add_common_options(*app, options->common);
    return {app, [options] { return inspect(*options); }};
}

} // namespace gramian::app
