// Nodes that share a launch: the same bits as a launch each, fewer launches, and nothing lost that somebody reads.
#include "session_run.hpp"

#include <fmt/format.h>

using namespace gramian;

namespace {

constexpr uint32_t kStreams = 6; // more than a workgroup takes at a time
constexpr uint32_t kMany = 37;   // enough for chains of layers

/// A model that grows node by node, with seeded weights.
struct Network {
    ModelFile file;
    uint64_t seed = 0;
    DType dtype = DType::f32; // of matrices

    explicit Network(uint32_t size, const std::vector<std::pair<std::string, uint32_t>>& outputs)
    {
        file.json = {{"version", 1}, {"name", "network"}, {"inputs", {{{"name", "x"}, {"size", size}}}}};
        for (const auto& [name, width] : outputs) file.json["outputs"].push_back({{"name", name}, {"size", width}});
        file.json["nodes"] = Json::array();
    }
    void node(const std::string& op, const Json& in, const std::string& out, const Json& attributes = Json::object(),
              const Json& weights = Json::object())
    {
        file.json["nodes"].push_back(
            {{"op", op}, {"in", in}, {"out", {out}}, {"attributes", attributes}, {"weights", weights}});
    }
    void linear(const std::string& in, const std::string& out, uint32_t width, uint32_t columns, bool has_bias = false)
    {
        std::vector<float> values = random_values(++seed, size_t{width} * columns, 1 / std::sqrt(width));
        if (dtype == DType::f16) {
            std::vector<uint16_t> halves;
            for (const float value : values) halves.push_back(float_to_half(value));
            file.store(out + ".w", DType::f16, {columns, width}, halves);
        } else {
            file.store(out + ".w", {columns, width}, values);
        }
        Json weights{{"weight", out + ".w"}};
        if (has_bias) file.store(out + ".b", {columns}, random_values(++seed, columns));
        if (has_bias) weights["bias"] = out + ".b";
        node("linear", {in}, out, Json::object(), weights);
    }
    /// rms_norm has no bias, l2_norm neither.
    void norm(const std::string& op, const std::string& in, const std::string& out, uint32_t width,
              const Json& attributes = Json::object())
    {
        Json weights = Json::object();
        const auto add = [&](const char* port) {
            file.store(out + port, {width}, random_values(++seed, width));
            weights[port] = out + port;
        };
        if (op != "l2_norm") add("weight");
        if (op == "layer_norm") add("bias");
        node(op, {in}, out, attributes, weights);
    }
};

using Rows = std::vector<std::vector<float>>; // by output

Session make(const Model& model, bool shares_launches, uint32_t streams = kStreams)
{
    SessionOptions options;
    options.streams = streams;
    options.shares_launches = shares_launches;
    return {model, options};
}

/// All outputs of one token for every stream, or of counts[i] tokens for stream i.
Rows run(Session& session, const std::vector<float>& x, const std::vector<uint32_t>& counts = {})
{
    const size_t tokens = counts.empty() ? session.stream_count() : std::accumulate(counts.begin(), counts.end(), 0U);
    Rows rows;
    for (const ModelPort& port : session.model().outputs()) rows.emplace_back(tokens * port.size);
    const std::vector<std::span<float>> out(rows.begin(), rows.end());
    const std::span<const float> in(x);
    if (counts.empty()) {
        session.submit({&in, 1});
        session.wait(out);
    } else {
        std::vector<uint32_t> streams(counts.size());
        std::iota(streams.begin(), streams.end(), 0U);
        session.prefill(streams, counts, {&in, 1}, out);
    }
    return rows;
}

bool are_same(const Rows& a, const Rows& b)
{
    bool are = a.size() == b.size();
    for (size_t i = 0; i < a.size() && are; ++i) are = same_bits(a[i], b[i]);
    return are;
}

/// Steps and sequences of several streams with shared launches and without; the launches of a step with them.
uint32_t compare(const ModelFile& file, uint32_t streams = kStreams)
{
    const Model model = file.parse(test_device());
    const uint32_t size = model.inputs()[0].size;
    Session shared = make(model, true, streams);
    Session apart = make(model, false, streams);
    CHECK(apart.step_dispatches() == model.nodes().size());
    CHECK(shared.step_bytes_moved() <= apart.step_bytes_moved());
    for (uint64_t t = 0; t < 2; ++t) {
        const std::vector<float> x = random_values(100 + t, size_t{streams} * size);
        CHECK(are_same(run(shared, x), run(apart, x)));
    }
    const std::vector<float> x = random_values(200, size_t{5 + 37 + 1} * size);
    CHECK(are_same(run(shared, x, {5, 37, 1}), run(apart, x, {5, 37, 1})));
    CHECK((shared.save(all_streams(shared)) == apart.save(all_streams(apart))));
    return shared.step_dispatches();
}

/// Blocks of norm, four projections, gated linear attention, its projection added, norm, perceptron added.
Network policy(uint32_t blocks, DType dtype)
{
    constexpr uint32_t kWidth = 70, kHidden = 130;
    Network network(9, {{"y", 5}});
    network.dtype = dtype;
    network.linear("x", "x0", 9, kWidth);
    for (uint32_t i = 0; i < blocks; ++i) {
        const auto named = [&](const char* name) { return fmt::format("{}{}", name, i); };
        network.norm("layer_norm", named("x"), named("n"), kWidth);
        for (const char* name : {"q", "k", "v", "g"}) network.linear(named("n"), named(name), kWidth, kWidth);
        network.node("linear_attention",
                     {{"q", named("q")}, {"k", named("k")}, {"v", named("v")}, {"decay", named("g")}}, named("o"),
                     {{"heads", 2}, {"decay_form", "neg_exp"}});
        network.linear(named("o"), named("read"), kWidth, kWidth);
        network.node("add", {named("x"), named("read")}, named("a"));
        network.norm("layer_norm", named("a"), named("m"), kWidth);
        network.linear(named("m"), named("h"), kWidth, kHidden);
        network.node("activation", {named("h")}, named("s"), {{"kind", "silu"}});
        network.linear(named("s"), named("mlp"), kHidden, kWidth);
        network.node("add", {named("a"), named("mlp")}, fmt::format("x{}", i + 1));
    }
    network.linear(fmt::format("x{}", blocks), "y", kWidth, 5);
    return network;
}

} // namespace

TEST_CASE("fusion: a block of a policy takes five launches, with the bits of twelve")
{
    CHECK(compare(policy(1, DType::f32).file) == 2 + 5);
    CHECK(compare(policy(3, DType::f32).file) == 2 + 3 * 5);
    CHECK(compare(policy(2, DType::f16).file) == 2 + 2 * 5);
}

TEST_CASE("fusion: two layers in a row of many streams take one launch on a processor")
{
    const Caps& caps = test_device().caps();
    const uint32_t saved = caps.is_software || caps.is_host ? 1 : 0;
    for (const DType dtype : {DType::f32, DType::f16}) CHECK(compare(policy(2, dtype).file, kMany) == 12 - 2 * saved);
    const auto launches = [](uint32_t width, uint32_t hidden, uint32_t columns, bool has_norm, bool has_bias) {
        CAPTURE(width);
        CAPTURE(hidden);
        CAPTURE(columns);
        Network network(width, {{"y", columns}});
        if (has_norm) network.norm("rms_norm", "x", "n", width);
        network.linear(has_norm ? "n" : "x", "h", width, hidden, has_bias);
        network.node("activation", {"h"}, "a", {{"kind", "tanh"}});
        network.linear("a", "y", hidden, columns, has_bias);
        return compare(network.file, kMany);
    };
    CHECK(launches(1, 1, 1, false, true) == 2 - saved);
    CHECK(launches(5, 66, 3, true, false) == 2 - saved);
    CHECK(launches(256, 512, 129, true, true) == 2 - saved);
    CHECK(launches(64, 64, 64, false, false) == 2 - saved);
    CHECK(launches(257, 64, 64, false, true) == 2); // of x, and of what lies between: they do not fit
    CHECK(launches(64, 513, 64, true, true) == 2);
}

TEST_CASE("fusion: where the kernel of chains is refused, two launches make the same bits")
{
    Device& device = test_device();
    const std::vector<Refusal> before = device.caps().refused;
    device.refuse({{"linear_chain", "a test"}, {"linear_chain_halves", "a test"}});
    const uint32_t launches = compare(policy(1, DType::f32).file, kMany);
    device.refuse(before);
    CHECK(launches == (device.caps().is_host ? 2 + 4 : 2 + 5)); // the host has no kernels to refuse
}

TEST_CASE("fusion: no chain takes a layer that leaves the model, or is read twice")
{
    Network leaves(8, {{"a", 8}, {"y", 3}});
    leaves.linear("x", "a", 8, 8);
    leaves.linear("a", "y", 8, 3);
    CHECK(compare(leaves.file, kMany) == 2);
    Network twice(8, {{"y", 8}});
    twice.linear("x", "a", 8, 8);
    twice.linear("a", "b", 8, 8);
    twice.node("add", {"a", "b"}, "y");
    CHECK(compare(twice.file, kMany) == 2);
}

TEST_CASE("fusion: a stream's bits depend neither on how many streams there are nor on its place")
{
    const Model model = policy(2, DType::f32).file.parse(test_device());
    const std::vector<float> x = random_values(3, size_t{150} * 9);
    Session many = make(model, true, 150);
    (void)run(many, x);
    const std::vector<float> together = run(many, x)[0];
    for (const uint32_t stream : {0U, 3U, 64U, 149U}) {
        CAPTURE(stream);
        const std::vector<float> own(x.begin() + stream * 9, x.begin() + stream * 9 + 9);
        Session single = make(model, true, 1);
        (void)run(single, own);
        const std::vector<float> alone = run(single, own)[0];
        CHECK(same_bits(alone, {together.begin() + stream * 5, together.begin() + stream * 5 + 5}));
    }
}

TEST_CASE("fusion: the labels of the launches name every node once")
{
    const Model model = policy(2, DType::f32).file.parse(test_device());
    SessionOptions options;
    options.profile = true;
    Session session(model, options);
    (void)run(session, random_values(1, 9));
    const std::vector<NodeTime> times = session.profile();
    if (test_device().caps().is_host || test_device().caps().timestamp_ns > 0) {
        REQUIRE(times.size() == session.step_dispatches());
        CHECK(times[1].node ==
              "node 1 (layer_norm) + node 2 (linear) + node 3 (linear) + node 4 (linear) + node 5 (linear)");
        for (size_t i = 0; i < model.nodes().size(); ++i) {
            const std::string name = fmt::format("node {} (", i);
            size_t count = 0;
            for (const NodeTime& time : times) count += time.node.find(name) != std::string::npos ? 1 : 0;
            CHECK(count == 1);
        }
    }
}

TEST_CASE("fusion: siblings of other widths, biases and activations, more than a launch takes")
{
    for (const DType dtype : {DType::f32, DType::f16}) {
        const uint32_t widths[] = {64, 1, 65, 130, 7, 63, 128, 2};
        const char* kinds[] = {"", "sigmoid", "gelu", "", "softplus", "tanh", "relu", "silu"};
        Network network(67, {{"y", 64 + 1 + 65 + 130 + 7 + 63 + 128 + 2}});
        network.dtype = dtype;
        network.norm("rms_norm", "x", "n", 67);
        Json parts = Json::array();
        for (uint32_t i = 0; i < 8; ++i) {
            const std::string name = fmt::format("l{}", i);
            network.linear("n", name, 67, widths[i], i % 2 == 1);
            parts.push_back(*kinds[i] ? name + kinds[i] : name);
            if (*kinds[i]) network.node("activation", {name}, name + kinds[i], {{"kind", kinds[i]}});
        }
        network.node("concat", parts, "y");
        const Model model = network.file.parse(test_device());
        Session shared = make(model, true);
        Session apart = make(model, false);
        // A copy for each part of y; 6 + 2 layers, against a norm, 8 layers and 6 activations.
        CHECK(shared.step_dispatches() == 8 + 2);
        CHECK(apart.step_dispatches() == 8 + 15);
        const std::vector<float> x = random_values(1, size_t{kStreams} * 67);
        CHECK(are_same(run(shared, x), run(apart, x)));
    }
}

TEST_CASE("fusion: layers of floats and of halves do not share a launch")
{
    Network network(8, {{"y", 5}});
    network.linear("x", "a", 8, 5);
    network.dtype = DType::f16;
    network.linear("x", "b", 8, 5);
    network.node("multiply", {"a", "b"}, "y");
    CHECK(compare(network.file) == 2); // one of them multiplies
}

TEST_CASE("fusion: norms of all kinds, unless in several heads")
{
    for (const char* op : {"layer_norm", "rms_norm", "l2_norm"}) {
        for (const uint32_t width : {1U, 5U, 64U, 130U, 300U}) {
            CAPTURE(op);
            CAPTURE(width);
            Network network(width, {{"y", 9}});
            network.norm(op, "x", "n", width, {{"epsilon", 1e-3}});
            network.linear("n", "y", width, 9);
            CHECK(compare(network.file) == 1);
        }
    }
    Network heads(6, {{"y", 9}});
    heads.norm("l2_norm", "x", "n", 6, {{"heads", 2}});
    heads.linear("n", "y", 6, 9);
    CHECK(compare(heads.file) == 2);
}

TEST_CASE("fusion: what is done to a layer and another value")
{
    const auto launches = [](const std::string& op, const Json& attributes, bool is_first, const char* kind,
                             const char* last) {
        Network network(8, {{"y", 8}});
        network.linear("x", "a", 8, 8, true);
        const std::string own = *kind ? "b" : "a";
        if (*kind) network.node("activation", {"a"}, "b", {{"kind", kind}});
        const std::string made = *last ? "c" : "y";
        network.node(op, is_first ? Json{own, "x"} : Json{"x", own}, made, attributes);
        if (*last) network.node("activation", {"c"}, "y", {{"kind", last}});
        return compare(network.file);
    };
    for (const char* op : {"add", "multiply"}) {
        CHECK(launches(op, Json::object(), true, "", "") == 1);
        CHECK(launches(op, Json::object(), false, "silu", "") == 1);
        CHECK(launches(op, Json::object(), true, "gelu", "relu") == 1);
    }
    CHECK(launches("gate_output", {{"kind", "sigmoid"}}, false, "", "") == 1);
    CHECK(launches("gate_output", {{"kind", "sigmoid"}}, true, "", "") == 2);      // the gate is another value
    CHECK(launches("gate_output", {{"kind", "sigmoid"}}, false, "tanh", "") == 2); // two functions in a row
    CHECK(launches("gate_output", Json::object(), false, "tanh", "") == 1);
    CHECK(launches("add_activation", {{"kind", "tanh"}}, true, "", "") == 1);
    CHECK(launches("add_activation", {{"kind", "tanh"}}, false, "silu", "") == 1);
    CHECK(launches("add_activation", {{"kind", "tanh"}}, false, "", "relu") == 2);
}

TEST_CASE("fusion: what somebody else reads is still written")
{
    { // a layer before its activation leaves the model
        Network network(8, {{"a", 8}, {"y", 8}});
        network.linear("x", "a", 8, 8);
        network.node("activation", {"a"}, "y", {{"kind", "tanh"}});
        CHECK(compare(network.file) == 2);
    }
    { // so does a norm
        Network network(8, {{"n", 8}, {"y", 3}});
        network.norm("layer_norm", "x", "n", 8);
        network.linear("n", "y", 8, 3);
        CHECK(compare(network.file) == 2);
    }
    { // a norm is read by two layers and an addition
        Network network(8, {{"y", 8}});
        network.norm("layer_norm", "x", "n", 8);
        network.linear("n", "a", 8, 8);
        network.linear("n", "b", 8, 8);
        network.node("add", {"n", "a"}, "c");
        network.node("multiply", {"c", "b"}, "y");
        CHECK(compare(network.file) == 4); // the layers go together
    }
    { // a layer is added to itself
        Network network(8, {{"y", 8}});
        network.linear("x", "a", 8, 8);
        network.node("add", {"a", "a"}, "y");
        CHECK(compare(network.file) == 2);
    }
    { // one sibling leaves the model, the other does not
        Network network(8, {{"a", 8}, {"y", 8}});
        network.linear("x", "a", 8, 8);
        network.linear("x", "b", 8, 8);
        network.linear("b", "y", 8, 8);
        CHECK(compare(network.file) == 3);
    }
    { // two siblings leave the model
        Network network(8, {{"a", 8}, {"y", 3}});
        network.linear("x", "a", 8, 8);
        network.linear("x", "y", 8, 3);
        CHECK(compare(network.file) == 1);
    }
    { // both operands of a sum are layers of other inputs
        Network network(8, {{"y", 8}});
        network.linear("x", "a", 8, 5);
        network.linear("x", "b", 8, 8);
        network.linear("a", "c", 5, 8);
        network.node("add", {"b", "c"}, "y");
        CHECK(compare(network.file) == 2);
    }
}

TEST_CASE("fusion: a model that learns by context, whose siblings belong to different programs")
{
    ModelFile file = encoded_model("linear_attention", Json::object());
    Json nodes = file.json["nodes"];
    const Json norm =
        Json::parse(R"({"op":"layer_norm","in":["key"],"out":["n"],"weights":{"weight":"one","bias":"b"}})");
    const Json query = Json::parse(R"({"op":"linear","in":["n"],"out":["q"],"weights":{"weight":"wq"}})");
    const Json key = Json::parse(R"({"op":"linear","in":["n"],"out":["k"],"weights":{"weight":"wk"}})");
    nodes[2]["in"] = {{"q", "q"}, {"k", "k"}, {"v", "target"}};
    file.json["nodes"] = {nodes[0], nodes[1], norm, query, key, nodes[2]};
    file.store("one", {8}, random_values(5, 8));
    file.store("wq", {8, 8}, random_values(6, 64));
    file.store("wk", {8, 8}, random_values(7, 64));
    const Model model = file.parse(test_device());
    Session shared = make(model, true, 2);
    Session apart = make(model, false, 2);
    const Demonstration demonstration(20, 4, 2, 5);
    for (Session* session : {&shared, &apart}) show(*session, 1, demonstration);
    CHECK((shared.save(all_streams(shared)) == apart.save(all_streams(apart))));
    const std::vector<float> x = random_values(8, 8);
    CHECK(are_same(run(shared, x), run(apart, x)));
    CHECK(shared.step_dispatches() == apart.step_dispatches() - 2); // an activation, a norm
}
