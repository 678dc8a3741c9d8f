// Properties of EVA and LARA that cases cannot say: what they become where summaries are exact, and what they refuse.
#include "arrays.hpp"
#include "ops/eva_settings.hpp"
#include "refused.hpp"
#include "test_device.hpp"

#include <algorithm>

using namespace gramian;

namespace {

constexpr uint32_t kTokens = 30;
constexpr uint32_t kHeads = 2;
constexpr uint32_t kWidth = 8;

/// Maps that leave a chunk's means as they are.
std::vector<NamedArray> plain_maps()
{
    std::vector<NamedArray> maps;
    for (const std::string name : {"mu_q", "mu_k"}) {
        NamedArray weight{name + ".weight", {kWidth, kWidth}, std::vector<float>(size_t{kWidth} * kWidth)};
        for (uint32_t i = 0; i < kWidth; ++i) weight.values[size_t{i} * kWidth + i] = 1;
        maps.push_back(std::move(weight));
        maps.push_back({name + ".bias", {kWidth}, std::vector<float>(kWidth)});
    }
    return maps;
}

std::vector<NamedArray> maps_with_norms()
{
    std::vector<NamedArray> maps = plain_maps();
    for (const std::string name : {"mu_q", "mu_k"}) {
        maps.push_back({name + ".norm.weight", {kWidth}, std::vector<float>(kWidth, 1)});
        maps.push_back({name + ".norm.bias", {kWidth}, std::vector<float>(kWidth)});
    }
    return maps;
}

struct Sequence {
    NamedArray q = random_array("q", {2, kTokens, kHeads, kWidth}, 1);
    NamedArray k = random_array("k", {2, kTokens, kHeads, kWidth}, 2);
    NamedArray v = random_array("v", {2, kTokens, kHeads, kWidth}, 3);

    [[nodiscard]] std::vector<NamedArray> inputs(std::vector<NamedArray> more = {}) const
    {
        more.insert(more.begin(), {q, k, v});
        return more;
    }
};

std::vector<float> eva(const Sequence& sequence, Json attributes, const std::vector<NamedArray>& maps = plain_maps())
{
    if (!attributes.contains("projection")) attributes["projection"] = maps.size() == 4 ? "no_ln" : "qk";
    return output_of(run_operator(test_device(), "eva", attributes, sequence.inputs(maps)), "o");
}

std::vector<float> softmax(const Sequence& sequence, bool is_causal)
{
    return output_of(run_operator(test_device(), "softmax_attention", {{"causal", is_causal}}, sequence.inputs()), "o");
}

} // namespace

TEST_CASE("eva: chunks of one token without local ones are softmax attention over all keys, whatever the window")
{
    const Sequence sequence;
    const std::vector<float> all = softmax(sequence, false);
    const std::vector<float> past = softmax(sequence, true);
    for (const uint32_t window : {1U, 3U, 6U, 30U}) {
        for (const bool overlap : {false, true}) {
            CAPTURE(window);
            CAPTURE(overlap);
            Json attributes{{"window", window}, {"chunk", 1}, {"exclude_local", true}, {"overlap", overlap}};
            // A chunk that reaches into its neighbours is no longer one token: only windows overlap in causal order.
            if (!overlap) CHECK(relative_error(eva(sequence, attributes), all) < 2e-6);
            attributes["causal"] = true;
            CHECK(relative_error(eva(sequence, attributes), past) < 2e-6);
        }
    }
    CHECK(relative_error(eva(sequence, {{"grid", {5, 6}}, {"window", 1}, {"chunk", 1}, {"exclude_local", true}}), all) <
          2e-6);
}

TEST_CASE("eva: one window that covers everything and leaves local chunks out is exact softmax attention")
{
    const Sequence sequence;
    CHECK(relative_error(eva(sequence, {{"window", kTokens}, {"chunk", 5}, {"exclude_local", true}}, maps_with_norms()),
                         softmax(sequence, false)) < 2e-6);
    CHECK(relative_error(eva(sequence, {{"window", 32}, {"landmarks", 4}, {"exclude_local", true}}, maps_with_norms()),
                         softmax(sequence, false)) < 2e-6);
    CHECK(relative_error(eva(sequence, {{"causal", true}, {"window", 32}, {"chunk", 8}, {"exclude_local", true}},
                             maps_with_norms()),
                         softmax(sequence, true)) < 2e-6);
}

TEST_CASE("eva: what lies in a window and in chunks of one token counts twice, as in the published code")
{
    const Sequence sequence;
    const uint32_t window = 6;
    // The same by softmax attention: the keys of the query's own window stand behind all keys once more.
    std::vector<float> expected;
    for (uint32_t b = 0; b < 2; ++b) {
        for (uint32_t from = 0; from < kTokens; from += window) {
            const size_t row = size_t{kHeads} * kWidth;
            const auto rows = [&](const NamedArray& x, uint32_t first, uint32_t count) {
                const auto begin = x.values.begin() + static_cast<ptrdiff_t>((b * kTokens + first) * row);
                return std::vector<float>(begin, begin + static_cast<ptrdiff_t>(count * row));
            };
            const auto doubled = [&](const NamedArray& x) {
                std::vector<float> values = rows(x, 0, kTokens);
                const std::vector<float> again = rows(x, from, window);
                values.insert(values.end(), again.begin(), again.end());
                return NamedArray{x.name, {1, kTokens + window, kHeads, kWidth}, values};
            };
            const NamedArray q{"q", {1, window, kHeads, kWidth}, rows(sequence.q, from, window)};
            const OperatorRun run = run_operator(test_device(), "softmax_attention", Json::object(),
                                                 {q, doubled(sequence.k), doubled(sequence.v)});
            const std::vector<float>& part = output_of(run, "o");
            expected.insert(expected.end(), part.begin(), part.end());
        }
    }
    CHECK(relative_error(eva(sequence, {{"window", window}, {"chunk", 1}}), expected) < 2e-6);
    CHECK(relative_error(eva(sequence, {{"window", window}, {"chunk", 1}}), softmax(sequence, false)) > 1e-2);
}

TEST_CASE("eva: in causal order later tokens change no earlier bit")
{
    Sequence sequence;
    const Json attributes{{"causal", true}, {"window", 6}, {"chunk", 3}, {"overlap", true}};
    const std::vector<float> before = eva(sequence, attributes, maps_with_norms());
    const size_t row = size_t{kHeads} * kWidth;
    for (NamedArray* x : {&sequence.q, &sequence.k, &sequence.v}) {
        for (size_t i = 20 * row; i < kTokens * row; ++i) x->values[i] += 1; // of the first sequence
    }
    const std::vector<float> after = eva(sequence, attributes, maps_with_norms());
    const auto head = [&](const std::vector<float>& o) {
        return std::vector<float>(o.begin(), o.begin() + static_cast<ptrdiff_t>(20 * row));
    };
    CHECK(same_bits(head(before), head(after)));
    CHECK_FALSE(same_bits(before, after));
}

TEST_CASE("eva: answers are means of values: equal values come back")
{
    Sequence sequence;
    std::fill(sequence.v.values.begin(), sequence.v.values.end(), 3.0F);
    const std::vector<float> same(sequence.v.values.size(), 3.0F);
    CHECK(relative_error(eva(sequence, {{"window", 6}, {"chunk", 3}}, maps_with_norms()), same) < 1e-6);
    CHECK(relative_error(eva(sequence, {{"causal", true}, {"window", 6}, {"chunk", 3}}), same) < 1e-6);
    const OperatorRun lara =
        run_operator(test_device(), "lara", {{"landmarks", 5}}, sequence.inputs(maps_with_norms()));
    CHECK(relative_error(output_of(lara, "o"), same) < 1e-6);
}

TEST_CASE("lara: one landmark gives every query the same answer")
{
    const Sequence sequence;
    const OperatorRun run = run_operator(test_device(), "lara", {{"landmarks", 1}}, sequence.inputs(maps_with_norms()));
    const std::vector<float>& o = output_of(run, "o");
    const size_t row = size_t{kHeads} * kWidth;
    std::vector<float> repeated;
    for (uint32_t b = 0; b < 2; ++b) {
        for (uint32_t t = 0; t < kTokens; ++t) {
            const auto first = o.begin() + static_cast<ptrdiff_t>(size_t{b} * kTokens * row);
            repeated.insert(repeated.end(), first, first + static_cast<ptrdiff_t>(row));
        }
    }
    CHECK(relative_error(o, repeated) < 1e-6);
}

TEST_CASE("eva: buckets are those of T5 with single-precision logarithms")
{
    const auto buckets = [](const Json& attributes, std::initializer_list<int32_t> differences) {
        const EvaSettings settings = eva_settings(Attributes(attributes, "eva"), 64);
        std::vector<uint32_t> found;
        for (const int32_t difference : differences) found.push_back(eva_bucket(difference, settings));
        return found;
    };
    using Buckets = std::vector<uint32_t>;
    // 16 buckets, half of them exact; then 8 + 8 log(n / 8) / log(4).
    CHECK(buckets({{"causal", true}, {"window", 32}, {"chunk", 8}}, {5, 0, -1, -7, -8, -9, -16, -31, -40}) ==
          Buckets{0, 0, 1, 7, 8, 8, 12, 15, 15});
    // 8 buckets a side, 4 of them exact; then 4 + 4 log(n / 4) / log(8).
    CHECK(buckets({{"window", 32}, {"chunk", 8}}, {0, -3, -4, -8, -31, 1, 3, 4, 16, 31}) ==
          Buckets{0, 3, 4, 5, 7, 9, 11, 12, 14, 15});
    // The last exact bucket ends where the window does.
    CHECK(buckets({{"window", 3}, {"chunk", 3}, {"overlap", true}}, {-2, 3, 4}) == Buckets{2, 11, 15});
}

TEST_CASE("eva, lara: what does not go together is refused by name")
{
    const Sequence sequence;
    const auto refuse = [&](std::string_view words, const Json& attributes) {
        refused(Status::unsupported, words, [&] { (void)eva(sequence, attributes, maps_with_norms()); });
    };
    refuse("attribute 'window' is missing", {{"chunk", 3}});
    refuse("expected one of the attributes 'chunk' and 'landmarks'", {{"window", 6}});
    refuse("expected one of the attributes 'chunk' and 'landmarks'", {{"window", 6}, {"chunk", 3}, {"landmarks", 2}});
    refuse("4 does not divide 30, the 30 tokens padded to whole windows", {{"window", 6}, {"chunk", 4}});
    refuse("4 does not divide 30", {{"window", 6}, {"landmarks", 4}});
    refuse("3 does not divide 32, the 30 tokens", {{"window", 8}, {"chunk", 3}});
    refuse("4 does not divide the window of 6", {{"causal", true}, {"window", 6}, {"chunk", 4}});
    refuse("causal needs 'chunk'", {{"causal", true}, {"window", 6}, {"landmarks", 5}});
    refuse("no relative 'table'", {{"causal", true}, {"window", 6}, {"chunk", 3}, {"relative", "table"}});
    refuse("no projection 'none'", {{"causal", true}, {"window", 6}, {"chunk", 3}, {"projection", "none"}});
    refuse("causal has no 'grid'", {{"causal", true}, {"window", 1}, {"chunk", 1}, {"grid", {5, 6}}});
    refuse("expected [h, w] with h w = T = 30", {{"window", 1}, {"chunk", 1}, {"grid", {5, 5}}});
    refuse("squares of side 2 do not divide the grid 5 x 6", {{"window", 2}, {"chunk", 1}, {"grid", {5, 6}}});
    refuse("neither 'overlap'", {{"window", 1}, {"chunk", 1}, {"grid", {5, 6}}, {"overlap", true}});
    refuse("nor relative 't5'", {{"window", 1}, {"chunk", 1}, {"grid", {5, 6}}, {"relative", "t5"}});
    refused(Status::invalid_argument, "relative.weight: expected [16, 2] or [16, 1], found nothing", [&] {
        (void)eva(sequence, {{"window", 6}, {"chunk", 3}, {"relative", "t5"}}, maps_with_norms());
    });
    refused(Status::invalid_argument, "mu_q.norm.weight: expected [8], found nothing", [&] {
        (void)eva(sequence, {{"window", 6}, {"chunk", 3}, {"projection", "qk"}}, plain_maps());
    });
    refused(Status::unsupported, "4 do not divide the 30 tokens", [&] {
        (void)run_operator(test_device(), "lara", {{"landmarks", 4}}, sequence.inputs(maps_with_norms()));
    });
}

TEST_CASE("eva: a window that asks for more loop trips than every driver runs is refused")
{
    const uint32_t tokens = 1U << 20;
    std::vector<NamedArray> inputs;
    for (const char* name : {"q", "k", "v"}) inputs.push_back({name, {1, tokens, 1, 1}, std::vector<float>(tokens)});
    for (const std::string name : {"mu_q", "mu_k"}) {
        inputs.push_back({name + ".weight", {1, 1}, {1}});
        inputs.push_back({name + ".bias", {1}, {0}});
    }
    refused(Status::unsupported, "loop trips, at most 60000", [&] {
        (void)run_operator(test_device(), "eva",
                           {{"causal", true}, {"window", tokens}, {"chunk", 1U << 14}, {"projection", "no_ln"}},
                           inputs);
    });
}
