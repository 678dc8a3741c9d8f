// What goes on for long: tokens, steps, observations and streams that come and go. --repeat makes it longer.
#include "arrays.hpp"
#include "session/stream_schedule.hpp"
#include "session_run.hpp"

using namespace gramian;

TEST_CASE("recurrence: 200,000 tokens with decay stay at the sum of the series")
{
    // Every token writes 1 to every entry: s = 1 + e^-0.02 s, so s tends to 1 / (1 - e^-0.02) = 50.5.
    constexpr uint32_t kTokens = 5'000;
    const Shape wide{1, kTokens, 1, 16};
    const std::vector<float> ones(size_t{kTokens} * 16, 1.0F);
    const std::vector<NamedArray> inputs{{"q", wide, ones},
                                         {"k", wide, ones},
                                         {"v", wide, ones},
                                         {"state", {1, 1, 16, 16}, std::vector<float>(256)},
                                         {"decay", {1, kTokens, 1}, std::vector<float>(kTokens, -0.02F)}};
    OperatorProgram program(test_device(), "linear_attention", {{"scale", 1}}, inputs, true);
    const std::vector<double> limit(256, 1 / -std::expm1(-0.02));
    for (uint32_t run = 0; run < 40; ++run) {
        program.program().run();
        // The rounding of each token fades as the state does: some 50 roundings at a time.
        CHECK(relative_error(output_of({program.outputs()}, "state"), limit) < 2e-5);
    }
}

TEST_CASE("log-space attention: 100,000 tokens neither overflow nor drift")
{
    // Every key and value is the same, so the answer is that value whatever was summed up before.
    constexpr uint32_t kTokens = 100'000;
    const NamedArray q = random_array("q", {1, kTokens, 1, 2}, 1);
    const NamedArray k{"k", {1, kTokens, 1, 2}, std::vector<float>(size_t{kTokens} * 2, 3.0F)};
    const NamedArray v{"log_v", {1, kTokens, 1, 2}, std::vector<float>(size_t{kTokens} * 2, -1.25F)};
    const OperatorRun run = run_operator(test_device(), "log_attention", Json::object(), {q, k, v});
    CHECK(relative_error(output_of(run, "log_y"), v.values) < 1e-5);
}

TEST_CASE("steps: 3,000 of them leave the answer to one observation as it was, to the bit")
{
    const Model model = encoded_model("intention", {{"alpha", 0.5}}).parse(test_device());
    Session session = make_session(model, 2);
    show(session, 0, Demonstration(30, 4, 2, 1));
    (void)session.solve(all_streams(session));
    const std::vector<float> x = random_values(2, 8);
    const std::vector<float> first = step(session, x);
    for (uint32_t i = 0; i < 3'000; ++i) {
        const std::vector<float> again = step(session, x);
        if (i % 100 == 99) REQUIRE(same_bits(again, first));
    }
    CHECK(session.submissions() == 3'003);
}

TEST_CASE("learning: 400 rounds of observing and solving keep a linear law")
{
    const Model model = context_model("intention", {{"alpha_relative", 1e-6}}, 4, 1).parse(test_device());
    Session session = make_session(model, 1);
    const std::vector<float> law{1, -2, 0.5, 3};
    const std::vector<float> query = random_values(3, 4);
    double expected = 0;
    for (size_t i = 0; i < 4; ++i) expected += static_cast<double>(law[i]) * query[i];
    for (uint32_t round = 0; round < 400; ++round) {
        Demonstration shown(50, 4, 1, 10 + round);
        for (size_t t = 0; t < 50; ++t) {
            double y = 0;
            for (size_t i = 0; i < 4; ++i) y += static_cast<double>(law[i]) * shown.x[t * 4 + i];
            shown.y[t] = static_cast<float>(y);
        }
        show(session, 0, shown);
        const std::vector<SolveOutcome> outcome = session.solve(all_streams(session));
        CHECK((outcome[0].status == SolveStatus::solved && outcome[0].retries == 0));
        if (round % 40 == 39) CHECK(relative_error(step(session, query), std::vector<double>{expected}) < 1e-4);
    }
    CHECK(session.position_of(0).pairs == 20'000);
}

TEST_CASE("streams: 1,500 random operations leave every stream the bits of one alone")
{
    const Model model = remembering_model().parse(test_device());
    Schedule(model, 12, 77).run(1'500);
}
