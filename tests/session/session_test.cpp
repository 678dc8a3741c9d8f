// Sessions: stepping, streams beside each other, golden rollouts, and sessions that end early.
#include "refused.hpp"
#include "session_run.hpp"

using namespace gramian;

TEST_CASE("session: a step computes the formula for every stream")
{
    const ModelFile file = feedforward_model(3, 2);
    const Model model = file.parse(test_device());
    Session session = make_session(model, 5);
    const std::vector<float> x = random_values(1, 15);
    const std::vector<float> w = random_values(1, 6, 0.5); // what feedforward_model stores
    const std::vector<float> b = random_values(2, 2, 0.5);
    std::vector<double> expected;
    for (size_t stream = 0; stream < 5; ++stream) {
        for (size_t row = 0; row < 2; ++row) {
            double sum = b[row];
            for (size_t i = 0; i < 3; ++i) sum += static_cast<double>(w[row * 3 + i]) * x[stream * 3 + i];
            expected.push_back(std::tanh(sum));
        }
    }
    CHECK(relative_error(step(session, x), expected) < 2e-5); // tanh is promised to some 1e-5
}

TEST_CASE("session: a stream's bits depend neither on how many streams there are nor on its place")
{
    const Model model = feedforward_model(7, 3).parse(test_device());
    const std::vector<float> x = random_values(2, size_t{300} * 7);
    Session many = make_session(model, 300);
    const std::vector<float> together = step(many, x);
    for (const uint32_t stream : {0U, 1U, 63U, 64U, 128U, 299U}) {
        CAPTURE(stream);
        Session single = make_session(model, 1);
        const std::vector<float> alone = step(single, {x.begin() + stream * 7, x.begin() + stream * 7 + 7});
        CHECK(same_bits(alone, {together.begin() + stream * 3, together.begin() + stream * 3 + 3}));
    }
}

TEST_CASE("session: the same input gives the same bits, step after step")
{
    const Model model = feedforward_model(7, 3).parse(test_device());
    Session session = make_session(model, 4);
    const std::vector<float> x = random_values(3, 28);
    const std::vector<float> first = step(session, x);
    (void)step(session, random_values(4, 28));
    for (int i = 0; i < 20; ++i) CHECK(same_bits(step(session, x), first));
}

TEST_CASE("session: two sessions of one model do not disturb each other")
{
    const Model model = encoded_model("intention", {{"alpha", 0.5}}).parse(test_device());
    Session one = make_session(model, 2);
    Session two = make_session(model, 1);
    const Demonstration demonstration(20, 4, 2, 5);
    show(one, 1, demonstration);
    (void)one.solve(all_streams(one));
    const std::vector<float> x = random_values(6, 8);
    const std::vector<float> before = step(one, x);
    show(two, 0, Demonstration(9, 4, 2, 7));
    (void)two.solve(all_streams(two));
    (void)step(two, random_values(8, 4));
    CHECK(same_bits(step(one, x), before));
}

TEST_CASE("session: submissions, dispatches, bytes and times of nodes are counted")
{
    const Model model = encoded_model("intention", {{"alpha", 0.5}}).parse(test_device());
    SessionOptions options;
    options.streams = 3;
    options.profile = true;
    Session session(model, options);
    CHECK(session.submissions() == 0); // loading is not counted
    (void)step(session, random_values(1, 12));
    CHECK(session.submissions() == 1);
    show(session, 0, Demonstration(5, 4, 2, 1));
    CHECK(session.submissions() == 2);
    (void)session.solve(all_streams(session));
    CHECK(session.submissions() == 3);
    CHECK(session.step_dispatches() >= 2); // the encoder and the read
    CHECK(session.step_bytes_moved() > 3 * 4 * (4 + 8 + 8 + 2));
    CHECK(session.layout().state_bytes() >= uint64_t{3} * 4 * (8 * 8 + 2 * 8 * 2)); // G, S and W
    (void)step(session, random_values(1, 12));
    const bool can_time = test_device().caps().is_host || test_device().caps().timestamp_ns > 0;
    const std::vector<NodeTime> times = session.profile();
    CHECK(times.size() >= (can_time ? 2 : 0));
    if (can_time) CHECK(times[0].node.find("node 0") != std::string::npos);
    for (const NodeTime& time : times) CHECK(time.us >= 0);
}

TEST_CASE("session: a golden rollout that the device reproduces is accepted, one that it does not is refused")
{
    for (const char* op : {"feedforward", "intention", "linear_attention", "softmax_attention"}) {
        CAPTURE(op);
        const std::string name = op;
        ModelFile file = name == "feedforward"         ? feedforward_model(4, 2)
                         : name == "softmax_attention" ? encoded_model(name, {{"capacity", 50}})
                                                       : encoded_model(name, Json::object());
        const Demonstration rollout(12, 4, 2, 8);
        std::vector<float> answers;
        {
            const Model model = file.parse(test_device());
            Session session = make_session(model, 1);
            if (model.has_context()) {
                show(session, 0, rollout);
                (void)session.solve(all_streams(session));
            }
            for (uint32_t t = 0; t < 12; ++t) {
                const std::vector<float> answer = step(session, rollout.x_part(t, 1));
                answers.insert(answers.end(), answer.begin(), answer.end());
            }
        }
        file.store("golden.observation", {12, 4}, rollout.x);
        if (name != "feedforward") file.store("golden.target", {12, 2}, rollout.y);
        file.store("golden.action", {12, 2}, answers);
        const Model proven = file.parse(test_device());
        CHECK_NOTHROW(Session(proven, {}));

        answers[15] += 1;
        file.store("golden.action", {12, 2}, answers);
        const Model wrong = file.parse(test_device());
        refused(Status::invalid_model, "golden rollout: output 'action' at token 7, channel 1: expected",
                [&] { const Session session(wrong, {}); });
        SessionOptions unchecked;
        unchecked.verify_golden = false;
        CHECK_NOTHROW(Session(wrong, unchecked));
    }
}

TEST_CASE("session: may be destroyed with a step in flight, and before or after other sessions")
{
    const Model model = encoded_model("intention", {{"alpha", 0.5}}).parse(test_device());
    const std::vector<float> x = random_values(9, 800);
    for (int i = 0; i < 3; ++i) {
        Session session = make_session(model, 200);
        const std::span<const float> in(x);
        session.submit({&in, 1});
    }
    Session after = make_session(model, 200);
    CHECK(step(after, x).size() == 400);
}

TEST_CASE("session: between submit and wait the host may do other work, and the answer is that of the submit")
{
    const Model model = feedforward_model(3, 2).parse(test_device());
    Session session = make_session(model, 1);
    const std::vector<float> x{0.5F, -1, 2};
    const std::vector<float> expected = step(session, x);
    const std::vector<float> other{9, 9, 9};
    for (int i = 0; i < 20; ++i) {
        const std::span<const float> in(x);
        const std::span<const float> next(other);
        session.submit({&in, 1});
        refused(Status::invalid_argument, "submitted", [&] { session.submit({&next, 1}); });
        std::vector<float> output(2);
        const std::span<float> out(output);
        session.wait({&out, 1});
        CHECK(same_bits(output, expected));
    }
}
