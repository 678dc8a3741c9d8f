#include "policy.hpp"

#include <cmath>
#include <fmt/format.h>

namespace gramian::bench {
namespace {

constexpr uint32_t kBlocks = 3;
constexpr uint32_t kHeads = 2;
constexpr uint32_t kWidth = 128;
constexpr uint32_t kHidden = 256;
constexpr uint64_t kMatrices = uint64_t{kPolicyInputs} * kWidth +
                               kBlocks * (uint64_t{5} * kWidth * kWidth + 2 * kWidth * kHidden) +
                               uint64_t{kWidth} * kPolicyOutputs;
constexpr uint64_t kVectors = uint64_t{kBlocks} * 4 * kWidth; // gains and biases of the layer norms
constexpr uint64_t kStateBytes = uint64_t{4} * kBlocks * kWidth * kWidth / kHeads;

/// Nodes and their seeded weights, one after the other.
class Network {
public:
    explicit Network(bool halves) : has_halves_(halves) {}

    std::string linear(const std::string& in, const std::string& out, uint32_t width, uint32_t columns)
    {
        const std::string name = out + ".weight";
        add(name, {columns, width}, 1 / std::sqrt(static_cast<float>(width)), 0);
        if (has_halves_) tensors_.round_to_half(name);
        return node("linear", {in}, out, {{"weight", name}});
    }
    std::string layer_norm(const std::string& in, const std::string& out)
    {
        add(out + ".weight", {kWidth}, 0.1F, 1);
        add(out + ".bias", {kWidth}, 0.1F, 0);
        return node("layer_norm", {in}, out, {{"weight", out + ".weight"}, {"bias", out + ".bias"}});
    }
    std::string node(const char* op, const Json& in, const std::string& out, const Json& weights = Json::object(),
                     const Json& attributes = Json::object())
    {
        nodes_.push_back({{"op", op}, {"in", in}, {"out", {out}}, {"weights", weights}, {"attributes", attributes}});
        return out;
    }
    std::vector<std::byte> bytes()
    {
        const Json model{{"version", 1},
                         {"name", "policy"},
                         {"inputs", {Json{{"name", "observation"}, {"size", kPolicyInputs}}}},
                         {"outputs", {Json{{"name", "action"}, {"size", kPolicyOutputs}}}},
                         {"nodes", nodes_}};
        tensors_.set_text("gramian.model", model.dump());
        return tensors_.serialize();
    }

private:
    void add(const std::string& name, const std::vector<uint64_t>& shape, float scale, float mean)
    {
        uint64_t count = 1;
        for (const uint64_t extent : shape) count *= extent;
        std::vector<float> values(count);
        ++seed_;
        for (uint64_t i = 0; i < count; ++i) values[i] = mean + scale * noise(i, seed_);
        tensors_.add(name, shape, values.data());
    }

    bool has_halves_;
    uint64_t seed_ = 0;
    TensorsHandle tensors_;
    Json nodes_ = Json::array();
};

/// One block from x to the value that it returns.
std::string add_block(Network& network, uint32_t block, const std::string& x)
{
    const auto named = [&](const char* name) { return fmt::format("{}{}", name, block); };
    const std::string n = network.layer_norm(x, named("n"));
    const Json wiring{{"q", network.linear(n, named("q"), kWidth, kWidth)},
                      {"k", network.linear(n, named("k"), kWidth, kWidth)},
                      {"v", network.linear(n, named("v"), kWidth, kWidth)},
                      {"decay", network.linear(n, named("g"), kWidth, kWidth)}};
    const std::string o = network.node("linear_attention", wiring, named("o"), Json::object(),
                                       {{"heads", kHeads}, {"decay_form", "neg_exp"}});
    const std::string read = network.linear(o, named("read"), kWidth, kWidth);
    const std::string x_read = network.node("add", {x, read}, named("x_read"));
    const std::string h = network.linear(network.layer_norm(x_read, named("m")), named("h"), kWidth, kHidden);
    const std::string active = network.node("activation", {h}, named("active"), Json::object(), {{"kind", "silu"}});
    return network.node("add", {x_read, network.linear(active, named("mlp"), kHidden, kWidth)}, named("x"));
}

} // namespace

std::vector<std::byte> policy_bytes(bool halves)
{
    Network network(halves);
    std::string x = network.linear("observation", "x", kPolicyInputs, kWidth);
    for (uint32_t block = 0; block < kBlocks; ++block) x = add_block(network, block, x);
    network.linear(x, "action", kWidth, kPolicyOutputs);
    return network.bytes();
}

uint64_t least_policy_bytes(uint32_t streams, bool halves)
{
    return (halves ? 2 : 4) * kMatrices + 4 * kVectors +
           uint64_t{streams} * (2 * kStateBytes + 4 * (kPolicyInputs + kPolicyOutputs));
}

std::vector<std::byte> tiny_bytes()
{
    const Json model{
        {"version", 1},
        {"name", "tiny"},
        {"inputs", {Json{{"name", "x"}, {"size", 64}}}},
        {"outputs", {Json{{"name", "y"}, {"size", 64}}}},
        {"nodes", {Json{{"op", "activation"}, {"in", {"x"}}, {"out", {"y"}}, {"attributes", {{"kind", "relu"}}}}}}};
    TensorsHandle tensors;
    tensors.set_text("gramian.model", model.dump());
    return tensors.serialize();
}

} // namespace gramian::bench
