// A model: the nodes of one file, checked, and their weights in one device buffer. Immutable; sessions share it.
#pragma once

#include "device/device.hpp"
#include "model/safetensors.hpp"
#include "ops/operator.hpp"

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace gramian {

/// A named vector per token that flows between nodes.
struct Value {
    std::string name;
    uint32_t size = 0;
    bool needs_context = false; // depends on a context input: known while observing, never while stepping
};

struct Connection {
    const Port* port;
    uint32_t value; // index into Model::values
};

struct Node {
    const Operator* op;
    std::string name; // "node 3 (linear)"
    Attributes attributes;
    uint32_t heads = 1;
    std::vector<Connection> inputs;
    std::vector<uint32_t> outputs; // values, in the order of the operator's outputs
    Tensors constants;             // slices of the weights arena by port
    bool is_context = false;       // written by `observe`, read by `step`
};

struct ModelPort {
    std::string name;
    uint32_t size = 0;
    bool is_context = false;
    uint32_t row_count = 0; // inputs: the value is a row number of a table of this many rows; 0: any number
    std::vector<float> low; // outputs: bounds, empty when not given
    std::vector<float> high;
    uint32_t value = 0;
};

/// A recorded rollout: [T, size] for every input and output. For a model with context inputs: T pairs that it is
/// shown, then its answer to each of the same T inputs.
struct Golden {
    uint32_t tokens = 0;
    std::vector<std::vector<float>> inputs;  // in the order of Model::inputs
    std::vector<std::vector<float>> outputs; // in the order of Model::outputs
};

class Model {
public:
    /// Reads, checks and uploads. Throws io_error, or invalid_model naming what was expected and found.
    static Model load(Device& device, const std::filesystem::path& path);
    static Model parse(Device& device, std::vector<std::byte> bytes, const std::string& name);

    [[nodiscard]] Device& device() const { return *device_; }
    [[nodiscard]] Memory* weights() const { return weights_.get(); }
    [[nodiscard]] const std::string& name() const { return name_; }
    [[nodiscard]] const std::vector<ModelPort>& inputs() const { return inputs_; }
    [[nodiscard]] const std::vector<ModelPort>& outputs() const { return outputs_; }
    [[nodiscard]] const std::vector<Value>& values() const { return values_; }
    [[nodiscard]] const std::vector<Node>& nodes() const { return nodes_; }
    [[nodiscard]] const Golden& golden() const { return golden_; }
    [[nodiscard]] bool has_context() const;
    [[nodiscard]] uint64_t weight_bytes() const { return weight_bytes_; }
    [[nodiscard]] uint64_t parameter_count() const { return parameter_count_; }
    /// Of these, those that the device keeps in halves.
    [[nodiscard]] uint64_t half_parameter_count() const { return half_parameter_count_; }
    [[nodiscard]] uint64_t fingerprint() const { return fingerprint_; }
    /// The model's description as in the file, without its nodes' weights.
    [[nodiscard]] const Json& description() const { return description_; }
    /// Pairs that a stream may be shown; 0: no limit. The smallest capacity of its nodes.
    [[nodiscard]] uint32_t capacity() const;
    /// Tokens that a stream may have; 0: no limit. The smallest capacity of its recurrent nodes whose state grows with
    /// the tokens: room for that many is taken from the start.
    [[nodiscard]] uint32_t token_capacity() const;

private:
    friend class ModelParser;
    Model() = default;

    Device* device_ = nullptr;
    std::unique_ptr<Memory> weights_;
    std::string name_;
    Json description_;
    std::vector<ModelPort> inputs_;
    std::vector<ModelPort> outputs_;
    std::vector<Value> values_;
    std::vector<Node> nodes_;
    Golden golden_;
    uint64_t weight_bytes_ = 0;
    uint64_t parameter_count_ = 0;
    uint64_t half_parameter_count_ = 0;
    uint64_t fingerprint_ = 0;
};

/// The shape of a value at a node's port for `slots` x `tokens` tokens: [rows, C], [slots, tokens, C] for
/// operators on sequences, or [slots, tokens, H, C / H] for operators on heads (H alone where the value holds one
/// number a head). Throws when C is no multiple of H.
Shape port_shape(const Node& node, const Port& port, uint32_t slots, uint32_t tokens, uint32_t size);

} // namespace gramian
