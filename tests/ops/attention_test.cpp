// Properties of softmax attention and of its estimate by random features.
#include "arrays.hpp"
#include "refused.hpp"
#include "test_device.hpp"

#include <algorithm>

using namespace gramian;

namespace {

std::vector<float> softmax(const std::vector<NamedArray>& inputs, const Json& attributes = Json::object())
{
    return output_of(run_operator(test_device(), "softmax_attention", attributes, inputs), "o");
}

} // namespace

TEST_CASE("softmax attention: every answer is a convex combination of the values")
{
    for (const double scale : {0.1, 1.0, 30.0}) {
        CAPTURE(scale);
        const NamedArray v = random_array("v", {2, 70, 3, 5}, 3);
        const auto o =
            softmax({random_array("q", {2, 9, 3, 16}, 1), random_array("k", {2, 70, 3, 16}, 2), v}, {{"scale", scale}});
        for (uint32_t b = 0; b < 2; ++b) {
            for (uint32_t column = 0; column < 15; ++column) {
                float low = INFINITY;
                float high = -INFINITY;
                for (uint32_t n = 0; n < 70; ++n) {
                    low = std::min(low, v.values[(b * 70 + n) * 15 + column]);
                    high = std::max(high, v.values[(b * 70 + n) * 15 + column]);
                }
                for (uint32_t m = 0; m < 9; ++m) {
                    const float found = o[(b * 9 + m) * 15 + column];
                    CHECK(found >= low - 1e-5F); // weights sum to 1 within 70 roundings
                    CHECK(found <= high + 1e-5F);
                }
            }
        }
    }
}

TEST_CASE("softmax attention: equal values come back, whatever the weights")
{
    const auto o = softmax({random_array("q", {1, 4, 2, 8}, 1, 5),
                            random_array("k", {1, 100, 2, 8}, 2, 5),
                            {"v", {1, 100, 2, 3}, std::vector<float>(600, 1.0F)}});
    CHECK(relative_error(o, std::vector<float>(24, 1.0F)) < 1e-5); // 100 roundings
}

TEST_CASE("softmax attention: scale 0 gives the mean, and a constant added to all scores changes nothing")
{
    NamedArray q = random_array("q", {1, 4, 1, 8}, 1);
    NamedArray k = random_array("k", {1, 33, 1, 8}, 2);
    const NamedArray v = random_array("v", {1, 33, 1, 2}, 3);
    std::vector<double> mean(8);
    for (uint32_t i = 0; i < 66; ++i) {
        for (uint32_t m = 0; m < 4; ++m) mean[m * 2 + i % 2] += v.values[i] / 33.0;
    }
    CHECK(relative_error(softmax({q, k, v}, {{"scale", 0}}), mean) < 1e-5); // 33 roundings
    const auto before = softmax({q, k, v});
    for (uint32_t n = 0; n < 33; ++n) k.values[n * 8] = 1; // channel 0 of every key is 1:
    const auto same_channel = softmax({q, k, v});
    for (uint32_t m = 0; m < 4; ++m) q.values[m * 8] += 20;         // this adds 20 * scale to every score of a query
    CHECK(relative_error(softmax({q, k, v}), same_channel) < 1e-4); // scores of size 7 round to 7 * 2^-24 and more
    CHECK(before.size() == same_channel.size());
}

TEST_CASE("softmax attention: very large scores neither overflow nor give NaN")
{
    const NamedArray v = random_array("v", {1, 5, 1, 1}, 3);
    NamedArray k{"k", {1, 5, 1, 1}, {1, 2, 3, 4, 5}};
    const auto o = softmax({{"q", {1, 2, 1, 1}, {1e4F, -1e4F}}, k, v}, {{"scale", 1}});
    CHECK(o[0] == Approx(v.values[4]).epsilon(1e-6)); // all weight on the best key
    CHECK(o[1] == Approx(v.values[0]).epsilon(1e-6));
}

TEST_CASE("softmax attention: a causal query does not see later keys")
{
    const NamedArray q = random_array("q", {1, 12, 1, 8}, 1);
    NamedArray k = random_array("k", {1, 12, 1, 8}, 2);
    NamedArray v = random_array("v", {1, 12, 1, 4}, 3);
    const auto before = softmax({q, k, v}, {{"causal", true}});
    for (uint32_t i = 7 * 8; i < 96; ++i) k.values[i] = 1e3F;
    for (uint32_t i = 7 * 4; i < 48; ++i) v.values[i] = -1e3F;
    const auto after = softmax({q, k, v}, {{"causal", true}});
    CHECK(same_bits({before.begin(), before.begin() + 28}, {after.begin(), after.begin() + 28}));
    CHECK_FALSE(same_bits(before, after));
    CHECK(relative_error({before.begin(), before.begin() + 4},
                         std::vector<float>(v.values.begin(), v.values.begin() + 4)) < 1e-6); // one key: its value
}

TEST_CASE("softmax attention: the order of pairs changes the answers by rounding alone")
{
    const NamedArray q = random_array("q", {1, 4, 1, 8}, 1);
    NamedArray k = random_array("k", {1, 90, 1, 8}, 2);
    NamedArray v = random_array("v", {1, 90, 1, 3}, 3);
    const auto before = softmax({q, k, v});
    for (uint32_t n = 0; n < 45; ++n) {
        std::swap_ranges(k.values.begin() + n * 8, k.values.begin() + n * 8 + 8, k.values.begin() + (89 - n) * 8);
        std::swap_ranges(v.values.begin() + n * 3, v.values.begin() + n * 3 + 3, v.values.begin() + (89 - n) * 3);
    }
    CHECK(relative_error(softmax({q, k, v}), before) < 2e-5); // 90 roundings, twice
}

TEST_CASE("softmax attention: a causal sequence in pieces over a ring gives the bits of the whole, however it is cut")
{
    const NamedArray q = random_array("q", {2, 200, 2, 8}, 1);
    const NamedArray k = random_array("k", {2, 200, 2, 8}, 2);
    const NamedArray v = random_array("v", {2, 200, 2, 5}, 3);
    for (const uint32_t window : {0U, 7U, 64U, 130U}) {
        CAPTURE(window);
        Json attributes = {{"causal", true}, {"window", window}};
        const auto expected = softmax({q, k, v}, attributes);
        const std::vector<std::vector<uint32_t>> cuts{
            {200}, {1, 1, 198}, {64, 64, 72}, {130, 70}, std::vector<uint32_t>(200, 1)};
        for (const auto& pieces : cuts) {
            attributes["chunks"] = pieces;
            CHECK(same_bits(softmax({q, k, v}, attributes), expected));
        }
    }
}

TEST_CASE("softmax attention: pieces beyond the capacity, or without a causal order, are refused")
{
    const std::vector<NamedArray> inputs{random_array("q", {1, 12, 1, 4}, 1), random_array("k", {1, 12, 1, 4}, 2),
                                         random_array("v", {1, 12, 1, 4}, 3)};
    const Json pieces = {5, 7};
    refused(Status::invalid_argument, "12 tokens, and it keeps at most 9 (its 'capacity')", [&] {
        (void)softmax(inputs, {{"causal", true}, {"chunks", pieces}, {"capacity", 9}});
    });
    refused(Status::invalid_argument, "'chunks' needs causal", [&] { (void)softmax(inputs, {{"chunks", pieces}}); });
}

TEST_CASE("random-feature attention: in causal order, query t gets what it gets over the first t + 1 keys")
{
    const NamedArray q = random_array("q", {1, 70, 2, 6}, 1);
    const NamedArray k = random_array("k", {1, 70, 2, 6}, 2);
    const NamedArray v = random_array("v", {1, 70, 2, 3}, 3);
    const NamedArray projection = random_array("projection", {2, 12, 6}, 4);
    const auto run = [&](const NamedArray& queries, const NamedArray& keys, const NamedArray& values, const char* kind,
                         bool is_causal) {
        return output_of(run_operator(test_device(), "random_feature_attention",
                                      {{"features", kind}, {"causal", is_causal}, {"denominator_min", 1e-3}},
                                      {queries, keys, values, projection}),
                         "o");
    };
    const auto first = [](const NamedArray& array, uint32_t from, uint32_t count) {
        const size_t row = size_t{array.shape[2]} * array.shape[3];
        return NamedArray{array.name,
                          {1, count, array.shape[2], array.shape[3]},
                          {array.values.begin() + static_cast<ptrdiff_t>(from * row),
                           array.values.begin() + static_cast<ptrdiff_t>((from + count) * row)}};
    };
    for (const char* kind : {"favor", "rfa"}) {
        CAPTURE(kind);
        const auto causal = run(q, k, v, kind, true);
        for (const uint32_t t : {0U, 1U, 40U, 69U}) {
            CAPTURE(t);
            const auto context = run(first(q, t, 1), first(k, 0, t + 1), first(v, 0, t + 1), kind, false);
            // Both are off by some roundings of sums whose terms may cancel (rfa).
            CHECK(relative_error({causal.begin() + t * 6, causal.begin() + t * 6 + 6}, context) < 1e-4);
        }
    }
}

TEST_CASE("softmax attention with a budget: a causal sequence may be cut anywhere, whatever chooses the keys")
{
    const std::vector<NamedArray> inputs{random_array("q", {2, 70, 2, 8}, 1), random_array("k", {2, 70, 2, 8}, 2),
                                         random_array("v", {2, 70, 2, 5}, 3)};
    for (const char* method : {"oblivious", "topk_refit", "frank_wolfe", "forward", "exact"}) {
        for (const uint32_t window : {0U, 20U}) {
            CAPTURE(method);
            CAPTURE(window);
            Json attributes = {{"causal", true}, {"window", window}, {"budget", 6}, {"method", method}};
            const auto expected = softmax(inputs, attributes);
            for (const auto& pieces : {std::vector<uint32_t>{1, 1, 40, 28}, std::vector<uint32_t>{64, 6}}) {
                attributes["chunks"] = pieces;
                CHECK(same_bits(softmax(inputs, attributes), expected));
            }
        }
    }
}

TEST_CASE("softmax attention with a budget: enough keys answer exactly, and few of them nearly")
{
    const std::vector<NamedArray> inputs{random_array("q", {1, 60, 1, 8}, 1), random_array("k", {1, 60, 1, 8}, 2),
                                         random_array("v", {1, 60, 1, 4}, 3)};
    const auto all = softmax(inputs, {{"causal", true}});
    const auto off = [&](uint32_t budget, const char* method) {
        return relative_error(softmax(inputs, {{"causal", true}, {"budget", budget}, {"method", method}}), all);
    };
    CHECK(off(60, "oblivious") < 1e-5);
    CHECK(off(60, "topk_refit") < 1e-5);
    CHECK(off(5, "exact") < 1e-5); // one key more than a value has channels
    CHECK(off(5, "forward") < off(5, "oblivious"));
    CHECK(off(5, "topk_refit") < off(5, "oblivious"));
    CHECK(off(5, "oblivious") > 1e-3);
    refused(Status::invalid_argument, "expected 'budget' as well", [&] {
        (void)softmax(inputs, {{"causal", true}, {"method", "forward"}});
    });
    refused(Status::invalid_argument, "at least E + 1 = 5", [&] {
        (void)softmax(inputs, {{"causal", true}, {"budget", 4}, {"method", "exact"}});
    });
}
