// Nodes of log-space attention in a session: token by token they give what the operator gives over the sequence.
#include "refused.hpp"
#include "sliced_model.hpp"

using namespace gramian;

namespace {

constexpr uint32_t kTokens = 21;

} // namespace

TEST_CASE("log attention node: steps, and any cut of the sequence, give the bits and the state of the whole")
{
    struct Form {
        bool is_signed;
        uint32_t width, columns; // of each of 2 heads
        double scale = 1;
    };
    for (const Form& form : {Form{false, 5, 3}, Form{true, 5, 3}, Form{false, 64, 64}, Form{true, 64, 64},
                             Form{false, 32, 64, 60}, Form{true, 128, 32}, Form{false, 16, 128}}) {
        CAPTURE(form.is_signed);
        CAPTURE(form.width);
        const uint32_t keys = 2 * form.width;
        const uint32_t values = 2 * form.columns;
        const uint32_t total = 2 * keys + values;
        const Json attributes = {{"signed", form.is_signed}};
        Json with_heads = attributes;
        with_heads["heads"] = 2;
        const Model model =
            sliced_model("log_attention", with_heads, {keys, keys, values}, values).parse(test_device());
        const std::vector<float> x = random_values(1, size_t{kStreams} * kTokens * total, form.scale);
        const OperatorRun whole = run_operator(
            test_device(), "log_attention", attributes,
            {slice_of(x, total, "q", 0, {kStreams, kTokens, 2, form.width}),
             slice_of(x, total, "k", keys, {kStreams, kTokens, 2, form.width}),
             slice_of(x, total, form.is_signed ? "v" : "log_v", 2 * keys, {kStreams, kTokens, 2, form.columns})});
        const std::vector<float> expected = output_of(whole, form.is_signed ? "y" : "log_y");
        CHECK(same_bits(step_all(model, x, total, values), expected));
        Session once = make_session(model, kStreams);
        CHECK(same_bits(prefill_all(once, x, total, values, {kTokens}), expected));
        Session pieces = make_session(model, kStreams);
        CHECK(same_bits(prefill_all(pieces, x, total, values, {1, 3, 1, kTokens - 5}), expected));
        CHECK(pieces.save(all_streams(pieces)) == once.save(all_streams(once)));
    }
}

TEST_CASE("log recurrence node: steps give the bits of the operator over the sequence")
{
    const Model model = sliced_model("log_recurrence", Json::object(), {7, 7}, 7).parse(test_device());
    const std::vector<float> x = random_values(1, size_t{kStreams} * kTokens * 14);
    const OperatorRun whole = run_operator(
        test_device(), "log_recurrence", Json::object(),
        {slice_of(x, 14, "a", 0, {kStreams, kTokens, 7}), slice_of(x, 14, "b", 7, {kStreams, kTokens, 7})});
    CHECK(same_bits(step_all(model, x, 14, 7), output_of(whole, "s")));
}

TEST_CASE("log-linear attention node: steps give the bits of the operator, and go on beyond the last level")
{
    const std::vector<float> x = random_values(1, size_t{kStreams} * kTokens * 23, 0.5);
    const auto sequence = [&](uint32_t levels) {
        std::vector<NamedArray> inputs{
            slice_of(x, 23, "q", 0, {kStreams, kTokens, 1, 5}), slice_of(x, 23, "k", 5, {kStreams, kTokens, 1, 5}),
            slice_of(x, 23, "v", 10, {kStreams, kTokens, 1, 6}), slice_of(x, 23, "decay", 16, {kStreams, kTokens, 1}),
            slice_of(x, 23, "level_scale", 17, {kStreams, kTokens, 1, levels})};
        return inputs;
    };
    const Model full = sliced_model("log_linear_attention", Json::object(), {5, 5, 6, 1, 6}, 6).parse(test_device());
    const OperatorRun whole = run_operator(test_device(), "log_linear_attention", Json::object(), sequence(6));
    CHECK(same_bits(step_all(full, x, 23, 6), output_of(whole, "o")));

    // Three levels reach four tokens back: all that is older shares the scale of the last one.
    ModelFile short_file = sliced_model("log_linear_attention", Json::object(), {5, 5, 6, 1, 3}, 6);
    std::vector<float> short_x;
    for (size_t row = 0; row < size_t{kStreams} * kTokens; ++row) {
        short_x.insert(short_x.end(), x.begin() + static_cast<ptrdiff_t>(row * 23),
                       x.begin() + static_cast<ptrdiff_t>(row * 23 + 20));
    }
    std::vector<NamedArray> repeated = sequence(6);
    for (size_t row = 0; row < size_t{kStreams} * kTokens; ++row) {
        for (uint32_t level = 3; level < 6; ++level) {
            repeated[4].values[row * 6 + level] = repeated[4].values[row * 6 + 2];
        }
    }
    const OperatorRun beyond = run_operator(test_device(), "log_linear_attention", Json::object(), repeated);
    CHECK(relative_error(step_all(short_file.parse(test_device()), short_x, 20, 6), output_of(beyond, "o")) < 1e-5);
}

TEST_CASE("log attention over a context: what was shown answers as the operator without causal does")
{
    const Model model =
        context_model("log_attention", {{"causal", false}, {"signed", true}}, 6, 2).parse(test_device());
    Session session = make_session(model, 1);
    const Demonstration demonstration(40, 6, 2, 5);
    show(session, 0, demonstration, {1, 30, 9});
    const std::vector<float> x = random_values(6, 6);
    const OperatorRun whole = run_operator(
        test_device(), "log_attention", {{"causal", false}, {"signed", true}},
        {{"q", {1, 1, 1, 6}, x}, {"k", {1, 40, 1, 6}, demonstration.x}, {"v", {1, 40, 1, 2}, demonstration.y}});
    CHECK(same_bits(step(session, x), output_of(whole, "y")));
    refused(Status::invalid_model, "expected causal false", [] {
        (void)context_model("log_attention", {{"signed", true}}).parse(test_device());
    });
}
