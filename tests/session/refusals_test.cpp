// What a session refuses, by name, and that a refusal changes nothing.
#include "refused.hpp"
#include "session/recording.hpp"
#include "session_run.hpp"

#include <limits>

using namespace gramian;

namespace {

/// A session of three streams, two of them taught.
struct Taught {
    Model model;
    Session session;
    std::vector<float> queries = random_values(60, 12);
    std::vector<float> answers;

    explicit Taught(const char* op = "intention", const Json& attributes = {{"alpha", 0.5}})
        : model(encoded_model(op, attributes).parse(test_device())), session(make_session(model, 3))
    {
        show(session, 0, Demonstration(20, 4, 2, 61));
        show(session, 2, Demonstration(10, 4, 2, 62));
        (void)session.solve(all_streams(session));
        answers = step(session, queries);
    }
    /// The action is refused, and neither answers nor what further teaching leads to are touched.
    template <class Action>
    void refuses(std::string_view words, Action action)
    {
        refused(Status::invalid_argument, words, action);
        CHECK(same_bits(step(session, queries), answers));
        (void)session.solve(all_streams(session));
        CHECK(same_bits(step(session, queries), answers));
    }
};

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

} // namespace

TEST_CASE("refusals: an observation that is not finite names stream and channel, and nothing changes")
{
    Taught taught;
    for (const float bad : {kNaN, kInfinity, -kInfinity}) {
        std::vector<float> x = taught.queries;
        x[4 * 2 + 3] = bad;
        taught.refuses("input 'observation': stream 2, channel 3 is", [&] { (void)step(taught.session, x); });
        x = taught.queries;
        x[0] = bad;
        taught.refuses("input 'observation': stream 0, channel 0 is", [&] { (void)step(taught.session, x); });
    }
}

TEST_CASE("refusals: a demonstration that is not finite names stream, token and channel, and nothing changes")
{
    Taught taught;
    const Demonstration shown(9, 4, 2, 63);
    std::vector<float> x = shown.x;
    x[4 * 6 + 1] = kNaN; // token 6 of 9: token 2 of the second stream
    taught.refuses("input 'observation': stream 0, token 2, channel 1 is nan", [&] {
        observe(taught.session, {1, 0}, {4, 5}, x, shown.y);
    });
    std::vector<float> y = shown.y;
    y[2 * 3] = -kInfinity;
    taught.refuses("input 'target': stream 1, token 3, channel 0 is -inf", [&] {
        observe(taught.session, {1, 0}, {4, 5}, shown.x, y);
    });
    y = shown.y;
    y.back() = kNaN;
    taught.refuses("input 'target': stream 1, token 8, channel 1 is nan", [&] {
        observe(taught.session, {2, 1}, {0, 9}, shown.x, y);
    });
}

TEST_CASE("refusals: streams out of range or named twice")
{
    Taught taught;
    const Demonstration shown(4, 4, 2, 64);
    taught.refuses("stream 3: the session has streams 0 to 2",
                   [&] { observe(taught.session, {3}, {4}, shown.x, shown.y); });
    taught.refuses("stream 4294967295", [&] { observe(taught.session, {UINT32_MAX}, {4}, shown.x, shown.y); });
    taught.refuses("stream 1 is named twice", [&] { observe(taught.session, {1, 1}, {2, 2}, shown.x, shown.y); });
    taught.refuses("stream 3", [&] { (void)taught.session.solve(std::vector<uint32_t>{0, 3}); });
    taught.refuses("stream 0 is named twice", [&] { (void)taught.session.solve(std::vector<uint32_t>{0, 0}); });
    taught.refuses("stream 7", [&] { taught.session.reset(std::vector<uint32_t>{0, 7}); });
    taught.refuses("stream 2 is named twice", [&] { taught.session.reset(std::vector<uint32_t>{2, 2}); });
}

TEST_CASE("refusals: inputs of the wrong size or number")
{
    Taught taught;
    const Demonstration shown(4, 4, 2, 65);
    taught.refuses("input 'observation': expected 3 x 4 numbers, found 11",
                   [&] { (void)step(taught.session, std::vector<float>(11)); });
    taught.refuses("step: expected 1 inputs, found 0", [&] { taught.session.submit({}); });
    taught.refuses("step: expected 1 inputs, found 2", [&] {
        const std::span<const float> inputs[] = {taught.queries, taught.queries};
        taught.session.submit(inputs);
    });
    taught.refuses("input 'observation': expected 5 tokens of 4 numbers, found 16 numbers",
                   [&] { observe(taught.session, {1}, {5}, shown.x, shown.y); });
    taught.refuses("input 'target': expected 4 tokens of 2 numbers, found 7 numbers", [&] {
        observe(taught.session, {1}, {4}, shown.x, {shown.y.begin(), shown.y.end() - 1});
    });
    taught.refuses("1 streams with 2 counts and 2 inputs, expected 2 inputs", [&] {
        observe(taught.session, {1}, {2, 2}, shown.x, shown.y);
    });
    taught.refuses("1 inputs, expected 2 inputs", [&] {
        const std::span<const float> inputs[] = {shown.x};
        taught.session.observe(std::vector<uint32_t>{1}, std::vector<uint32_t>{4}, inputs);
    });
}

TEST_CASE("refusals: counts whose sum overflows 32 bits")
{
    Taught taught;
    taught.refuses("observation", [&] {
        observe(taught.session, {0, 1}, {UINT32_MAX, 2}, std::vector<float>(4), std::vector<float>(2));
    });
}

TEST_CASE("refusals: room for outputs of the wrong size or number")
{
    Taught taught;
    const std::span<const float> in(taught.queries);
    std::vector<float> output(5);
    const std::span<float> out(output);
    taught.refuses("output 'action': expected room for 3 x 2 numbers, found 5", [&] {
        taught.session.submit({&in, 1});
        taught.session.wait({&out, 1});
    });
    taught.refuses("expected room for 1 outputs, found 0", [&] {
        taught.session.submit({&in, 1});
        taught.session.wait({});
    });
}

TEST_CASE("refusals: more pairs than the capacity, by stream and numbers, and nothing changes")
{
    Taught taught("softmax_attention", {{"capacity", 25}});
    const Demonstration shown(30, 4, 2, 66);
    taught.refuses("stream 1: 26 pairs, and learner keeps at most 25 (its 'capacity')",
                   [&] { observe(taught.session, {1}, {26}, shown.x_part(0, 26), shown.y_part(0, 26)); });
    taught.refuses("stream 0: 26 pairs", [&] { // holds 20
        observe(taught.session, {1, 0}, {24, 6}, shown.x, shown.y);
    });
    observe(taught.session, {0}, {5}, shown.x_part(0, 5), shown.y_part(0, 5)); // exactly full
    refused(Status::invalid_argument, "stream 0: 26 pairs",
            [&] { observe(taught.session, {0}, {1}, shown.x_part(0, 1), shown.y_part(0, 1)); });
    taught.session.reset(std::vector<uint32_t>{0});
    observe(taught.session, {0}, {25}, shown.x_part(0, 25), shown.y_part(0, 25));
    CHECK(step(taught.session, taught.queries).size() == 6);
}

TEST_CASE("refusals: nothing to observe or to solve without a context input")
{
    const Model model = feedforward_model(3, 2).parse(test_device());
    Session session = make_session(model, 1);
    const std::vector<float> x{1, 2, 3};
    const std::span<const float> in(x);
    refused(Status::invalid_argument, "feedforward has no context input", [&] {
        session.observe(std::vector<uint32_t>{0}, std::vector<uint32_t>{1}, {&in, 1});
    });
    refused(Status::invalid_argument, "feedforward has no context input",
            [&] { (void)session.solve(std::vector<uint32_t>{0}); });
    session.reset(std::vector<uint32_t>{0}); // forgetting nothing is fine
    CHECK(step(session, x).size() == 2);
}

TEST_CASE("refusals: no streams, and observing nothing")
{
    const Model model = encoded_model("intention", {{"alpha", 0.5}}).parse(test_device());
    refused(Status::invalid_argument, "at least one stream", [&] { (void)make_session(model, 0); });
    Session session = make_session(model, 2);
    observe(session, {}, {}, {}, {});
    observe(session, {0, 1}, {0, 0}, {}, {});
    CHECK(session.solve({}).empty());
    CHECK(session.submissions() == 0);
    CHECK(session.solve(all_streams(session))[0].status == SolveStatus::no_data);
}

TEST_CASE("refusals: more streams than fit are out_of_memory with the numbers, and the device stays usable")
{
    // 128 x 128 statistics: 64 KiB a stream and more.
    const Model model = context_model("intention", {{"alpha", 0.5}}, 128, 2).parse(test_device());
    const uint64_t heap = test_device().caps().heap_bytes; // drivers differ in what they promise
    const auto streams = static_cast<uint32_t>(std::clamp<uint64_t>(heap >> 16U, 200'000, UINT32_MAX));
    const auto ask = [&] { (void)make_session(model, streams); };
    refused(Status::out_of_memory, std::to_string(streams) + " streams of learner need", ask);
    refused(Status::out_of_memory, "a stream), and " + test_device().caps().name, ask);
    refused(Status::out_of_memory, "streams fit", ask);
    Session session = make_session(model, 1);
    show(session, 0, Demonstration(3, 128, 2, 67));
    CHECK(session.solve(all_streams(session))[0].status == SolveStatus::solved);
}

TEST_CASE("refusals: as many streams as the message says fit do fit")
{
    // Some 1.3 MB a stream. What fits is planned, not allocated: it is all the memory that the device has.
    const Model model = context_model("softmax_attention", {{"capacity", 1U << 16}}, 4, 1).parse(test_device());
    ProgramLists lists;
    SessionOptions options;
    options.streams = 10'000'000;
    uint64_t fit = 0;
    try {
        (void)plan_session(model, options, lists);
        FAIL("accepted");
    } catch (const Error& error) {
        const std::string message = error.what();
        CAPTURE(message);
        const size_t at = message.rfind(": ");
        REQUIRE(at != std::string::npos);
        fit = std::stoull(message.substr(at + 2));
    }
    CHECK(fit > 0);
    options.streams = static_cast<uint32_t>(fit);
    CHECK_NOTHROW((void)plan_session(model, options, lists));
    options.streams = static_cast<uint32_t>(fit + fit / 5 + 1'000);
    refused(Status::out_of_memory, "streams fit", [&] { (void)plan_session(model, options, lists); });
}

TEST_CASE("refusals: a least-squares head without a context input must be causal")
{
    ModelFile file = encoded_model("intention", Json::object());
    file.json["inputs"].erase(1);
    file.json["nodes"][2]["in"]["v"] = "key";
    file.json["outputs"][0]["size"] = 8;
    refused(Status::invalid_model, "expected causal: true, or an input that depends on a context input", [&] {
        const Model model = file.parse(test_device());
        (void)make_session(model, 1);
    });
}

TEST_CASE("refusals: a head wider than the solver is unsupported, with the numbers")
{
    const Model model = context_model("intention", {{"alpha", 0.5}}, 1025, 2).parse(test_device());
    refused(Status::unsupported, "P 1025 and K 2, at most 1024 and 256", [&] { (void)make_session(model, 1); });
}

TEST_CASE("refusals: while a step is in flight, what would disturb it waits or is refused")
{
    Taught taught;
    const std::span<const float> in(taught.queries);
    const Demonstration shown(4, 4, 2, 68);
    std::vector<float> output(6);
    const std::span<float> out(output);
    const auto in_flight = [&](auto action) {
        taught.session.submit({&in, 1});
        try {
            action();
        } catch (const Error& error) {
            CHECK(error.status() == Status::invalid_argument);
        }
        taught.session.wait({&out, 1});
        CHECK(same_bits(output, taught.answers));
    };
    for (int i = 0; i < 20; ++i) {
        in_flight([&] { observe(taught.session, {1}, {4}, shown.x, shown.y); });
        in_flight([&] { taught.session.reset(std::vector<uint32_t>{1}); });
    }
    taught.session.wait({&out, 1}); // nothing is in flight: the last answer once more
    CHECK(same_bits(output, taught.answers));
}

TEST_CASE("refusals: after a time limit every call says so, and the session can be destroyed")
{
    if (test_device().caps().is_host) return; // the host executor works while submitting
    DeviceOptions options = test_options();
    options.limits = Limits::device;
    options.timeout_ns = 1;
    const auto impatient = open_device(options);
    const Model model = encoded_model("intention", {{"alpha", 0.5}}).parse(*impatient);
    refused(Status::timeout, "did not finish", [&] { (void)make_session(model, 2'000); });
    refused(Status::timeout, impatient->caps().name, [&] { (void)make_session(model, 1); });
}
