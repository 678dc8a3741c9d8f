// Nodes of softmax attention and of its random features in a session: token by token they give what the operator gives
// over the sequence.
#include "refused.hpp"
#include "sliced_model.hpp"

using namespace gramian;

namespace {

/// Heads, key and value width of a head, all in one vector of the model's input.
struct Widths {
    uint32_t heads, width, columns;
    [[nodiscard]] uint32_t total() const { return heads * (2 * width + columns); }
    [[nodiscard]] uint32_t output() const { return heads * columns; }
};

Model attention_model(const Widths& widths, Json attributes)
{
    attributes["heads"] = widths.heads;
    const uint32_t keys = widths.heads * widths.width;
    return sliced_model("softmax_attention", attributes, {keys, keys, widths.output()}, widths.output())
        .parse(test_device());
}

std::vector<float> whole(const Widths& widths, const Json& attributes, const std::vector<float>& x)
{
    const uint32_t keys = widths.heads * widths.width;
    const auto tokens = static_cast<uint32_t>(x.size() / kStreams / widths.total());
    const Shape key{kStreams, tokens, widths.heads, widths.width};
    return output_of(
        run_operator(test_device(), "softmax_attention", attributes,
                     {slice_of(x, widths.total(), "q", 0, key), slice_of(x, widths.total(), "k", keys, key),
                      slice_of(x, widths.total(), "v", 2 * keys, {kStreams, tokens, widths.heads, widths.columns})}),
        "o");
}

std::vector<float> random_tokens(const Widths& widths, uint32_t tokens)
{
    return random_values(7, size_t{kStreams} * tokens * widths.total());
}

} // namespace

TEST_CASE("softmax attention node: steps give the bits of the operator over the sequence")
{
    constexpr uint32_t kTokens = 150;
    for (const Widths widths : {Widths{2, 5, 3}, Widths{1, 8, 65}}) {
        const std::vector<float> x = random_tokens(widths, kTokens);
        for (const uint32_t window : {0U, 1U, 70U}) {
            CAPTURE(widths.width);
            CAPTURE(window);
            const Json mask = {{"causal", true}, {"window", window}};
            Json node = mask;
            if (window == 0) node["capacity"] = kTokens;
            const Model model = attention_model(widths, node);
            CHECK(same_bits(step_all(model, x, widths.total(), widths.output()), whole(widths, mask, x)));
        }
    }
}

TEST_CASE("softmax attention node: a sequence may be cut anywhere")
{
    constexpr Widths kWidths{2, 5, 3};
    constexpr uint32_t kTokens = 200;
    const std::vector<float> x = random_tokens(kWidths, kTokens);
    for (const Json& node : {Json{{"causal", true}, {"capacity", kTokens}}, Json{{"causal", true}, {"window", 33}}}) {
        const Model model = attention_model(kWidths, node);
        const std::vector<float> steps = step_all(model, x, kWidths.total(), kWidths.output());
        const std::vector<std::vector<uint32_t>> cuts{{200}, {1, 199}, {63, 1, 64, 72}, {5, 1, 1, 130, 1, 62}};
        for (const auto& pieces : cuts) {
            Session session = make_session(model, kStreams);
            CHECK(same_bits(prefill_all(session, x, kWidths.total(), kWidths.output(), pieces), steps));
        }
    }
}

TEST_CASE("softmax attention node with a budget: steps and pieces give the bits of the operator over the sequence")
{
    constexpr Widths kWidths{2, 5, 3};
    constexpr uint32_t kTokens = 70;
    const std::vector<float> x = random_tokens(kWidths, kTokens);
    for (const char* method : {"topk_refit", "forward"}) {
        for (const uint32_t window : {0U, 25U}) {
            CAPTURE(method);
            CAPTURE(window);
            const Json mask = {{"causal", true}, {"window", window}, {"budget", 4}, {"method", method}};
            Json node = mask;
            node["capacity"] = kTokens;
            const Model model = attention_model(kWidths, node);
            const std::vector<float> expected = whole(kWidths, mask, x);
            CHECK(same_bits(step_all(model, x, kWidths.total(), kWidths.output()), expected));
            Session session = make_session(model, kStreams);
            CHECK(same_bits(prefill_all(session, x, kWidths.total(), kWidths.output(), {3, 1, 60, 6}), expected));
        }
    }
}

TEST_CASE("softmax attention node: a window goes on for ever, and its ring's count stays in bounds")
{
    constexpr Widths kWidths{1, 4, 2};
    constexpr uint32_t kTokens = 700; // a ring of 3 starts anew at 384 tokens, and each 192 after that
    const std::vector<float> x = random_tokens(kWidths, kTokens);
    const Model model = attention_model(kWidths, {{"causal", true}, {"window", 3}, {"capacity", 3}});
    const std::vector<float> expected = whole(kWidths, {{"causal", true}, {"window", 3}}, x);
    CHECK(same_bits(step_all(model, x, kWidths.total(), kWidths.output()), expected));
    Session session = make_session(model, kStreams);
    CHECK(same_bits(prefill_all(session, x, kWidths.total(), kWidths.output(), {380, 10, 200, 110}), expected));
}

TEST_CASE("softmax attention node: more tokens than the capacity are refused by name, and change nothing")
{
    constexpr Widths kWidths{1, 4, 2};
    const std::vector<float> x = random_tokens(kWidths, 6);
    for (const uint32_t window : {0U, 9U}) {
        const Model model = attention_model(kWidths, {{"causal", true}, {"window", window}, {"capacity", 5}});
        Session session = make_session(model, kStreams);
        const std::vector<float> token(x.begin(), x.begin() + kStreams * kWidths.total());
        for (uint32_t t = 0; t < 4; ++t) (void)step(session, token);
        refused(Status::invalid_argument, "stream 0: 6 tokens, and sliced keeps at most 5 (its 'capacity')", [&] {
            const std::vector<float> two(token.begin(), token.begin() + 2 * kWidths.total());
            std::vector<float> answer(2 * kWidths.output());
            const std::span<const float> in(two);
            const std::span<float> out(answer);
            session.prefill(std::vector<uint32_t>{0}, std::vector<uint32_t>{2}, {&in, 1}, {&out, 1});
        });
        const std::vector<float> fifth = step(session, token);
        refused(Status::invalid_argument, "6 tokens, and sliced keeps at most 5", [&] { (void)step(session, token); });
        Session other = make_session(model, kStreams);
        for (uint32_t t = 0; t < 4; ++t) (void)step(other, token);
        CHECK(same_bits(step(other, token), fifth));
        other.reset(all_streams(other));
        CHECK(step(other, token).size() == fifth.size());
    }
}

TEST_CASE("softmax attention node: what is saved in mid-sequence goes on in another stream with the same bits")
{
    constexpr Widths kWidths{2, 4, 3};
    const std::vector<float> x = random_tokens(kWidths, 90);
    const Model model = attention_model(kWidths, {{"causal", true}, {"window", 20}});
    Session session = make_session(model, kStreams);
    const std::vector<float> first(x.begin(), x.begin() + static_cast<ptrdiff_t>(x.size() / 2));
    (void)prefill_all(session, first, kWidths.total(), kWidths.output(), {45});
    const std::vector<uint32_t> one{1};
    const std::vector<uint32_t> last{2};
    const auto saved = session.save(one);
    session.restore(last, saved, false);
    std::vector<float> token = random_values(3, size_t{kStreams} * kWidths.total());
    std::copy_n(token.begin() + kWidths.total(), kWidths.total(), token.begin() + 2 * kWidths.total());
    const std::vector<float> answer = step(session, token);
    CHECK(same_bits({answer.begin() + kWidths.output(), answer.begin() + 2 * kWidths.output()},
                    {answer.begin() + 2 * kWidths.output(), answer.end()}));
    CHECK_FALSE(same_bits({answer.begin(), answer.begin() + kWidths.output()},
                          {answer.begin() + kWidths.output(), answer.begin() + 2 * kWidths.output()}));
}

TEST_CASE("softmax attention node: what it needs is asked for by name")
{
    const auto session_of = [](const Json& attributes) {
        const Model model = attention_model({1, 4, 2}, attributes);
        (void)make_session(model, 1);
    };
    refused(Status::invalid_model, "attribute 'capacity' is missing", [&] { session_of({{"causal", true}}); });
    refused(Status::unsupported, "needs 'causal'", [&] { session_of({{"capacity", 9}}); });
    refused(Status::unsupported, "needs 'causal'", [&] { session_of({{"window", 9}}); });
    refused(Status::invalid_model, "expected no causal and no window", [] {
        (void)context_model("softmax_attention", {{"causal", true}, {"capacity", 9}}).parse(test_device());
    });
}

TEST_CASE("softmax attention node before a head that learns: a demonstration longer than its capacity is refused")
{
    ModelFile file = context_model("intention", Json::object(), 4, 2);
    file.json["nodes"][0]["in"] = {{"q", "h"}, {"k", "h"}, {"v", "target"}};
    const Json attention = {{"op", "softmax_attention"},
                            {"in", {"observation", "observation", "observation"}},
                            {"out", {"h"}},
                            {"attributes", {{"causal", true}, {"capacity", 5}}}};
    file.json["nodes"] = {attention, file.json["nodes"][0]};
    const Model model = file.parse(test_device());
    Session session = make_session(model, 1);
    const Demonstration demonstration(5, 4, 2, 1);
    show(session, 0, demonstration, {2, 3});
    refused(Status::invalid_argument, "10 tokens in one demonstration, and learner keeps at most 5 (its 'capacity')",
            [&] { show(session, 0, demonstration); });
    session.begin_demonstration(std::vector<uint32_t>{0});
    show(session, 0, demonstration, {5});
    CHECK(session.position_of(0).pairs == 10);
}

TEST_CASE("random-feature attention node: a sequence may be cut anywhere, while the stabiliser rises")
{
    constexpr uint32_t kTokens = 150, kWidth = 6, kFeatures = 9, kColumns = 3, kTotal = 2 * (2 * kWidth + kColumns);
    std::vector<float> x = random_values(4, size_t{kStreams} * kTokens * kTotal);
    for (size_t i = 0; i < x.size(); ++i) {
        const size_t channel = i % kTotal; // keys lie in the middle
        const bool is_key = channel >= 2 * kWidth && channel < 4 * kWidth;
        if (is_key) x[i] *= 0.1F + 0.02F * static_cast<float>(i / kTotal % kTokens);
    }
    const NamedArray projection = random_array("projection", {2, kFeatures, kWidth}, 5);
    const std::vector<std::vector<uint32_t>> cuts{{150}, {1, 149}, {63, 1, 64, 22}, {5, 1, 1, 130, 1, 12}};
    for (const char* features : {"favor", "rfa"}) {
        CAPTURE(features);
        const Json attributes = {{"features", features}, {"causal", true}, {"denominator_min", 1e-2}};
        Json node = attributes;
        node["heads"] = 2;
        ModelFile file = sliced_model("random_feature_attention", node, {2 * kWidth, 2 * kWidth, 2 * kColumns}, 6);
        file.json["nodes"].back()["weights"] = {{"projection", "w"}};
        file.store("w", {2, kFeatures, kWidth}, projection.values);
        const Model model = file.parse(test_device());
        const Shape key{kStreams, kTokens, 2, kWidth};
        const auto expected = output_of(
            run_operator(test_device(), "random_feature_attention", attributes,
                         {slice_of(x, kTotal, "q", 0, key), slice_of(x, kTotal, "k", 2 * kWidth, key),
                          slice_of(x, kTotal, "v", 4 * kWidth, {kStreams, kTokens, 2, kColumns}), projection}),
            "o");
        CHECK(same_bits(step_all(model, x, kTotal, 6), expected));
        for (const auto& pieces : cuts) {
            Session session = make_session(model, kStreams);
            CHECK(same_bits(prefill_all(session, x, kTotal, 6, pieces), expected));
        }
    }
}
