// Models that hold up: what they are once loaded.
#include "model_file.hpp"
#include "refused.hpp"
#include "session/session.hpp"
#include "test_device.hpp"

using namespace gramian;

namespace {

std::vector<float> one_step(const Model& model, const std::vector<float>& input)
{
    Session session(model, {});
    std::vector<float> output(model.outputs()[0].size);
    const std::span<const float> in(input);
    const std::span<float> out(output);
    session.submit({&in, 1});
    session.wait({&out, 1});
    return output;
}

} // namespace

TEST_CASE("model: ports, values, nodes and counts are those of the file")
{
    const Model model = encoded_model("intention", {{"heads", 2}}, 4, 8, 2).parse(test_device());
    CHECK(model.name() == "learner");
    REQUIRE(model.inputs().size() == 2);
    CHECK(model.inputs()[0].name == "observation");
    CHECK(model.inputs()[0].size == 4);
    CHECK_FALSE(model.inputs()[0].is_context);
    CHECK(model.inputs()[1].is_context);
    REQUIRE(model.outputs().size() == 1);
    CHECK(model.values()[model.outputs()[0].value].name == "action");
    CHECK(model.nodes().size() == 3);
    CHECK(model.nodes()[2].heads == 2);
    CHECK(model.nodes()[2].is_context);
    CHECK_FALSE(model.nodes()[0].is_context);
    CHECK(model.has_context());
    CHECK(model.capacity() == 0);
    CHECK(model.parameter_count() == 8 * 4 + 8);
    CHECK(model.weight_bytes() >= 4 * model.parameter_count());
    CHECK(model.golden().tokens == 0);
    CHECK(&model.device() == &test_device());
}

TEST_CASE("model: what a description may hold beside its nodes changes nothing")
{
    ModelFile file = feedforward_model();
    const std::vector<float> plain = one_step(file.parse(test_device()), {1, 2, 3});
    file.json["task"] = "cartpole";
    file.json["period_s"] = 0.02;
    file.json["teacher_return"] = -3;
    file.json["card"] = {{"summary", "a model"}, {"anything", {1, 2, {{"x", nullptr}}}}};
    file.json["outputs"][0]["low"] = {-1, -2};
    file.json["outputs"][0]["high"] = {1, 2};
    const Model model = file.parse(test_device());
    CHECK(model.outputs()[0].low == std::vector<float>{-1, -2});
    CHECK(same_bits(one_step(model, {1, 2, 3}), plain));
}

TEST_CASE("model: statistics that travel with it cost no weights")
{
    ModelFile file = feedforward_model();
    const Model plain = file.parse(test_device());
    file.store("statistics.g", {2, 2}, {1, 2, 2, 5});
    const Model carrying = file.parse(test_device());
    CHECK(carrying.weight_bytes() == plain.weight_bytes());
    CHECK(carrying.parameter_count() == plain.parameter_count());
    CHECK(one_step(carrying, {1, 2, 3}) == one_step(plain, {1, 2, 3}));
}

TEST_CASE("model: inputs and outputs may be wired by name as well as in order")
{
    ModelFile file = feedforward_model();
    const std::vector<float> listed = one_step(file.parse(test_device()), {1, 2, 3});
    file.json["nodes"][0]["in"] = {{"x", "observation"}};
    file.json["nodes"][0]["out"] = {{"y", "h"}};
    CHECK(same_bits(one_step(file.parse(test_device()), {1, 2, 3}), listed));
}

TEST_CASE("model: a weight that two nodes share is stored once and counted once")
{
    ModelFile file = feedforward_model(3, 3);
    const uint64_t before = file.parse(test_device()).weight_bytes();
    repeat_layer(file);
    const Model shared = file.parse(test_device());
    CHECK(shared.weight_bytes() == before);
    CHECK(shared.parameter_count() == 12);

    // And computes what two copies do.
    ModelFile copies = file;
    copies.tensors["w2"] = file.tensors["w"];
    copies.tensors["b2"] = file.tensors["b"];
    copies.json["nodes"][1]["weights"] = {{"weight", "w2"}, {"bias", "b2"}};
    const Model separate = copies.parse(test_device());
    CHECK(separate.weight_bytes() > before);
    CHECK(separate.parameter_count() == 24);
    CHECK(same_bits(one_step(shared, {1, -2, 3}), one_step(separate, {1, -2, 3})));
}

TEST_CASE("model: one tensor may serve ports that pack it and ports that do not")
{
    ModelFile file;
    file.json = Json::parse(R"({"version":1,"name":"odd","inputs":[{"name":"x","size":1}],
        "outputs":[{"name":"y","size":1}],"nodes":[
        {"op":"linear","in":["x"],"out":["h"],"weights":{"weight":"m"}},
        {"op":"linear","in":["h"],"out":["y"],"weights":{"weight":"m","bias":"c"}}]})");
    file.store("m", {1, 1}, {3});
    file.store("c", {1}, {5});
    CHECK(one_step(file.parse(test_device()), {2})[0] == Approx(23)); // 3 (3 2) + 5: exact in fp32
}

TEST_CASE("model: F16, BF16 and F64 weights act as the values that they round to")
{
    const auto with = [](DType dtype, auto stored, const std::vector<float>& rounded) {
        ModelFile file = feedforward_model();
        file.store("w", dtype, {2, 3}, stored);
        ModelFile plain = feedforward_model();
        plain.store("w", {2, 3}, rounded);
        CAPTURE(dtype_name(dtype));
        CHECK(same_bits(one_step(file.parse(test_device()), {0.5F, -1, 2}),
                        one_step(plain.parse(test_device()), {0.5F, -1, 2})));
    };
    const std::vector<float> values = random_values(9, 6);
    std::vector<uint16_t> halves;
    std::vector<uint16_t> brains;
    std::vector<float> half_values;
    std::vector<float> brain_values;
    for (float value : values) {
        halves.push_back(float_to_half(value));
        half_values.push_back(half_to_float(halves.back()));
        brains.push_back(static_cast<uint16_t>(std::bit_cast<uint32_t>(value) >> 16));
        brain_values.push_back(bfloat16_to_float(brains.back()));
    }
    CHECK_FALSE(same_bits(half_values, values)); // something was rounded
    with(DType::f16, halves, half_values);
    with(DType::bf16, brains, brain_values);
    std::vector<double> doubles(values.begin(), values.end());
    doubles[0] += 1e-12;
    with(DType::f64, doubles, values);
}

TEST_CASE("model: a model with no weights loads")
{
    ModelFile file;
    file.json = Json::parse(R"({"version":1,"name":"bare","inputs":[{"name":"x","size":2}],
        "outputs":[{"name":"y","size":2}],"nodes":[{"op":"add","in":["x","x"],"out":["y"]}]})");
    const Model model = file.parse(test_device());
    CHECK(model.parameter_count() == 0);
    CHECK(one_step(model, {1, -2}) == std::vector<float>{2, -4}); // sums of small integers are exact
}

TEST_CASE("model: the capacity is that of the smallest node")
{
    ModelFile file = encoded_model("softmax_attention", {{"capacity", 10}});
    CHECK(file.parse(test_device()).capacity() == 10);
    Json second = file.json["nodes"][2];
    second["attributes"]["capacity"] = 7;
    second["out"] = {"other"};
    file.json["nodes"].push_back(second);
    file.json["outputs"].push_back({{"name", "other"}, {"size", 2}});
    CHECK(file.parse(test_device()).capacity() == 7);
}

TEST_CASE("model: the largest names, sizes and counts of nodes load")
{
    ModelFile file;
    file.json = Json::parse(R"({"version":1,"name":"long","inputs":[{"name":"x0","size":1}],
        "outputs":[{"name":"x2000","size":1}],"nodes":[]})");
    for (int i = 0; i < 2'000; ++i) {
        file.json["nodes"].push_back({{"op", "activation"},
                                      {"in", {fmt::format("x{}", i)}},
                                      {"out", {fmt::format("x{}", i + 1)}},
                                      {"attributes", {{"kind", "identity"}}}});
    }
    const Model model = file.parse(test_device());
    CHECK(model.nodes().size() == 2'000);
    CHECK(one_step(model, {0.25F}) == std::vector<float>{0.25F}); // identity
    ModelFile wide = feedforward_model(65'536, 1);
    CHECK_NOTHROW((void)wide.parse(test_device()));
}

TEST_CASE("model: a model may be moved")
{
    Model model = feedforward_model().parse(test_device());
    const std::vector<float> before = one_step(model, {1, 2, 3});
    const Model moved = std::move(model);
    CHECK(same_bits(one_step(moved, {1, 2, 3}), before));
}
