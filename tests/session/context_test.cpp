// Learning from what a stream is shown: the formulas, and that neither cuts, neighbours nor order matter.
#include "refused.hpp"
#include "session_run.hpp"

#include <algorithm>

using namespace gramian;

namespace {

/// The heads that learn, with what each needs.
struct Head {
    const char* op;
    Json attributes;
};
const Head kHeads[] = {{"intention", {{"alpha_relative", 1e-2}}},
                       {"intention", {{"alpha", 0.5}, {"heads", 2}, {"forget", 0.98}}},
                       {"linear_attention", {{"feature", "elu1"}, {"normalize", true}}},
                       {"linear_attention", {{"scale", 0.25}, {"heads", 2}}},
                       {"softmax_attention", {{"capacity", 300}, {"heads", 2}}}};

std::vector<float> taught(const Model& model, const Demonstration& demonstration, const std::vector<uint32_t>& pieces,
                          const std::vector<float>& query)
{
    Session session = make_session(model, 1);
    show(session, 0, demonstration, pieces);
    (void)session.solve(all_streams(session));
    return step(session, query);
}

/// y = S^T q with S = sum f(k) v^T, each of [size].
std::vector<double> outer_sum_answer(const Demonstration& shown, const std::vector<float>& query,
                                     std::vector<double>* gram)
{
    const uint32_t d = shown.size;
    const uint32_t e = shown.targets;
    std::vector<double> s(size_t{d} * e);
    std::vector<double> g(size_t{d} * d);
    for (uint32_t t = 0; t < shown.tokens; ++t) {
        for (uint32_t i = 0; i < d; ++i) {
            const double key = shown.x[t * d + i];
            for (uint32_t j = 0; j < e; ++j) s[i * e + j] += key * shown.y[t * e + j];
            for (uint32_t j = 0; j < d; ++j) g[i * d + j] += key * shown.x[t * d + j];
        }
    }
    if (gram) {
        for (uint32_t i = 0; i < d; ++i) g[i * d + i] += (*gram)[0];
        s = solve_double(g, s, d, e);
    }
    std::vector<double> y(e);
    for (uint32_t i = 0; i < d; ++i) {
        for (uint32_t j = 0; j < e; ++j) y[j] += static_cast<double>(query[i]) * s[i * e + j];
    }
    return y;
}

} // namespace

TEST_CASE("context: intention answers with the ridge regression of what it was shown, in double")
{
    const Demonstration shown(100, 6, 2, 10);
    const std::vector<float> query = random_values(11, 6);
    const Model absolute = context_model("intention", {{"alpha", 0.7}}).parse(test_device());
    std::vector<double> alpha{0.7};
    // 100 normal keys of width 6: the condition number is below 10; sums of 100 round to 100 * 2^-24.
    CHECK(relative_error(taught(absolute, shown, {100}, query), outer_sum_answer(shown, query, &alpha)) < 1e-4);

    const Model relative = context_model("intention", {{"alpha_relative", 0.1}}).parse(test_device());
    double trace = 0;
    for (float key : shown.x) trace += static_cast<double>(key) * key;
    alpha[0] = 0.1 * trace / 6;
    CHECK(relative_error(taught(relative, shown, {100}, query), outer_sum_answer(shown, query, &alpha)) < 1e-4);
}

TEST_CASE("context: linear attention answers with the scaled sum of what it was shown, in double")
{
    const Demonstration shown(100, 6, 2, 12);
    const std::vector<float> query = random_values(13, 6);
    const Model model = context_model("linear_attention", {{"scale", 0.25}}).parse(test_device());
    std::vector<double> expected = outer_sum_answer(shown, query, nullptr);
    for (double& value : expected) value *= 0.25;
    CHECK(relative_error(taught(model, shown, {100}, query), expected) < 1e-4); // sums of 100, some cancellation
}

TEST_CASE("context: softmax attention answers with the weighted mean of what it was shown, in double")
{
    const Demonstration shown(100, 6, 2, 14);
    const std::vector<float> query = random_values(15, 6);
    const Model model = context_model("softmax_attention", {{"capacity", 100}}).parse(test_device());
    std::vector<double> expected(2);
    double sum = 0;
    for (uint32_t t = 0; t < 100; ++t) {
        double score = 0;
        for (uint32_t i = 0; i < 6; ++i) score += static_cast<double>(shown.x[t * 6 + i]) * query[i];
        const double weight = std::exp(score / std::sqrt(6.0));
        sum += weight;
        for (uint32_t j = 0; j < 2; ++j) expected[j] += weight * shown.y[t * 2 + j];
    }
    for (double& value : expected) value /= sum;
    CHECK(relative_error(taught(model, shown, {100}, query), expected) < 1e-4); // exp of scores up to 5, sums of 100
}

TEST_CASE("context: intention that was shown a linear law knows it")
{
    Demonstration shown(40, 6, 2, 16);
    const std::vector<float> law = random_values(17, 12);
    const auto obey = [&](const std::vector<float>& x, std::vector<float>& y) {
        for (size_t t = 0; t < x.size() / 6; ++t) {
            for (size_t j = 0; j < 2; ++j) {
                y[t * 2 + j] = 0;
                for (size_t i = 0; i < 6; ++i) y[t * 2 + j] += x[t * 6 + i] * law[i * 2 + j];
            }
        }
    };
    obey(shown.x, shown.y);
    const std::vector<float> query = random_values(18, 6);
    std::vector<float> expected(2);
    obey(query, expected);
    const Model model = context_model("intention", {{"alpha_relative", 1e-4}}).parse(test_device());
    CHECK(relative_error(taught(model, shown, {40}, query), expected) < 1e-3); // the ridge shrinks it by some 1e-4
}

TEST_CASE("context: how a demonstration is cut into observations changes no bit")
{
    for (const Head& head : kHeads) {
        CAPTURE(head.op);
        const Model model = encoded_model(head.op, head.attributes).parse(test_device());
        const std::vector<float> query = random_values(19, 4);
        for (const uint32_t tokens : {100U, 127U, 128U, 129U, 300U}) {
            CAPTURE(tokens);
            const Demonstration shown(tokens, 4, 2, 20 + tokens);
            const std::vector<float> whole = taught(model, shown, {tokens}, query);
            CHECK(std::any_of(whole.begin(), whole.end(), [](float y) { return y != 0; }));
            if (tokens == 129) CHECK(same_bits(taught(model, shown, std::vector<uint32_t>(tokens, 1), query), whole));
            if (tokens > 7) CHECK(same_bits(taught(model, shown, {7, tokens - 7}, query), whole));
            if (tokens > 127) CHECK(same_bits(taught(model, shown, {127, 0, tokens - 127}, query), whole));
            if (tokens > 128) CHECK(same_bits(taught(model, shown, {128, tokens - 128}, query), whole));
        }
    }
}

TEST_CASE("context: 300 streams with demonstrations of different lengths each learn what they would alone")
{
    for (const Head& head : kHeads) {
        CAPTURE(head.op);
        const Model model = encoded_model(head.op, head.attributes).parse(test_device());
        constexpr uint32_t kStreams = 300;
        Session session = make_session(model, kStreams);
        // The streams come in an order of their own, the longest crosses the chunk, some are shown nothing.
        std::vector<uint32_t> streams;
        std::vector<uint32_t> counts;
        std::vector<float> x;
        std::vector<float> y;
        std::vector<Demonstration> demonstrations;
        for (uint32_t i = 0; i < kStreams; ++i) {
            const uint32_t stream = i * 7 % kStreams;
            const uint32_t count = stream % 50 == 3 ? 130 : stream % 11;
            streams.push_back(stream);
            counts.push_back(count);
            demonstrations.emplace_back(count, 4, 2, 1'000 + stream);
            x.insert(x.end(), demonstrations.back().x.begin(), demonstrations.back().x.end());
            y.insert(y.end(), demonstrations.back().y.begin(), demonstrations.back().y.end());
        }
        observe(session, streams, counts, x, y);
        (void)session.solve(streams);
        const std::vector<float> queries = random_values(21, size_t{kStreams} * 4);
        const std::vector<float> together = step(session, queries);
        for (const uint32_t i : {0U, 29U, 127U, 128U, 299U}) {
            CAPTURE(streams[i]);
            Session alone = make_session(model, 1);
            show(alone, 0, demonstrations[i]);
            (void)alone.solve(all_streams(alone));
            const uint32_t at = streams[i];
            const std::vector<float> answer = step(alone, {queries.begin() + at * 4, queries.begin() + at * 4 + 4});
            CHECK(same_bits(answer, {together.begin() + at * 2, together.begin() + at * 2 + 2}));
        }
    }
}

TEST_CASE("context: the order in which streams are named changes no bit")
{
    const Model model = encoded_model("intention", {{"alpha", 0.5}}).parse(test_device());
    const Demonstration a(30, 4, 2, 30);
    const Demonstration b(50, 4, 2, 31);
    const std::vector<float> queries = random_values(32, 12);
    const auto join = [](std::vector<float> first, const std::vector<float>& second) {
        first.insert(first.end(), second.begin(), second.end());
        return first;
    };
    Session forward = make_session(model, 3);
    observe(forward, {0, 2}, {30, 50}, join(a.x, b.x), join(a.y, b.y));
    (void)forward.solve(std::vector<uint32_t>{0, 1, 2});
    Session backward = make_session(model, 3);
    observe(backward, {2, 0}, {50, 30}, join(b.x, a.x), join(b.y, a.y));
    (void)backward.solve(std::vector<uint32_t>{2, 1, 0});
    CHECK(same_bits(step(backward, queries), step(forward, queries)));
}

TEST_CASE("context: observing some streams leaves the others as they were")
{
    for (const Head& head : kHeads) {
        CAPTURE(head.op);
        const Model model = encoded_model(head.op, head.attributes).parse(test_device());
        Session session = make_session(model, 4);
        for (uint32_t stream = 0; stream < 4; ++stream) show(session, stream, Demonstration(20, 4, 2, 40 + stream));
        (void)session.solve(all_streams(session));
        const std::vector<float> queries = random_values(41, 16);
        const std::vector<float> before = step(session, queries);
        show(session, 2, Demonstration(13, 4, 2, 50));
        (void)session.solve(std::vector<uint32_t>{2});
        const std::vector<float> after = step(session, queries);
        for (uint32_t stream = 0; stream < 4; ++stream) {
            CAPTURE(stream);
            const bool same = same_bits({before.begin() + stream * 2, before.begin() + stream * 2 + 2},
                                        {after.begin() + stream * 2, after.begin() + stream * 2 + 2});
            CHECK(same == (stream != 2));
        }
    }
}

TEST_CASE("context: what intention observes counts once it is solved, and not before")
{
    const Model model = encoded_model("intention", {{"alpha", 0.5}}).parse(test_device());
    Session session = make_session(model, 1);
    const std::vector<float> query = random_values(42, 4);
    show(session, 0, Demonstration(20, 4, 2, 43));
    CHECK(step(session, query) == std::vector<float>{0, 0}); // nothing solved: exactly 0
    const std::vector<SolveOutcome> outcomes = session.solve(all_streams(session));
    REQUIRE(outcomes.size() == 1);
    CHECK(outcomes[0].status == SolveStatus::solved);
    CHECK(outcomes[0].alpha == Approx(0.5));
    CHECK(outcomes[0].retries == 0);
    CHECK(outcomes[0].min_pivot >= 0.49F); // at least alpha, but for rounding
    CHECK(outcomes[0].residual < 1e-4F);
    const std::vector<float> learned = step(session, query);
    CHECK(learned[0] != 0);
    show(session, 0, Demonstration(20, 4, 2, 44));
    CHECK(same_bits(step(session, query), learned));
    (void)session.solve(all_streams(session));
    CHECK_FALSE(same_bits(step(session, query), learned));
}

TEST_CASE("context: solving again without new observations changes no bit")
{
    const Model model = encoded_model("intention", {{"alpha_relative", 1e-3}}).parse(test_device());
    Session session = make_session(model, 2);
    show(session, 0, Demonstration(20, 4, 2, 45));
    (void)session.solve(all_streams(session));
    const std::vector<float> queries = random_values(46, 8);
    const std::vector<float> before = step(session, queries);
    (void)session.solve(all_streams(session));
    CHECK(same_bits(step(session, queries), before));
}

TEST_CASE("context: a stream that was shown nothing answers zeros, and its solve says no data")
{
    for (const Head& head : kHeads) {
        CAPTURE(head.op);
        const Model model = encoded_model(head.op, head.attributes).parse(test_device());
        Session session = make_session(model, 3);
        show(session, 1, Demonstration(20, 4, 2, 47));
        const std::vector<SolveOutcome> outcomes = session.solve(all_streams(session));
        const std::vector<float> answers = step(session, random_values(48, 12));
        CHECK(answers[0] == 0.0F); // exactly
        CHECK(answers[5] == 0.0F);
        CHECK(answers[2] != 0.0F);
        if (std::string_view(head.op) != "intention") continue;
        CHECK(outcomes[0].status == SolveStatus::no_data);
        CHECK(outcomes[1].status == SolveStatus::solved);
        CHECK(outcomes[2].status == SolveStatus::no_data);
    }
}

TEST_CASE("context: reset forgets one stream or all, and what is shown afterwards is learned as if it were first")
{
    for (const Head& head : kHeads) {
        CAPTURE(head.op);
        const Model model = encoded_model(head.op, head.attributes).parse(test_device());
        Session session = make_session(model, 3);
        const Demonstration shown(20, 4, 2, 49);
        const std::vector<float> queries = random_values(51, 12);
        for (uint32_t stream = 0; stream < 3; ++stream) show(session, stream, shown);
        (void)session.solve(all_streams(session));
        const std::vector<float> learned = step(session, queries);
        session.reset(std::vector<uint32_t>{1});
        const std::vector<float> after = step(session, queries);
        CHECK(same_bits({after.begin(), after.begin() + 2}, {learned.begin(), learned.begin() + 2}));
        CHECK(std::vector<float>(after.begin() + 2, after.begin() + 4) == std::vector<float>{0, 0});
        CHECK(same_bits({after.begin() + 4, after.end()}, {learned.begin() + 4, learned.end()}));
        show(session, 1, shown);
        (void)session.solve(std::vector<uint32_t>{1});
        CHECK(same_bits(step(session, queries), learned));
        session.reset(all_streams(session));
        CHECK(step(session, queries) == std::vector<float>(6, 0.0F));
        session.reset({});
    }
}

TEST_CASE("context: duplicated keys need a ridge, and the solve says which one it took")
{
    const Model model = context_model("intention", {{"alpha", 0}}).parse(test_device());
    Session session = make_session(model, 1);
    std::vector<float> x(size_t{10} * 6, 1.0F); // ten times the same key: rank 1 of 6
    observe(session, {0}, {10}, x, std::vector<float>(20, 2.0F));
    const std::vector<SolveOutcome> outcomes = session.solve(all_streams(session));
    CHECK(outcomes[0].status == SolveStatus::solved);
    CHECK(outcomes[0].retries >= 1);
    CHECK(outcomes[0].alpha > 0);
    const std::vector<float> answer = step(session, std::vector<float>(6, 1.0F));
    CHECK(answer[0] == Approx(2).epsilon(1e-2)); // the key that it knows, up to the ridge
}

TEST_CASE("context: of several heads and nodes the outcome is the worst")
{
    ModelFile file = encoded_model("intention", {{"alpha", 0.5}});
    Json second = file.json["nodes"][2];
    second["attributes"] = {{"alpha", 4}};
    second["out"] = {"other"};
    file.json["nodes"].push_back(second);
    file.json["outputs"].push_back({{"name", "other"}, {"size", 2}});
    const Model model = file.parse(test_device());
    Session session = make_session(model, 2);
    const Demonstration shown(20, 4, 2, 52);
    show(session, 1, shown);
    const std::vector<SolveOutcome> outcomes = session.solve(all_streams(session));
    CHECK(outcomes[1].alpha == Approx(4));
    CHECK(outcomes[0].status == SolveStatus::no_data);
    CHECK(outcomes[1].status == SolveStatus::solved);
}

TEST_CASE("context: a head may feed another node, and its keys may come through several")
{
    ModelFile file = encoded_model("intention", {{"alpha", 0.5}});
    file.json["nodes"][2]["out"] = {"raw"};
    file.json["nodes"].push_back(Json::parse(
        R"({"op":"squash","in":["raw"],"out":["action"],"attributes":{"kind":"clip","low":[-0.1,-0.1],"high":[0.1,0.1]}})"));
    const Model model = file.parse(test_device());
    Session session = make_session(model, 1);
    show(session, 0, Demonstration(20, 4, 2, 53));
    (void)session.solve(all_streams(session));
    for (float value : step(session, random_values(54, 4, 100))) CHECK(std::abs(value) <= 0.1F);
}

TEST_CASE("context: values that are computed from the context input are learned as well")
{
    ModelFile file = context_model("intention", {{"alpha", 0.5}});
    Json twice = Json::parse(R"({"op":"add","in":["target","target"],"out":["goal"]})");
    file.json["nodes"] = {twice, file.json["nodes"][0]};
    file.json["nodes"][1]["in"]["v"] = "goal";
    const Demonstration shown(30, 6, 2, 55);
    const std::vector<float> query = random_values(56, 6);
    const Model doubled = file.parse(test_device());
    const Model plain = context_model("intention", {{"alpha", 0.5}}).parse(test_device());
    std::vector<float> expected = taught(plain, shown, {30}, query);
    for (float& value : expected) value *= 2;
    CHECK(same_bits(taught(doubled, shown, {30}, query), expected)); // a factor 2 is exact all the way
}
