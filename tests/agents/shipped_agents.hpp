// The agents that the project ships, as bytes of the conformance runner.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

namespace gramian {

struct ShippedAgent {
    std::string_view name;
    std::span<const std::byte> bytes; // of its .safetensors file
};

std::vector<ShippedAgent> shipped_agents();

} // namespace gramian
