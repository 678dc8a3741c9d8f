// A model file in memory, built piece by piece, so that a test can change one piece and leave the rest valid.
#pragma once

#include "arrays.hpp"
#include "base/half.hpp"
#include "base/json.hpp"
#include "model/model.hpp"
#include "model/safetensors.hpp"

#include <map>

namespace gramian {

struct ModelFile {
    struct Stored {
        DType dtype = DType::f32;
        std::vector<uint64_t> shape;
        std::vector<std::byte> data;
    };
    Json json;
    std::map<std::string, Stored> tensors;
    bool has_description = true;

    template <class Number>
    void store(const std::string& name, DType dtype, std::vector<uint64_t> shape, const std::vector<Number>& values)
    {
        const auto bytes = std::as_bytes(std::span(values));
        tensors[name] = {dtype, std::move(shape), {bytes.begin(), bytes.end()}};
    }
    void store(const std::string& name, std::vector<uint64_t> shape, const std::vector<float>& values)
    {
        store(name, DType::f32, std::move(shape), values);
    }
    [[nodiscard]] std::vector<std::byte> bytes() const
    {
        std::vector<TensorToWrite> writes;
        for (const auto& [name, stored] : tensors) writes.push_back({name, stored.dtype, stored.shape, stored.data});
        std::map<std::string, std::string> metadata;
        if (has_description) metadata["gramian.model"] = json.dump();
        return serialize_safetensors(writes, metadata);
    }
    [[nodiscard]] Model parse(Device& device) const { return Model::parse(device, bytes(), "made.safetensors"); }
};

/// observation [size] -> linear -> tanh -> action [actions]: no context, no state.
inline ModelFile feedforward_model(uint32_t size = 3, uint32_t actions = 2)
{
    ModelFile file;
    file.json = Json::parse(R"({"version":1,"name":"feedforward",
        "inputs":[{"name":"observation","size":0}],"outputs":[{"name":"action","size":0}],
        "nodes":[{"op":"linear","in":["observation"],"out":["h"],"weights":{"weight":"w","bias":"b"}},
                 {"op":"activation","in":["h"],"out":["action"],"attributes":{"kind":"tanh"}}]})");
    file.json["inputs"][0]["size"] = size;
    file.json["outputs"][0]["size"] = actions;
    file.store("w", {actions, size}, random_values(1, size_t{actions} * size, 0.5));
    file.store("b", {actions}, random_values(2, actions, 0.5));
    return file;
}

/// Lets the first layer of a feedforward_model, as many outputs as inputs, work twice, with the same weights.
inline void repeat_layer(ModelFile& file)
{
    const Json again = Json::parse(R"({"op":"linear","in":["h"],"out":["h2"],"weights":{"weight":"w","bias":"b"}})");
    file.json["nodes"] = {file.json["nodes"][0], again, file.json["nodes"][1]};
    file.json["nodes"][2]["in"] = {"h2"};
}

/// A head that learns: keys and queries are the observation itself, the values are the target. `op` is intention,
/// linear_attention or softmax_attention.
inline ModelFile context_model(const std::string& op, const Json& attributes, uint32_t size = 6, uint32_t targets = 2)
{
    ModelFile file;
    file.json = Json::parse(R"({"version":1,"name":"learner",
        "inputs":[{"name":"observation","size":0},{"name":"target","size":0,"context":true}],
        "outputs":[{"name":"action","size":0}],
        "nodes":[{"in":{"q":"observation","k":"observation","v":"target"},"out":["action"]}]})");
    file.json["inputs"][0]["size"] = size;
    file.json["inputs"][1]["size"] = targets;
    file.json["outputs"][0]["size"] = targets;
    file.json["nodes"][0]["op"] = op;
    file.json["nodes"][0]["attributes"] = attributes;
    return file;
}

/// The same behind an encoder: observation -> linear -> tanh -> keys and queries of `width` channels.
inline ModelFile encoded_model(const std::string& op, const Json& attributes, uint32_t size = 4, uint32_t width = 8,
                               uint32_t targets = 2)
{
    ModelFile file = context_model(op, attributes, size, targets);
    file.json["nodes"][0]["in"] = {{"q", "key"}, {"k", "key"}, {"v", "target"}};
    const Json encoder = Json::parse(R"([
        {"op":"linear","in":["observation"],"out":["h"],"weights":{"weight":"w","bias":"b"}},
        {"op":"activation","in":["h"],"out":["key"],"attributes":{"kind":"tanh"}}])");
    file.json["nodes"] = {encoder[0], encoder[1], file.json["nodes"][0]};
    file.store("w", {width, size}, random_values(3, size_t{width} * size, 0.7));
    file.store("b", {width}, random_values(4, width, 0.7));
    return file;
}

} // namespace gramian
