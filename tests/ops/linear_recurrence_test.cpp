// Properties of the general linear recurrence that hold to the bit, in its kernels for hot widths as in the one for
// any.
#include "arrays.hpp"
#include "test_device.hpp"

#include <algorithm>

using namespace gramian;

namespace {

struct Layer {
    const char* attributes;
    uint32_t decay; // 0: none, 1: a number a head, 2: a number a key feature
    uint32_t beta;
    bool has_erase;
    bool has_bonus;
    uint32_t width;
    uint32_t columns;
};

// Every rule, in hot widths of one, two and more blocks, and in others.
constexpr Layer kLayers[] = {
    {R"({})", 2, 0, false, false, 64, 64},
    {R"({"scale":1})", 1, 1, false, false, 16, 32},
    {R"({"read":"before"})", 2, 0, false, true, 32, 16},
    {R"({"rule":"delta"})", 1, 1, false, false, 64, 16},
    {R"({"rule":"delta","write":"plain","erase":"pre"})", 2, 2, false, false, 16, 16},
    {R"({"rule":"general","erase":"pre","decay_form":"neg_exp"})", 2, 0, true, false, 128, 16},
    {R"({"feature":"elu1","normalize":true})", 1, 0, false, false, 16, 16},
    {R"({"rule":"delta"})", 1, 1, false, false, 20, 12},
};

constexpr uint32_t kBatch = 3;
constexpr uint32_t kTokens = 23;
constexpr uint32_t kHeads = 2;

NamedArray bounded(const char* name, Shape shape, uint64_t seed, float low, float high)
{
    NamedArray array = random_array(name, shape, seed);
    for (float& value : array.values) value = low + (high - low) * std::min(std::abs(value) / 3, 1.0F);
    return array;
}

std::vector<NamedArray> inputs_of(const Layer& layer)
{
    const Shape key{kBatch, kTokens, kHeads, layer.width};
    const Shape by_head{kBatch, kTokens, kHeads};
    const double unit = 1 / std::sqrt(static_cast<double>(layer.width));
    std::vector<NamedArray> inputs{random_array("q", key, 1, unit), random_array("k", key, 2, unit),
                                   random_array("v", {kBatch, kTokens, kHeads, layer.columns}, 3),
                                   random_array("state", {kBatch, kHeads, layer.width, layer.columns}, 4)};
    if (layer.decay) inputs.push_back(bounded("decay", layer.decay == 1 ? by_head : key, 5, -0.5F, -0.01F));
    if (layer.beta) inputs.push_back(bounded("beta", layer.beta == 1 ? by_head : key, 6, 0.1F, 0.9F));
    if (layer.has_erase) {
        inputs.push_back(random_array("erase_read", key, 7, 0.5 * unit));
        inputs.push_back(random_array("erase_write", key, 8, 0.5 * unit));
    }
    if (layer.has_bonus) inputs.push_back(random_array("bonus", {kHeads, layer.width}, 9));
    return inputs;
}

OperatorRun run(const Layer& layer, const std::vector<NamedArray>& inputs, const Json& chunks)
{
    Json attributes = Json::parse(layer.attributes);
    if (!chunks.empty()) attributes["chunks"] = chunks;
    return run_operator(test_device(), "linear_attention", attributes, inputs);
}

} // namespace

TEST_CASE("linear recurrence: cutting a sequence anywhere changes no bit")
{
    const std::vector<uint32_t> single(kTokens, 1);
    for (const Layer& layer : kLayers) {
        CAPTURE(layer.attributes);
        CAPTURE(layer.width);
        const std::vector<NamedArray> inputs = inputs_of(layer);
        const OperatorRun whole = run(layer, inputs, {});
        for (const Json& chunks : {Json(single), Json{5, 1, 1, 13, 3}, Json{22, 1}}) {
            const OperatorRun cut = run(layer, inputs, chunks);
            CHECK(same_bits(output_of(whole, "o"), output_of(cut, "o")));
            CHECK(same_bits(output_of(whole, "state"), output_of(cut, "state")));
        }
    }
}

TEST_CASE("linear recurrence: a kept state goes on, run after run, as a sequence does")
{
    for (const Layer& layer : {kLayers[1], kLayers[4]}) {
        const std::vector<NamedArray> inputs = inputs_of(layer);
        const OperatorRun whole = run(layer, inputs, {});
        OperatorProgram once(test_device(), "linear_attention", Json::parse(layer.attributes), inputs, true);
        once.program().run();
        CHECK(same_bits(output_of(whole, "o"), output_of(OperatorRun{once.outputs()}, "o")));
        CHECK(same_bits(output_of(whole, "state"), output_of(OperatorRun{once.outputs()}, "state")));
        once.program().run();
        CHECK_FALSE(same_bits(output_of(whole, "state"), output_of(OperatorRun{once.outputs()}, "state")));
    }
}

TEST_CASE("linear recurrence: launches split at the limit of loop trips go on without a seam")
{
    // 16 by 16 takes at most 60,000 trips a launch: between 1,700 and 5,000 tokens. 6,000 ones sum up exactly.
    constexpr uint32_t kMany = 6'000;
    const std::vector<float> ones(size_t{kMany} * 16, 1.0F);
    const Shape shape{1, kMany, 1, 16};
    const OperatorRun outputs = run_operator(test_device(), "linear_attention", {{"scale", 1}},
                                             {{"q", shape, ones}, {"k", shape, ones}, {"v", shape, ones}});
    const auto state = output_of(outputs, "state");
    CHECK(std::all_of(state.begin(), state.end(), [](float s) { return s == kMany; }));
    const auto o = output_of(outputs, "o");
    for (uint32_t t = 0; t < kMany; t += 7) REQUIRE(o[t * 16] == 16.0F * static_cast<float>(t + 1));
}
