// Three architectures made of gates, each beside the dedicated node or operator that does the same: the node lists are
// examples of what `gate_output`, `gate_synapse` and `add_activation` are for (Baldi & Vershynin 2022,
// arXiv:2202.08371).
#include "session_run.hpp"

using namespace gramian;

namespace {

/// A model of one token from inputs {name, size} to outputs, with the nodes of `text`.
ModelFile model_of(const std::vector<std::pair<std::string, uint32_t>>& inputs, const std::string& output,
                   uint32_t output_size, const char* text)
{
    ModelFile file;
    file.json = {{"version", 1}, {"name", "gates"}, {"inputs", Json::array()}};
    for (const auto& [name, size] : inputs) file.json["inputs"].push_back({{"name", name}, {"size", size}});
    file.json["outputs"] = {{{"name", output}, {"size", output_size}}};
    file.json["nodes"] = Json::parse(text);
    return file;
}

/// One token for every stream; inputs[i]: [streams, size] of the i-th input.
std::vector<float> step_with(Session& session, const std::vector<std::vector<float>>& inputs)
{
    std::vector<std::span<const float>> spans(inputs.begin(), inputs.end());
    std::vector<float> output(size_t{session.stream_count()} * session.model().outputs()[0].size);
    const std::span<float> out(output);
    session.submit(spans);
    session.wait({&out, 1});
    return output;
}

} // namespace

TEST_CASE("gates: a gated linear unit is an output gated by a sigmoid")
{
    constexpr const char* kGated = R"([
        {"op":"linear","in":["x"],"out":["a"],"weights":{"weight":"wa","bias":"ba"}},
        {"op":"linear","in":["x"],"out":["b"],"weights":{"weight":"wb","bias":"bb"}},
        {"op":"gate_output","in":["a","b"],"out":["y"],"attributes":{"kind":"sigmoid"}}])";
    constexpr const char* kDedicated = R"([
        {"op":"linear","in":["x"],"out":["a"],"weights":{"weight":"wa","bias":"ba"}},
        {"op":"linear","in":["x"],"out":["b"],"weights":{"weight":"wb","bias":"bb"}},
        {"op":"activation","in":["b"],"out":["g"],"attributes":{"kind":"sigmoid"}},
        {"op":"multiply","in":["a","g"],"out":["y"]}])";
    const auto answer = [](const char* nodes) {
        ModelFile file = model_of({{"x", 7}}, "y", 5, nodes);
        for (const char* side : {"a", "b"}) {
            const uint64_t seed = side[0];
            file.store(std::string("w") + side, {5, 7}, random_values(seed, 35));
            file.store(std::string("b") + side, {5}, random_values(seed + 100, 5));
        }
        const Model model = file.parse(test_device());
        Session session = make_session(model, 3);
        return step(session, random_values(1, 21));
    };
    CHECK(relative_error(answer(kGated), answer(kDedicated)) < 1e-6); // one rounding of the sigmoid
}

TEST_CASE("gates: a GRU is two output gates, and one on the way from the state to the candidate")
{
    constexpr uint32_t kSize = 6, kWidth = 5, kStreams = 3, kTokens = 40;
    // n + z (h - n) as n gated by 1 - z and h gated by z; 1 - sigmoid(s) = sigmoid(-s), so both gates are sigmoids.
    constexpr const char* kGated = R"([
        {"op":"linear","in":["x"],"out":["xr"],"weights":{"weight":"ir","bias":"bir"}},
        {"op":"linear","in":["h"],"out":["hr"],"weights":{"weight":"hr","bias":"bhr"}},
        {"op":"add","in":["xr","hr"],"out":["reset"]},
        {"op":"linear","in":["x"],"out":["xz"],"weights":{"weight":"iz","bias":"biz"}},
        {"op":"linear","in":["h"],"out":["hz"],"weights":{"weight":"hz","bias":"bhz"}},
        {"op":"add_activation","in":["xz","hz"],"out":["keep"],"attributes":{"kind":"sigmoid"}},
        {"op":"linear","in":["x"],"out":["xz-"],"weights":{"weight":"-iz","bias":"-biz"}},
        {"op":"linear","in":["h"],"out":["hz-"],"weights":{"weight":"-hz","bias":"-bhz"}},
        {"op":"add_activation","in":["xz-","hz-"],"out":["take"],"attributes":{"kind":"sigmoid"}},
        {"op":"linear","in":["x"],"out":["xn"],"weights":{"weight":"in","bias":"bin"}},
        {"op":"linear","in":["h"],"out":["hn"],"weights":{"weight":"hn","bias":"bhn"}},
        {"op":"gate_output","in":["hn","reset"],"out":["hn-reset"],"attributes":{"kind":"sigmoid"}},
        {"op":"add_activation","in":["xn","hn-reset"],"out":["n"],"attributes":{"kind":"tanh"}},
        {"op":"gate_output","in":["n","take"],"out":["new"]},
        {"op":"gate_output","in":["h","keep"],"out":["old"]},
        {"op":"add","in":["new","old"],"out":["y"]}])";
    constexpr const char* kDedicated = R"([
        {"op":"gru","in":["x"],"out":["y"],
         "weights":{"weight_ih":"i","weight_hh":"h","bias_ih":"bi","bias_hh":"bh"}}])";
    ModelFile gated = model_of({{"x", kSize}, {"h", kWidth}}, "y", kWidth, kGated);
    ModelFile dedicated = model_of({{"x", kSize}}, "y", kWidth, kDedicated);
    const auto store = [&](const std::string& name, uint32_t columns, uint64_t seed) {
        std::vector<uint64_t> all{3 * kWidth}, each{kWidth};
        if (columns > 1) all.push_back(columns);
        if (columns > 1) each.push_back(columns);
        const std::vector<float> values = random_values(seed, size_t{3} * kWidth * columns, 0.6);
        dedicated.store(name, all, values);
        for (uint32_t gate = 0; gate < 3; ++gate) { // PyTorch's order: reset, update, new
            const auto first = values.begin() + static_cast<ptrdiff_t>(size_t{gate} * kWidth * columns);
            std::vector<float> part(first, first + static_cast<ptrdiff_t>(size_t{kWidth} * columns));
            gated.store(name + "rzn"[gate], each, part);
            for (float& value : part) value = -value;
            if (gate == 1) gated.store("-" + name + "z", each, part);
        }
    };
    store("i", kSize, 1);
    store("h", kWidth, 2);
    store("bi", 1, 3);
    store("bh", 1, 4);
    const Model by_gates = gated.parse(test_device());
    const Model by_node = dedicated.parse(test_device());
    Session gates = make_session(by_gates, kStreams);
    Session node = make_session(by_node, kStreams);
    std::vector<float> h(size_t{kStreams} * kWidth);
    for (uint32_t t = 0; t < kTokens; ++t) {
        const std::vector<float> x = random_values(10 + t, size_t{kStreams} * kSize);
        h = step_with(gates, {x, h});
        CHECK(relative_error(h, step(node, x)) < 1e-5); // each step rounds; the state forgets what it rounded
    }
}

TEST_CASE("gates: attention is synapses gated by the keys, a softmax, and synapses gated by the values")
{
    constexpr uint32_t kKeys = 9, kWidth = 4, kColumns = 3, kStreams = 2;
    // logit_n = sum_j (D^-1/2) k_nj q_j and o_e = sum_n 1 v_ne p_n: each key gates the synapses from the query to its
    // unit, each value those from the weights to the answer.
    constexpr const char* kNodes = R"([
        {"op":"gate_synapse","in":["q","k"],"out":["logits"],"weights":{"weight":"scale"}},
        {"op":"softmax","in":["logits"],"out":["p"]},
        {"op":"gate_synapse","in":["p","v"],"out":["o"],"weights":{"weight":"ones"}}])";
    ModelFile file = model_of({{"q", kWidth}, {"k", kKeys * kWidth}, {"v", kColumns * kKeys}}, "o", kColumns, kNodes);
    file.store("scale", {kKeys, kWidth}, std::vector<float>(kKeys * kWidth, 0.5F));
    file.store("ones", {kColumns, kKeys}, std::vector<float>(kColumns * kKeys, 1.0F));
    const Model model = file.parse(test_device());
    Session session = make_session(model, kStreams);
    const NamedArray q = random_array("q", {kStreams, 1, 1, kWidth}, 1);
    const NamedArray k = random_array("k", {kStreams, kKeys, 1, kWidth}, 2);
    const NamedArray v = random_array("v", {kStreams, kKeys, 1, kColumns}, 3);
    std::vector<float> by_channel; // v with a row a channel: [streams, E, N]
    for (uint32_t stream = 0; stream < kStreams; ++stream) {
        for (uint32_t e = 0; e < kColumns; ++e) {
            for (uint32_t n = 0; n < kKeys; ++n) by_channel.push_back(v.values[(stream * kKeys + n) * kColumns + e]);
        }
    }
    const std::vector<float> answer = step_with(session, {q.values, k.values, by_channel});
    const OperatorRun dedicated = run_operator(test_device(), "softmax_attention", Json::object(), {q, k, v});
    CHECK(relative_error(answer, output_of(dedicated, "o")) < 5e-6); // two exponentials, each off by 2^-22 or so
}
