// Properties of log-space attention, its position embedding and log-linear attention.
#include "arrays.hpp"
#include "refused.hpp"
#include "test_device.hpp"

#include <algorithm>

using namespace gramian;

namespace {

OperatorRun attend(const std::vector<NamedArray>& inputs, const Json& attributes = Json::object())
{
    return run_operator(test_device(), "log_attention", attributes, inputs);
}

struct Sequence {
    NamedArray q = random_array("q", {2, 70, 2, 9}, 1);
    NamedArray k = random_array("k", {2, 70, 2, 9}, 2);
    NamedArray log_v = random_array("log_v", {2, 70, 2, 5}, 3);

    [[nodiscard]] std::vector<NamedArray> inputs() const { return {q, k, log_v}; }
    [[nodiscard]] std::vector<NamedArray> signed_inputs() const { return {q, k, {"v", log_v.shape, log_v.values}}; }
};

/// Tokens from .. from + count of a [B, T, …] array.
NamedArray tokens_of(const NamedArray& array, uint32_t from, uint32_t count)
{
    NamedArray part{array.name, {array.shape[0], count}, {}};
    for (uint32_t axis = 2; axis < array.shape.rank(); ++axis) part.shape.append(array.shape[axis]);
    const size_t row = array.values.size() / (size_t{array.shape[0]} * array.shape[1]);
    for (uint32_t b = 0; b < array.shape[0]; ++b) {
        const auto first = array.values.begin() + static_cast<ptrdiff_t>((b * array.shape[1] + from) * row);
        part.values.insert(part.values.end(), first, first + static_cast<ptrdiff_t>(count * row));
    }
    return part;
}

} // namespace

TEST_CASE("log attention: cutting a sequence anywhere changes no bit")
{
    const Sequence sequence;
    for (const bool is_signed : {false, true}) {
        CAPTURE(is_signed);
        const auto inputs = is_signed ? sequence.signed_inputs() : sequence.inputs();
        const OperatorRun whole = attend(inputs, {{"signed", is_signed}});
        for (const std::vector<uint32_t>& chunks :
             {std::vector<uint32_t>{1, 69}, {64, 6}, {3, 1, 1, 65}, std::vector<uint32_t>(70, 1)}) {
            const OperatorRun cut = attend(inputs, {{"signed", is_signed}, {"chunks", chunks}});
            CHECK(same_bits(output_of(cut, is_signed ? "y" : "log_y"), output_of(whole, is_signed ? "y" : "log_y")));
            CHECK(same_bits(output_of(cut, "state_s"), output_of(whole, "state_s")));
            CHECK(same_bits(output_of(cut, "state_z"), output_of(whole, "state_z")));
        }
    }
}

TEST_CASE("log attention: a state handed on as logarithms goes on as if nothing had happened, within rounding")
{
    const Sequence sequence;
    const OperatorRun whole = attend(sequence.inputs());
    std::vector<NamedArray> first;
    std::vector<NamedArray> later;
    for (const NamedArray& input : sequence.inputs()) {
        first.push_back(tokens_of(input, 0, 30));
        later.push_back(tokens_of(input, 30, 40));
    }
    const OperatorRun before = attend(first);
    for (const NamedArray& output : before.outputs) {
        if (output.name.starts_with("state")) later.push_back(output);
    }
    const OperatorRun after = attend(later);
    const std::vector<float> expected = tokens_of({"", {2, 70, 2, 5}, output_of(whole, "log_y")}, 30, 40).values;
    CHECK(relative_error(output_of(after, "log_y"), expected) < 1e-5);
}

TEST_CASE("log attention: answers lie between the values, and equal values come back")
{
    Sequence sequence;
    const auto mixed = output_of(attend(sequence.inputs()), "log_y");
    const auto [low, high] = std::minmax_element(sequence.log_v.values.begin(), sequence.log_v.values.end());
    for (const float y : mixed) {
        CHECK(y >= *low - 1e-5F);
        CHECK(y <= *high + 1e-5F);
    }
    std::fill(sequence.log_v.values.begin(), sequence.log_v.values.end(), 300.0F); // e^300 is no float
    const auto same = output_of(attend(sequence.inputs()), "log_y");
    CHECK(relative_error(same, std::vector<float>(same.size(), 300.0F)) < 1e-6);
}

TEST_CASE("log attention: what all keys share cancels, what all values share comes out")
{
    Sequence sequence;
    const auto before = output_of(attend(sequence.inputs()), "log_y");
    for (float& k : sequence.k.values) k += 50;
    for (float& v : sequence.log_v.values) v += 100;
    auto after = output_of(attend(sequence.inputs()), "log_y");
    for (float& y : after) y -= 100;
    CHECK(relative_error(after, before) < 1e-4); // exponents of 150 round to 1e-5
}

TEST_CASE("log attention: signed values that are positive give the exponential of the logarithms' answer")
{
    const Sequence sequence;
    auto inputs = sequence.signed_inputs();
    for (float& v : inputs[2].values) v = std::exp(v);
    auto logs = output_of(attend(sequence.inputs()), "log_y");
    for (float& y : logs) y = std::exp(y);
    CHECK(relative_error(output_of(attend(inputs, {{"signed", true}}), "y"), logs) < 5e-6);
}

TEST_CASE("log attention: a query does not see later tokens, and without causal it sees them all")
{
    Sequence sequence;
    const auto before = output_of(attend(sequence.inputs()), "log_y");
    const auto all = output_of(attend(sequence.inputs(), {{"causal", false}}), "log_y");
    const size_t token = 2 * 5;
    CHECK(relative_error(std::vector<float>(all.begin() + 69 * token, all.begin() + 70 * token),
                         std::vector<float>(before.begin() + 69 * token, before.begin() + 70 * token)) < 1e-6);
    for (size_t i = 60 * 18; i < 70 * 18; ++i) sequence.k.values[i] = 30;
    const auto after = output_of(attend(sequence.inputs()), "log_y");
    CHECK(same_bits({before.begin(), before.begin() + 60 * token}, {after.begin(), after.begin() + 60 * token}));
    CHECK_FALSE(same_bits(before, after));
}

TEST_CASE("log attention: values that are zero are logarithms of -infinity and change nothing")
{
    Sequence sequence;
    for (size_t i = 0; i < sequence.log_v.values.size(); i += 5) sequence.log_v.values[i] = -INFINITY;
    const auto y = output_of(attend(sequence.inputs()), "log_y");
    for (size_t i = 0; i < y.size(); ++i) CHECK((i % 5 == 0 ? std::isinf(y[i]) && y[i] < 0 : std::isfinite(y[i])));
}

TEST_CASE("log attention: what does not fit is refused by name")
{
    const Sequence sequence;
    const auto with = [&](std::string_view words, const std::vector<NamedArray>& extra, const Json& attributes) {
        std::vector<NamedArray> inputs = sequence.inputs();
        inputs.insert(inputs.end(), extra.begin(), extra.end());
        refused(Status::invalid_argument, words, [&] { attend(inputs, attributes); });
    };
    const Json none = Json::object();
    with("'chunks' needs causal", {}, {{"causal", false}, {"chunks", {70}}});
    with("'log_v' goes with the attribute 'signed' false", {}, {{"signed", true}});
    with("state_z alone", {random_array("state_z", {2, 2, 9}, 4)}, none);
    with("expected [2, 2, 9], found [2, 2, 8]", {random_array("state_z", {2, 2, 8}, 4)}, none);
    refused(Status::unsupported, "sum to 60", [&] { attend(sequence.inputs(), {{"chunks", {60}}}); });
    refused(Status::invalid_argument, "'log_v' is missing", [&] { attend({sequence.q, sequence.k}); });
    refused(Status::invalid_argument, "3 queries", [&] {
        attend({tokens_of(sequence.q, 0, 3), sequence.k, sequence.log_v});
    });
}

TEST_CASE("log recurrence: cutting a sequence anywhere changes no bit")
{
    const std::vector<NamedArray> inputs{random_array("a", {2, 70, 65}, 1, 3), random_array("b", {2, 70, 65}, 2, 3)};
    const OperatorRun whole = run_operator(test_device(), "log_recurrence", Json::object(), inputs);
    for (const std::vector<uint32_t>& chunks : {std::vector<uint32_t>{1, 69}, {33, 30, 7}}) {
        const OperatorRun cut = run_operator(test_device(), "log_recurrence", {{"chunks", chunks}}, inputs);
        CHECK(same_bits(output_of(cut, "s"), output_of(whole, "s")));
        const std::vector<float>& states = output_of(cut, "state_chunks");
        CHECK(same_bits({states.end() - 130, states.end()}, output_of(whole, "state")));
    }
}

TEST_CASE("log recurrence: a closed gate forgets, an open one adds up")
{
    const NamedArray b = random_array("b", {1, 9, 3}, 2);
    NamedArray a{"a", {1, 9, 3}, std::vector<float>(27, -200.0F)};
    const auto forgotten = output_of(run_operator(test_device(), "log_recurrence", Json::object(), {a, b}), "s");
    CHECK(same_bits(forgotten, b.values));
    std::fill(a.values.begin(), a.values.end(), 200.0F);
    const auto kept = output_of(run_operator(test_device(), "log_recurrence", Json::object(), {a, b}), "s");
    double sum = 1; // s starts at log 1
    for (size_t t = 0; t < 9; ++t) sum += std::exp(static_cast<double>(b.values[3 * t]));
    CHECK(kept[24] == Approx(std::log(sum)).epsilon(1e-6));
}

TEST_CASE("log-linear attention: with equal levels it is linear attention")
{
    const std::vector<NamedArray> inputs{random_array("q", {2, 37, 2, 6}, 1), random_array("k", {2, 37, 2, 6}, 2, 0.4),
                                         random_array("v", {2, 37, 2, 5}, 3)};
    NamedArray decay = random_array("decay", {2, 37, 2}, 4, 0.1);
    for (float& g : decay.values) g = -std::abs(g);
    std::vector<NamedArray> linear = inputs;
    linear.push_back(decay);
    std::vector<NamedArray> log_linear = linear;
    log_linear.push_back({"level_scale", {2, 37, 2, 7}, std::vector<float>(2 * 37 * 2 * 7, 1.0F)});
    const OperatorRun a = run_operator(test_device(), "linear_attention", {{"scale", 1}}, linear);
    const OperatorRun b = run_operator(test_device(), "log_linear_attention", Json::object(), log_linear);
    CHECK(relative_error(output_of(b, "o"), output_of(a, "o")) < 1e-5);
}

TEST_CASE("log-linear attention: more tokens than the levels reach are refused with the numbers")
{
    const std::vector<NamedArray> inputs{random_array("q", {1, 17, 1, 2}, 1), random_array("k", {1, 17, 1, 2}, 2),
                                         random_array("v", {1, 17, 1, 2}, 3), random_array("decay", {1, 17, 1}, 4),
                                         random_array("level_scale", {1, 17, 1, 5}, 5)};
    refused(Status::invalid_argument, "17 tokens need 6 levels, level_scale has 5",
            [&] { run_operator(test_device(), "log_linear_attention", Json::object(), inputs); });
}
