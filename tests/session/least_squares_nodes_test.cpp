// Least squares inside a session: heads that carry their sums from token to token, and heads that learn while acting.
#include "session_run.hpp"

#include <algorithm>
#include <memory>

using namespace gramian;

namespace {

constexpr uint32_t kSize = 6;
constexpr uint32_t kStreams = 3;
constexpr uint32_t kTokens = 9;

/// key, value and query [6] each -> causal intention in two heads -> action.
ModelFile causal_file(const Json& attributes)
{
    ModelFile file;
    file.json = Json::parse(R"({"version":1,"name":"causal",
        "inputs":[{"name":"key","size":6},{"name":"value","size":6},{"name":"query","size":6}],
        "outputs":[{"name":"action","size":6}],
        "nodes":[{"op":"intention","in":{"k":"key","v":"value","q":"query"},"out":["action"]}]})");
    file.json["nodes"][0]["attributes"] = attributes;
    file.json["nodes"][0]["attributes"]["heads"] = 2;
    file.json["nodes"][0]["attributes"]["causal"] = true;
    return file;
}

Model causal_model(const Json& attributes)
{
    return causal_file(attributes).parse(test_device());
}

/// The same with the variance as a second output of the node.
void name_variance(ModelFile& file, uint32_t heads)
{
    file.json["nodes"][0]["out"] = {{"y", "action"}, {"variance", "doubt"}};
    file.json["outputs"].push_back({{"name", "doubt"}, {"size", heads}});
}

const std::vector<Json>& solvers()
{
    static const std::vector<Json> all{{{"alpha", 0.1}, {"forget", 0.95}},
                                       {{"alpha_relative", 0.01}, {"solver", "cg"}},
                                       {{"alpha", 0.2}, {"solver", "cg_compat"}, {"iterations", 6}},
                                       {{"alpha", 0.1}, {"solver", "qr"}, {"forget", 0.9}},
                                       {{"alpha", 0.1}, {"solver", "rls"}}};
    return all;
}

/// Token t of all streams, from [streams, tokens, 6].
std::vector<float> token_of(const std::vector<float>& all, uint32_t t)
{
    std::vector<float> token;
    for (uint32_t stream = 0; stream < kStreams; ++stream) {
        const auto from = all.begin() + (stream * kTokens + t) * kSize;
        token.insert(token.end(), from, from + kSize);
    }
    return token;
}

std::vector<float> step_all(Session& session, const std::vector<float>& k, const std::vector<float>& v,
                            const std::vector<float>& q)
{
    std::vector<float> action(size_t{kStreams} * kSize);
    const std::span<const float> in[] = {k, v, q};
    const std::span<float> out(action);
    session.submit(in);
    session.wait({&out, 1});
    return action;
}

} // namespace

TEST_CASE("least-squares nodes: stepping gives the bits of the operator over the whole sequence")
{
    const size_t count = size_t{kStreams} * kTokens * kSize;
    const std::vector<float> k = random_values(1, count);
    const std::vector<float> v = random_values(2, count);
    const std::vector<float> q = random_values(3, count);
    for (const Json& attributes : solvers()) {
        CAPTURE(attributes.dump());
        Json causal = attributes;
        causal["causal"] = true;
        const Shape shape{kStreams, kTokens, 2, kSize / 2};
        const std::vector<float> whole = output_of(
            run_operator(test_device(), "intention", causal, {{"k", shape, k}, {"v", shape, v}, {"q", shape, q}}), "y");
        const Model model = causal_model(attributes);
        Session session = make_session(model, kStreams);
        for (uint32_t t = 0; t < kTokens; ++t) {
            CAPTURE(t);
            const std::vector<float> found = step_all(session, token_of(k, t), token_of(v, t), token_of(q, t));
            CHECK(same_bits(found, token_of(whole, t)));
        }
    }
}

TEST_CASE("least-squares nodes: what a step solved is reported by head, as the operator reports it")
{
    const size_t count = size_t{kStreams} * kTokens * kSize;
    const std::vector<float> k = random_values(1, count);
    const Shape shape{kStreams, kTokens, 2, kSize / 2};
    for (const Json& attributes : solvers()) {
        CAPTURE(attributes.dump());
        Json causal = attributes;
        causal["causal"] = true;
        const OperatorRun whole =
            run_operator(test_device(), "intention", causal, {{"k", shape, k}, {"v", shape, k}, {"q", shape, k}});
        const Model model = causal_model(attributes);
        Session stepped = make_session(model, kStreams);
        CHECK(stepped.reports(1).empty());
        for (uint32_t t = 0; t < kTokens; ++t) {
            (void)step_all(stepped, token_of(k, t), token_of(k, t), token_of(k, t));
        }
        Session prefilled = make_session(model, kStreams);
        std::vector<float> answers(count);
        const std::span<const float> in[] = {k, k, k};
        const std::span<float> out(answers);
        const std::vector<uint32_t> counts(kStreams, kTokens);
        prefilled.prefill(all_streams(prefilled), counts, in, {&out, 1});
        for (uint32_t stream = 0; stream < kStreams; ++stream) {
            const std::vector<NamedArray> found = stepped.reports(stream);
            REQUIRE(found.size() == 1);
            CHECK(found[0].name == "action.report");
            CHECK(found[0].shape == Shape{2, kReportFields});
            CHECK(prefilled.reports(stream)[0].values == found[0].values);
            uint32_t field = 0;
            for (const char* name : {"min_pivot", "alpha", "retries", "residual", "status"}) {
                CAPTURE(name);
                const std::vector<float> expected = output_of(whole, name);
                for (uint32_t head = 0; head < 2; ++head) {
                    const size_t at = (size_t{stream} * kTokens + kTokens - 1) * 2 + head;
                    CHECK(found[0].values[head * kReportFields + field] == expected[at]);
                }
                ++field;
            }
        }
    }
}

TEST_CASE("least-squares nodes: the predictive variance is a second output where a node names it")
{
    const size_t count = size_t{kStreams} * kTokens * kSize;
    const std::vector<float> k = random_values(1, count);
    const Shape shape{kStreams, kTokens, 2, kSize / 2};
    const std::vector<float> expected =
        output_of(run_operator(test_device(), "intention", {{"alpha", 0.1}, {"causal", true}},
                               {{"k", shape, k}, {"v", shape, k}, {"q", shape, k}}),
                  "variance");
    ModelFile file = causal_file({{"alpha", 0.1}});
    name_variance(file, 2);
    const Model model = file.parse(test_device());
    Session session = make_session(model, kStreams);
    for (uint32_t t = 0; t < kTokens; ++t) {
        const std::vector<float> token = token_of(k, t);
        std::vector<float> action(size_t{kStreams} * kSize);
        std::vector<float> doubt(size_t{kStreams} * 2);
        const std::span<const float> in[] = {token, token, token};
        const std::span<float> out[] = {action, doubt};
        session.submit(in);
        session.wait(out);
        for (uint32_t i = 0; i < doubt.size(); ++i) {
            CHECK(doubt[i] == expected[(size_t{i / 2} * kTokens + t) * 2 + i % 2]);
        }
    }
}

TEST_CASE("least-squares nodes: over a context the variance is that of the ridge, and falls with what is shown")
{
    constexpr uint32_t kPairs = 40;
    ModelFile file = context_model("intention", {{"alpha", 0.5}});
    name_variance(file, 1);
    const Model model = file.parse(test_device());
    Session session = make_session(model, 1);
    const Demonstration shown(kPairs, 6, 2, 70);
    const std::vector<float> query = random_values(71, 6);
    std::vector<float> action(2);
    std::vector<float> doubt(1);
    const std::span<const float> in(query);
    const std::span<float> out[] = {action, doubt};
    const auto ask = [&] {
        session.submit({&in, 1});
        session.wait(out);
        return doubt[0];
    };
    double norm = 0;
    for (float value : query) norm += static_cast<double>(value) * value;
    CHECK(ask() == Approx(norm / 0.5).epsilon(1e-5));
    show(session, 0, shown);
    (void)session.solve(all_streams(session));
    const std::vector<float> expected = output_of(
        run_operator(
            test_device(), "intention", {{"alpha", 0.5}},
            {{"k", {1, kPairs, 1, 6}, shown.x}, {"v", {1, kPairs, 1, 2}, shown.y}, {"q", {1, 1, 1, 6}, query}}),
        "variance");
    CHECK(ask() == Approx(expected[0]).epsilon(1e-4));
    CHECK(ask() < norm / 0.5);
    CHECK(session.reports(0)[0].values.size() == kReportFields);
}

TEST_CASE("least-squares nodes: a stream that was reset starts from nothing")
{
    const std::vector<float> k = random_values(1, size_t{kStreams} * kSize);
    const std::vector<float> other = random_values(2, size_t{kStreams} * kSize);
    for (const Json& attributes : solvers()) {
        CAPTURE(attributes.dump());
        const Model model = causal_model(attributes);
        Session session = make_session(model, kStreams);
        const std::vector<float> first = step_all(session, k, k, k);
        const std::vector<float> second = step_all(session, other, k, k);
        CHECK_FALSE(same_bits(first, second));
        session.reset(all_streams(session));
        CHECK(same_bits(step_all(session, k, k, k), first));
    }
}

TEST_CASE("learning while acting: by rls a step answers with what was shown a moment ago, without a solve")
{
    const Model model = context_model("intention", {{"alpha", 0.3}, {"solver", "rls"}}).parse(test_device());
    const Model reference = context_model("intention", {{"alpha", 0.3}}).parse(test_device());
    Session follower = make_session(model, 2);
    Session solver = make_session(reference, 2);
    const Demonstration demonstration(12, 6, 2, 50);
    const std::vector<float> query = random_values(60, 12);
    for (uint32_t t = 0; t < demonstration.tokens; ++t) {
        CAPTURE(t);
        observe(follower, {1}, {1}, demonstration.x_part(t, 1), demonstration.y_part(t, 1));
        observe(solver, {1}, {1}, demonstration.x_part(t, 1), demonstration.y_part(t, 1));
        (void)solver.solve(all_streams(solver));
        const std::vector<float> found = step(follower, query);
        CHECK(relative_error(found, step(solver, query)) < 5e-5); // the rls row of the tolerances
        CHECK(found[0] == 0.0F);                                  // the other stream was shown nothing
        CHECK(found[1] == 0.0F);
    }
}

TEST_CASE("learning while acting: a solve between observations changes rls by rounding alone")
{
    const Model model = context_model("intention", {{"alpha", 0.3}, {"solver", "rls"}}).parse(test_device());
    const Demonstration demonstration(30, 6, 2, 51);
    const std::vector<float> query = random_values(61, 6);
    Session plain = make_session(model, 1);
    show(plain, 0, demonstration);
    Session mended = make_session(model, 1);
    for (uint32_t from = 0; from < 30; from += 10) {
        observe(mended, {0}, {10}, demonstration.x_part(from, 10), demonstration.y_part(from, 10));
        const SolveOutcome outcome = mended.solve({all_streams(mended)})[0];
        CHECK(outcome.status == SolveStatus::solved);
        CHECK(outcome.alpha == 0.3F);
        CHECK(outcome.min_pivot > 0.3F);
    }
    CHECK(relative_error(step(mended, query), step(plain, query)) < 5e-5);
}

TEST_CASE("learning while acting: statistics that were added count once a solve has taken them in")
{
    const Model model = context_model("intention", {{"alpha", 0.3}, {"solver", "rls"}}).parse(test_device());
    const Demonstration demonstration(20, 6, 2, 52);
    const std::vector<float> query = random_values(62, 6);
    Session whole = make_session(model, 1);
    show(whole, 0, demonstration);
    Session first = make_session(model, 1);
    observe(first, {0}, {8}, demonstration.x_part(0, 8), demonstration.y_part(0, 8));
    Session second = make_session(model, 1);
    second.add_statistics(0, first.statistics(0), 1.0F);
    (void)second.solve(all_streams(second));
    observe(second, {0}, {12}, demonstration.x_part(8, 12), demonstration.y_part(8, 12));
    CHECK(relative_error(step(second, query), step(whole, query)) < 5e-5);
}

TEST_CASE("learning while acting: streams are shown pairs between any two steps, and each is as it would be alone")
{
    for (const char* solver : {"cholesky", "rls"}) {
        CAPTURE(solver);
        const Model model = context_model("intention", {{"alpha", 0.3}, {"solver", solver}}).parse(test_device());
        const bool needs_solve = solver == std::string("cholesky");
        Session together = make_session(model, kStreams);
        std::vector<std::unique_ptr<Session>> alone;
        SessionOptions one;
        for (uint32_t s = 0; s < kStreams; ++s) alone.push_back(std::make_unique<Session>(model, one));
        for (uint32_t t = 0; t < 12; ++t) {
            CAPTURE(t);
            std::vector<uint32_t> streams, counts;
            std::vector<float> x, y;
            for (uint32_t s = 0; s < kStreams; ++s) {
                const uint32_t count = (t * 7 + s * 3) % 4; // none for some
                if (count == 0) continue;
                const Demonstration part(count, 6, 2, 100 + 10 * t + s);
                show(*alone[s], 0, part);
                if (needs_solve) (void)alone[s]->solve(all_streams(*alone[s]));
                streams.push_back(s);
                counts.push_back(count);
                x.insert(x.end(), part.x.begin(), part.x.end());
                y.insert(y.end(), part.y.begin(), part.y.end());
            }
            observe(together, streams, counts, x, y);
            if (needs_solve) (void)together.solve(streams);
            const std::vector<float> query = random_values(200 + t, size_t{kStreams} * 6);
            const std::vector<float> found = step(together, query);
            for (uint32_t s = 0; s < kStreams; ++s) {
                const std::vector<float> own(query.begin() + 6 * s, query.begin() + 6 * (s + 1));
                const std::vector<float> expected = step(*alone[s], own);
                CHECK(same_bits({found.begin() + 2 * s, found.begin() + 2 * (s + 1)}, expected));
            }
        }
    }
}

TEST_CASE("learning while acting: a stream is shown pairs while a step of others is under way")
{
    const Model model = context_model("intention", {{"alpha", 0.3}, {"solver", "rls"}}).parse(test_device());
    const Demonstration shown(5, 6, 2, 53);
    const std::vector<float> query = random_values(63, 12);
    Session before = make_session(model, 2);
    show(before, 1, shown);
    Session during = make_session(model, 2);
    const uint32_t acting[] = {0};
    const std::vector<float> own(query.begin(), query.begin() + 6);
    std::vector<float> action(2);
    const std::span<const float> in(own);
    const std::span<float> out(action);
    during.submit_some(acting, {&in, 1});
    show(during, 1, shown);
    during.wait({&out, 1});
    CHECK(same_bits(step(during, query), step(before, query)));
}

TEST_CASE("many streams: a thousand heads of width 64 are shown pairs, solved and stepped in one submission each")
{
    constexpr uint32_t kMany = 1000, kWidth = 64, kPairs = 64;
    const Model model = context_model("intention", {{"alpha_relative", 1e-3}}, kWidth, 2).parse(test_device());
    Session session = make_session(model, kMany);
    const std::vector<uint32_t> counts(kMany, kPairs);
    const std::vector<float> x = random_values(80, size_t{kMany} * kPairs * kWidth);
    const std::vector<float> y = random_values(81, size_t{kMany} * kPairs * 2);
    const std::vector<float> query = random_values(82, size_t{kMany} * kWidth);
    const uint64_t start = session.submissions();
    observe(session, all_streams(session), counts, x, y);
    CHECK(session.submissions() == start + 1);
    const std::vector<SolveOutcome> outcomes = session.solve(all_streams(session));
    CHECK(session.submissions() == start + 2);
    const std::vector<float> found = step(session, query);
    CHECK(session.submissions() == start + 3);
    CHECK(std::all_of(outcomes.begin(), outcomes.end(),
                      [](const SolveOutcome& outcome) { return outcome.status == SolveStatus::solved; }));
    Session single = make_session(model, 1);
    const auto part = [](const std::vector<float>& all, size_t index, size_t size) {
        return std::vector<float>(all.begin() + static_cast<ptrdiff_t>(index * size),
                                  all.begin() + static_cast<ptrdiff_t>((index + 1) * size));
    };
    for (const uint32_t stream : {0U, 511U, 999U}) {
        CAPTURE(stream);
        single.reset(all_streams(single));
        observe(single, {0}, {kPairs}, part(x, stream, size_t{kPairs} * kWidth), part(y, stream, size_t{kPairs} * 2));
        (void)single.solve(all_streams(single));
        CHECK(same_bits(step(single, part(query, stream, kWidth)), part(found, stream, 2)));
    }
}
