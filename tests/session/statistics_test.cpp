// What streams have summed up: it adds, is weighted and taken away, in one session and across two.
#include "refused.hpp"
#include "session_run.hpp"

#include <algorithm>

using namespace gramian;

namespace {

const Demonstration kFirst(60, 4, 2, 50);
const Demonstration kSecond(45, 4, 2, 51);

Model learner(const char* op = "intention", const Json& attributes = {{"alpha", 0.3}})
{
    return encoded_model(op, attributes).parse(test_device());
}

std::vector<float> answer(Session& session, uint32_t stream)
{
    (void)session.solve(all_streams(session));
    const std::vector<float> query = random_values(52, 4);
    std::vector<float> inputs;
    for (uint32_t i = 0; i < session.stream_count(); ++i) inputs.insert(inputs.end(), query.begin(), query.end());
    const std::vector<float> outputs = step(session, inputs);
    return {outputs.begin() + 2 * stream, outputs.begin() + 2 * stream + 2};
}

double difference(const std::vector<float>& left, const std::vector<float>& right)
{
    double most = 0;
    for (size_t i = 0; i < left.size(); ++i) most = std::max(most, std::abs(static_cast<double>(left[i] - right[i])));
    return most;
}

} // namespace

TEST_CASE("statistics: what two sessions saw adds up to what one session saw of both")
{
    for (const char* op : {"intention", "linear_attention"}) {
        CAPTURE(op);
        const Model model = learner(op, op == std::string("intention") ? Json{{"alpha", 0.3}} : Json{{"scale", 0.1}});
        Session both = make_session(model, 1);
        show(both, 0, kFirst);
        show(both, 0, kSecond);
        Session one = make_session(model, 1);
        show(one, 0, kFirst);
        Session other = make_session(model, 3);
        show(other, 2, kSecond);
        other.add_statistics(2, one.statistics(0), 1);
        CHECK(difference(answer(other, 2), answer(both, 0)) < 1e-5);
        CHECK(difference(answer(other, 2), answer(one, 0)) > 1e-3);
        // Taken away again, only the rounding of the sums is left.
        other.add_statistics(2, one.statistics(0), -1);
        Session second = make_session(model, 1);
        show(second, 0, kSecond);
        CHECK(difference(answer(other, 2), answer(second, 0)) < 1e-5);
    }
}

TEST_CASE("statistics: a weight of 2 counts a demonstration twice, and other streams stay as they were")
{
    const Model model = learner();
    Session twice = make_session(model, 1);
    show(twice, 0, kFirst);
    show(twice, 0, kFirst);
    Session weighted = make_session(model, 2);
    show(weighted, 1, kSecond);
    const auto before = weighted.statistics(1);
    Session one = make_session(model, 1);
    show(one, 0, kFirst);
    weighted.add_statistics(0, one.statistics(0), 2);
    CHECK(difference(answer(weighted, 0), answer(twice, 0)) < 1e-5);
    const auto after = weighted.statistics(1);
    for (size_t i = 0; i < before.size(); ++i) {
        if (before[i].name != "action.w") CHECK(before[i].values == after[i].values);
    }
}

TEST_CASE("statistics: g is k^T k, symmetric to the bit, and w is what was solved for")
{
    const Model model = context_model("intention", {{"alpha", 0.3}}, 4, 1).parse(test_device());
    Session session = make_session(model, 1);
    const Demonstration shown(30, 4, 1, 53);
    show(session, 0, shown);
    (void)session.solve(all_streams(session));
    const auto held = session.statistics(0);
    REQUIRE(held.size() == 3);
    CHECK(held[0].name == "action.g");
    CHECK(held[0].shape == Shape{1, 4, 4});
    double sum = 0;
    for (uint32_t t = 0; t < 30; ++t) sum += static_cast<double>(shown.x[t * 4 + 1]) * shown.x[t * 4 + 2];
    CHECK(held[0].values[6] == Approx(sum).epsilon(1e-5));
    CHECK(held[0].values[6] == held[0].values[9]);
    const std::vector<float> query{1, 0, 0, 0};
    CHECK(step(session, query)[0] == held[2].values[0]);
}

TEST_CASE("statistics: merged sums of two halves give the weights of the whole")
{
    const Model model = context_model("intention", {{"alpha_relative", 1e-4}}, 6, 3).parse(test_device());
    const Demonstration shown(90, 6, 3, 54);
    Session whole = make_session(model, 1);
    show(whole, 0, shown);
    Session merged = make_session(model, 1);
    for (uint32_t from : {0U, 40U}) {
        const uint32_t count = from == 0 ? 40 : 50;
        Session half = make_session(model, 1);
        observe(half, {0}, {count}, shown.x_part(from, count), shown.y_part(from, count));
        merged.add_statistics(0, half.statistics(0), 1);
    }
    const SolveOutcome expected = whole.solve(all_streams(whole))[0];
    const SolveOutcome found = merged.solve(all_streams(merged))[0];
    CHECK(found.alpha == Approx(expected.alpha).epsilon(1e-6));
    CHECK(relative_error(merged.statistics(0)[2].values, whole.statistics(0)[2].values) < 1e-5);
}

TEST_CASE("statistics: what does not fit or does not add is refused and changes nothing")
{
    const Model model = learner();
    Session session = make_session(model, 1);
    show(session, 0, kFirst);
    const auto held = session.statistics(0);
    auto changed = held;
    changed[1].name = "action.q";
    refused(Status::invalid_argument, "has no 'action.q'", [&] { session.add_statistics(0, changed, 1); });
    changed = held;
    changed.erase(changed.begin() + 1);
    refused(Status::invalid_argument, "'action.s' is missing", [&] { session.add_statistics(0, changed, 1); });
    changed = held;
    changed[0].shape = {8, 8};
    refused(Status::invalid_argument, "'action.g': expected", [&] { session.add_statistics(0, changed, 1); });
    changed = held;
    changed[1].values[3] = INFINITY;
    refused(Status::invalid_argument, "not finite", [&] { session.add_statistics(0, changed, 1); });
    refused(Status::invalid_argument, "weight", [&] { session.add_statistics(0, held, NAN); });
    refused(Status::invalid_argument, "stream 1", [&] { session.add_statistics(1, held, 1); });
    CHECK(session.statistics(0)[1].values == held[1].values);

    const Model keeper = learner("softmax_attention", {{"capacity", 100}});
    Session pairs = make_session(keeper, 1);
    refused(Status::unsupported, "not sums", [&] { pairs.add_statistics(0, pairs.statistics(0), 1); });
    const Model plain = feedforward_model().parse(test_device());
    Session without = make_session(plain, 1);
    refused(Status::invalid_argument, "no context input", [&] { (void)without.statistics(0); });
}
