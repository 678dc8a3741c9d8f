#include "agents.hpp"

#include "command.hpp"

#include <algorithm>
#include <fmt/ranges.h>

namespace gramian::app {
namespace {

constexpr const char* kExtension = ".safetensors";

bool is_variant(const std::string& name)
{
    return name.ends_with("-linear") || name.ends_with("-softmax");
}

bool is_path(const std::string& agent)
{
    return agent.find('/') != std::string::npos || agent.ends_with(kExtension);
}

Json agent_row(const std::string& name)
{
    gramian_device_options options = gramian_device_options_default();
    options.selector = "host";
    const DeviceHandle device(options);
    const ModelHandle model(device, find_agent(name, "intention").string());
    const Json description = Json::parse(model.json());
    Json row{{"name", name}, {"task", description.value("task", "")}};
    row["parameters"] = description.at("parameter_count");
    if (description.contains("card")) row["summary"] = description.at("card").value("summary", "");
    return row;
}

Exit list_agents(const CommonOptions& options)
{
    Json rows = Json::array();
    for (const std::string& name : agent_names()) rows.push_back(agent_row(name));
    if (options.json) {
        fmt::print("{}\n", Json{{"agents", rows}}.dump());
        return Exit::done;
    }
    for (const Json& row : rows) {
        fmt::print("{:<20} task {:<18} {:>8} parameters\n", row.at("name").get<std::string>(),
                   row.at("task").get<std::string>(), row.at("parameters").get<uint64_t>());
        if (row.contains("summary")) fmt::print("    {}\n", row.at("summary").get<std::string>());
    }
    return Exit::done;
}

} // namespace

std::filesystem::path agent_directory()
{
    std::error_code ignored;
    const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", ignored);
    return program.parent_path().parent_path() / "share" / "gramian" / "agents";
}

std::vector<std::string> agent_names()
{
    std::vector<std::string> names;
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator(agent_directory(), ignored)) {
        const std::string name = entry.path().stem().string();
        if (entry.path().extension() == kExtension && !is_variant(name)) names.push_back(name);
    }
    std::sort(names.begin(), names.end());
    return names;
}

std::filesystem::path find_agent(const std::string& agent, const std::string& head)
{
    if (is_path(agent)) return agent;
    const std::vector<std::string> names = agent_names();
    if (std::find(names.begin(), names.end(), agent) == names.end()) {
        throw UsageError(fmt::format("no agent '{}'; there are: {}, or a path to a model file", agent,
                                     names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", "))));
    }
    const std::string suffix = head == "intention" ? "" : "-" + head;
    const std::filesystem::path path = agent_directory() / (agent + suffix + kExtension);
    if (!std::filesystem::exists(path)) throw UsageError(fmt::format("agent '{}' has no {} head", agent, head));
    return path;
}

Command make_agents(CLI::App& parent)
{
    CLI::App* app = parent.add_subcommand("agents", "List the agents that ship with the program");
    app->footer("Example:\n  gramian agents");
    auto options = std::make_shared<CommonOptions>();
    app->add_flag("--json", options->json, "One JSON object on standard output and nothing else");
    return {app, [options] { return list_agents(*options); }};
}

} // namespace gramian::app
