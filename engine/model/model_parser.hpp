// Turns a model file into a checked Model: every name, size and weight agrees with every other, or an error says
// what was expected and what was found. Used by Model alone.
#pragma once

#include "model/model.hpp"

#include <map>
#include <set>

namespace gramian {

class ModelParser {
public:
    ModelParser(Device& device, const SafetensorsFile& file, std::string name);
    [[nodiscard]] Model parse();

private:
    void parse_header();
    void parse_ports(const char* key, std::vector<ModelPort>& ports);
    std::vector<float> parse_bounds(const Json& port, const char* key, const std::string& where, uint32_t size);
    void parse_node(const Json& json, size_t index);
    void connect_inputs(Node& node, const Json& json);
    void connect_input(Node& node, const std::string& port_name, const Json& value);
    void bind_weights(Node& node, const Json& json);
    void bind_weight(Node& node, const Port& port, const std::string& tensor_name);
    void infer_outputs(Node& node, const Json& json);
    void bind_constants(Node& node, const Tensors& in);
    void check_context(Node& node);
    void check_indexes(const Node& node);
    void connect_outputs();
    void parse_golden();
    std::vector<float> golden_values(const std::string& name, uint32_t size);
    void check_all_used();
    void upload();
    uint32_t add_value(const std::string& name, uint32_t size, bool needs_context, const std::string& where);
    [[nodiscard]] std::vector<float> finite_floats(const FileTensor& tensor) const;
    [[nodiscard]] std::string known_values() const;

    const SafetensorsFile& file_;
    std::string where_;
    Model model_;
    std::map<std::string, uint32_t> value_index_;
    std::set<std::string> used_tensors_;
    ArenaLayout layout_{Arena::weights};
    std::vector<std::pair<Tensor, std::vector<uint32_t>>> uploads_;
    std::map<std::pair<std::string, const Port*>, Tensor> placed_; // a tensor that several nodes share is stored once
};

} // namespace gramian
