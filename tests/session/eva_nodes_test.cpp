// EVA in a session: token by token, in any cut, it gives what the operator gives over the sequence.
#include "refused.hpp"
#include "session_run.hpp"

using namespace gramian;

namespace {

constexpr uint32_t kHeads = 2;
constexpr uint32_t kWidth = 5;
constexpr uint32_t kSize = kHeads * kWidth;

struct Form {
    Json attributes;
    uint32_t buckets = 0; // of its t5 table
};

std::vector<Form> forms()
{
    return {{{{"causal", true}, {"window", 8}, {"chunk", 4}}},
            {{{"causal", true}, {"window", 6}, {"chunk", 3}, {"overlap", true}, {"relative", "t5"}}, 16},
            {{{"causal", true}, {"window", 4}, {"chunk", 2}, {"exclude_local", true}, {"overlap", true}}},
            {{{"causal", true}, {"window", 5}, {"chunk", 1}, {"projection", "no_ln"}}}};
}

/// The maps' weights, under the port's name.
std::vector<NamedArray> weights_of(const Form& form)
{
    std::vector<NamedArray> weights;
    uint64_t seed = 20;
    for (const std::string name : {"mu_q", "mu_k"}) {
        weights.push_back(random_array(name + ".weight", {kWidth, kWidth}, ++seed, 0.5));
        weights.push_back(random_array(name + ".bias", {kWidth}, ++seed, 0.3));
        if (form.attributes.contains("projection")) continue;
        weights.push_back(random_array(name + ".norm.weight", {kWidth}, ++seed));
        weights.push_back(random_array(name + ".norm.bias", {kWidth}, ++seed));
    }
    if (form.buckets > 0) weights.push_back(random_array("relative.weight", {form.buckets, kHeads}, ++seed));
    return weights;
}

/// x [3 * kSize] -> q, k, v -> eva -> y.
Model model_of(const Form& form, Device& device = test_device())
{
    ModelFile file;
    Json attributes = form.attributes;
    attributes["heads"] = kHeads;
    Json nodes = Json::array();
    uint32_t offset = 0;
    for (const char* name : {"q", "k", "v"}) {
        nodes.push_back(
            {{"op", "slice"}, {"in", {"x"}}, {"out", {name}}, {"attributes", {{"offset", offset}, {"size", kSize}}}});
        offset += kSize;
    }
    Json named = Json::object();
    for (const NamedArray& weight : weights_of(form)) {
        named[weight.name] = weight.name;
        std::vector<uint64_t> shape;
        for (uint32_t axis = 0; axis < weight.shape.rank(); ++axis) shape.push_back(weight.shape[axis]);
        file.store(weight.name, shape, weight.values);
    }
    nodes.push_back(
        {{"op", "eva"}, {"in", {"q", "k", "v"}}, {"out", {"y"}}, {"weights", named}, {"attributes", attributes}});
    file.json = {{"version", 1},
                 {"name", "windows"},
                 {"inputs", {{{"name", "x"}, {"size", 3 * kSize}}}},
                 {"outputs", {{{"name", "y"}, {"size", kSize}}}},
                 {"nodes", nodes}};
    return file.parse(device);
}

/// Tokens from .. from + count of x [tokens, size].
std::vector<float> part(const std::vector<float>& x, size_t size, size_t from, size_t count)
{
    const auto begin = x.begin() + static_cast<ptrdiff_t>(from * size);
    return {begin, begin + static_cast<ptrdiff_t>(count * size)};
}

std::vector<float> prefill(Session& session, const std::vector<uint32_t>& streams, const std::vector<uint32_t>& counts,
                           const std::vector<float>& x)
{
    std::vector<float> y(x.size() / 3);
    const std::span<const float> in(x);
    const std::span<float> out(y);
    session.prefill(streams, counts, {&in, 1}, {&out, 1});
    return y;
}

/// The operator over one sequence of x [tokens, 3 * kSize].
std::vector<float> whole(const Form& form, const std::vector<float>& x)
{
    const auto tokens = static_cast<uint32_t>(x.size() / (3 * kSize));
    std::vector<NamedArray> inputs;
    for (const char* name : {"q", "k", "v"}) {
        NamedArray input{name, {1, tokens, kHeads, kWidth}, {}};
        for (uint32_t t = 0; t < tokens; ++t) {
            const std::vector<float> row = part(x, kSize, 3 * t + inputs.size(), 1);
            input.values.insert(input.values.end(), row.begin(), row.end());
        }
        inputs.push_back(std::move(input));
    }
    for (NamedArray& weight : weights_of(form)) inputs.push_back(std::move(weight));
    return output_of(run_operator(test_device(), "eva", form.attributes, inputs), "o");
}

} // namespace

TEST_CASE("eva node: steps, and any cut of the sequence, give the bits and the state of the whole")
{
    const uint32_t tokens = 53;
    const std::vector<float> x = random_values(1, size_t{tokens} * 3 * kSize);
    for (const Form& form : forms()) {
        CAPTURE(form.attributes.dump());
        const Model model = model_of(form);
        const std::vector<float> expected = whole(form, x);
        std::vector<std::byte> state;
        for (const std::vector<uint32_t>& cuts :
             {std::vector<uint32_t>(tokens, 1), {53}, {1, 52}, {3, 5, 13, 2, 30}, {7, 1, 1, 44}}) {
            CAPTURE(cuts.size());
            Session session = make_session(model, 1);
            std::vector<float> found;
            uint32_t from = 0;
            for (const uint32_t count : cuts) {
                const std::vector<float> y = prefill(session, {0}, {count}, part(x, 3 * kSize, from, count));
                found.insert(found.end(), y.begin(), y.end());
                from += count;
            }
            CHECK(same_bits(found, expected));
            if (state.empty()) state = session.save(all_streams(session));
            CHECK(session.save(all_streams(session)) == state);
        }
    }
}

TEST_CASE("eva node: streams of different lengths run side by side, each as if alone")
{
    const Form form = forms()[1];
    const Model model = model_of(form);
    SessionOptions options;
    options.streams = 5;
    options.window_streams = 2;
    Session session(model, options);
    const std::vector<uint32_t> streams{4, 0, 3, 1};
    const std::vector<uint32_t> counts{3, 41, 1, 17};
    const std::vector<float> x = random_values(2, size_t{62} * 3 * kSize);
    const std::vector<float> y = prefill(session, streams, counts, x);
    uint32_t from = 0;
    for (size_t i = 0; i < streams.size(); ++i) {
        CAPTURE(streams[i]);
        CHECK(same_bits(part(y, kSize, from, counts[i]), whole(form, part(x, 3 * kSize, from, counts[i]))));
        from += counts[i];
    }
    // One step of all: stream 2 begins only now.
    const std::vector<float> token = random_values(3, size_t{5} * 3 * kSize);
    const std::vector<float> answer = step(session, token);
    from = 3;
    std::vector<float> second = part(x, 3 * kSize, from, 41);
    const std::vector<float> its_token = part(token, 3 * kSize, 0, 1);
    second.insert(second.end(), its_token.begin(), its_token.end());
    CHECK(same_bits(part(answer, kSize, 0, 1), part(whole(form, second), kSize, 41, 1)));
    CHECK(same_bits(part(answer, kSize, 2, 1), whole(form, part(token, 3 * kSize, 2, 1))));
}

TEST_CASE("eva node: a saved stream goes on elsewhere, to the bit")
{
    const Form form = forms()[0];
    const Model model = model_of(form);
    const std::vector<float> x = random_values(4, size_t{40} * 3 * kSize);
    Session first = make_session(model, 2);
    (void)prefill(first, {1}, {19}, part(x, 3 * kSize, 0, 19));
    const std::vector<uint32_t> one{1};
    const std::vector<std::byte> saved = first.save(one);
    Session second = make_session(model, 2);
    second.restore(one, saved, false);
    CHECK(same_bits(prefill(second, one, {21}, part(x, 3 * kSize, 19, 21)), part(whole(form, x), kSize, 19, 21)));
}

TEST_CASE("eva node: a stream keeps as many tokens as its capacity says, and refuses more by name")
{
    Form form = forms()[0];
    form.attributes["capacity"] = 10; // not a whole number of chunks
    const Model model = model_of(form);
    CHECK(model.token_capacity() == 10);
    const std::vector<float> x = random_values(5, size_t{11} * 3 * kSize);
    Session session = make_session(model, 1);
    const std::vector<float> y = prefill(session, {0}, {10}, part(x, 3 * kSize, 0, 10));
    CHECK(same_bits(y, whole(form, part(x, 3 * kSize, 0, 10))));
    refused(Status::invalid_argument, "stream 0: 11 tokens, and windows keeps at most 10 (its 'capacity')",
            [&] { (void)step(session, part(x, 3 * kSize, 10, 1)); });
    CHECK(session.position_of(0).tokens == 10);
    form.attributes["capacity"] = 20;
    CHECK(make_session(model_of(form), 1).layout().state_bytes() > session.layout().state_bytes());
    CHECK(model_of(forms()[0]).token_capacity() == 4096);
}

TEST_CASE("eva node: before a node that learns it starts anew with each demonstration, and its capacity holds there")
{
    ModelFile file = encoded_model("intention", {{"alpha", 0.3}});
    file.json["nodes"][1] = Json::parse(R"({"op":"eva","in":["h","h","h"],"out":["key"],
        "weights":{"mu_q.weight":"m","mu_q.bias":"c","mu_k.weight":"m","mu_k.bias":"c"},
        "attributes":{"heads":2,"causal":true,"window":4,"chunk":2,"projection":"no_ln","capacity":70}})");
    file.store("m", {4, 4}, random_values(9, 16, 0.5));
    file.store("c", {4}, random_values(10, 4));
    const Model model = file.parse(test_device());
    const Demonstration first(40, 4, 2, 10);
    const Demonstration second(30, 4, 2, 11);
    const auto learned = [&](bool is_cut, bool separates, uint32_t acts) {
        Session session = make_session(model, 1);
        for (uint32_t i = 0; i < acts; ++i) (void)step(session, random_values(13 + i, 4));
        show(session, 0, first, is_cut ? std::vector<uint32_t>{1, 22, 17} : std::vector<uint32_t>{40});
        if (separates) session.begin_demonstration(std::vector<uint32_t>{0});
        show(session, 0, second);
        refused(Status::invalid_argument, "stream 0: 71 tokens in one demonstration",
                [&] { show(session, 0, Demonstration(separates ? 41 : 1, 4, 2, 12)); });
        (void)session.solve(std::vector<uint32_t>{0});
        return session.statistics(0).front().values; // g: what the keys summed up to
    };
    const std::vector<float> separate = learned(false, true, 0);
    CHECK(same_bits(learned(true, true, 0), separate));
    CHECK(same_bits(learned(true, true, 5), separate));
    CHECK_FALSE(same_bits(learned(false, false, 0), separate));
}

TEST_CASE("eva, lara: what sees later tokens is no node")
{
    Form form{{{"window", 1}, {"chunk", 1}, {"projection", "no_ln"}}};
    const Model model = model_of(form);
    refused(Status::unsupported, "a node that goes token by token needs 'causal'",
            [&] { (void)make_session(model, 1); });
    ModelFile file;
    file.json = Json::parse(R"({"version":1,"name":"sampled","inputs":[{"name":"x","size":2}],
        "outputs":[{"name":"y","size":2}],"nodes":[{"op":"lara","in":["x","x","x"],"out":["y"],
        "attributes":{"landmarks":4},"weights":{
        "mu_q.weight":"w","mu_q.bias":"b","mu_q.norm.weight":"b","mu_q.norm.bias":"b",
        "mu_k.weight":"w","mu_k.bias":"b","mu_k.norm.weight":"b","mu_k.norm.bias":"b"}}]})");
    file.store("w", {2, 2}, {1, 0, 0, 1});
    file.store("b", {2}, {0, 0});
    refused(Status::unsupported, "lara sees all tokens at once, and is no node",
            [&] { (void)file.parse(test_device()); });
    file.json["nodes"][0]["attributes"]["landmarks"] = 1;
    const Model sampled = file.parse(test_device());
    refused(Status::unsupported, "has no causal form: it is no node", [&] { (void)make_session(sampled, 1); });
}
