// The agents that ship with the command line, and how a name or a path becomes a model file.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace gramian::app {

/// Where the shipped agents are: share/gramian/agents beside the directory of this program.
std::filesystem::path agent_directory();

/// Names of the shipped agents, sorted; a head's variant (name-linear, name-softmax) is not listed by itself.
std::vector<std::string> agent_names();

/// The file of an agent: a shipped name with its head, or a path to a model file (anything with a slash or the
/// extension .safetensors). Throws UsageError listing the known agents, or when the agent has no such head.
std::filesystem::path find_agent(const std::string& agent, const std::string& head);

} // namespace gramian::app
