// The linear recurrence in a session. Steps have kernels of their own where nothing is erased and widths allow; a
// stream must not tell by its bits which of them took a token.
#include "sliced_model.hpp"

using namespace gramian;

namespace {

constexpr uint32_t kTokens = 6;
constexpr uint32_t kHeads = 2;

struct Form {
    const char* attributes;
    uint32_t width;
    uint32_t columns;
    uint32_t decays; // a head
};

} // namespace

TEST_CASE("linear attention node: steps, and any cut of the sequence, give the bits and the state of the whole")
{
    for (const Form& form : {Form{"{}", 64, 64, 64}, Form{R"({"read":"before"})", 128, 32, 1},
                             Form{R"({"feature":"elu1","scale":0.5})", 32, 128, 32},
                             Form{R"({"rule":"delta"})", 64, 64, 1}, Form{"{}", 16, 64, 16}}) {
        CAPTURE(std::string(form.attributes));
        CAPTURE(form.width);
        const uint32_t keys = kHeads * form.width;
        const uint32_t values = kHeads * form.columns;
        const uint32_t decays = kHeads * form.decays;
        const uint32_t total = 2 * keys + values + decays;
        std::vector<float> x = random_values(3, size_t{kStreams} * kTokens * total, 0.3);
        for (size_t row = 0; row < size_t{kStreams} * kTokens; ++row) { // logs of what is kept
            for (uint32_t i = total - decays; i < total; ++i) x[row * total + i] = -std::abs(x[row * total + i]);
        }
        Shape decay_shape{kStreams, kTokens, kHeads};
        if (form.decays > 1) decay_shape = {kStreams, kTokens, kHeads, form.width};
        const OperatorRun whole =
            run_operator(test_device(), "linear_attention", Json::parse(form.attributes),
                         {slice_of(x, total, "q", 0, {kStreams, kTokens, kHeads, form.width}),
                          slice_of(x, total, "k", keys, {kStreams, kTokens, kHeads, form.width}),
                          slice_of(x, total, "v", 2 * keys, {kStreams, kTokens, kHeads, form.columns}),
                          slice_of(x, total, "decay", 2 * keys + values, decay_shape)});
        const std::vector<float> expected = output_of(whole, "o");

        Json attributes = Json::parse(form.attributes);
        attributes["heads"] = kHeads;
        ModelFile file = sliced_model("linear_attention", attributes, {keys, keys, values, decays}, values);
        file.json["nodes"].back()["in"] = {{"q", "part0"}, {"k", "part1"}, {"v", "part2"}, {"decay", "part3"}};
        const Model model = file.parse(test_device());
        CHECK(same_bits(step_all(model, x, total, values), expected));

        Session once = make_session(model, kStreams);
        CHECK(same_bits(prefill_all(once, x, total, values, {kTokens}), expected));
        Session pieces = make_session(model, kStreams);
        CHECK(same_bits(prefill_all(pieces, x, total, values, {1, 3, 1, 1}), expected));
        CHECK(pieces.save(all_streams(pieces)) == once.save(all_streams(once)));
    }
}
