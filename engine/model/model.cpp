#include "model/model.hpp"

#include "base/hash.hpp"
#include "model/model_parser.hpp"

#include <algorithm>

namespace gramian {

Model Model::load(Device& device, const std::filesystem::path& path)
{
    const SafetensorsFile file = SafetensorsFile::load(path);
    return ModelParser(device, file, path.filename().string()).parse();
}

Model Model::parse(Device& device, std::vector<std::byte> bytes, const std::string& name)
{
    const SafetensorsFile file = SafetensorsFile::parse(std::move(bytes), name);
    return ModelParser(device, file, name).parse();
}

bool Model::has_context() const
{
    return std::any_of(inputs_.begin(), inputs_.end(), [](const ModelPort& input) { return input.is_context; });
}

uint32_t Model::capacity() const
{
    uint32_t least = 0;
    for (const Node& node : nodes_) {
        if (!node.is_context || !node.op->context->capacity) continue;
        const uint32_t capacity = node.op->context->capacity(node.attributes);
        least = least == 0 ? capacity : std::min(least, capacity);
    }
    return least;
}

uint32_t Model::token_capacity() const
{
    uint32_t least = 0;
    for (const Node& node : nodes_) {
        if (node.is_context || !node.op->recurrent || !node.op->recurrent->capacity) continue;
        const uint32_t capacity = node.op->recurrent->capacity(node.attributes);
        if (capacity > 0) least = least == 0 ? capacity : std::min(least, capacity);
    }
    return least;
}

Shape port_shape(const Node& node, const Port& port, uint32_t slots, uint32_t tokens, uint32_t size)
{
    if (node.op->layout == Layout::rows) return {slots * tokens, size};
    if (node.op->layout == Layout::sequences) return {slots, tokens, size};
    const bool is_per_head = port.name == "decay" || port.name == "beta";
    if (is_per_head && size == node.heads) return {slots, tokens, node.heads};
    if (size % node.heads != 0) {
        raise(Status::invalid_model, "{}: input '{}' has size {}, expected a multiple of its {} heads", node.name,
              port.name, size, node.heads);
    }
    return {slots, tokens, node.heads, size / node.heads};
}

} // namespace gramian
