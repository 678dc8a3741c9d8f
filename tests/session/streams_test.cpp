// Streams that come and go: whatever happens to its neighbours, a stream has the bits of one that runs alone.
// GRAMIAN_STREAM_OPERATIONS sets how many random operations the schedule has (10,000 for a long look).
#include "refused.hpp"
#include "session/stream_schedule.hpp"
#include "session_run.hpp"

#include <cstdlib>

using namespace gramian;

namespace {

uint32_t operations()
{
    const char* wanted = std::getenv("GRAMIAN_STREAM_OPERATIONS");
    return wanted ? static_cast<uint32_t>(std::strtoul(wanted, nullptr, 10)) : 400U;
}

} // namespace

TEST_CASE("streams: random joins, leaves, forks, rewinds and steps leave every stream the bits of one alone")
{
    const Model model = remembering_model().parse(test_device());
    Schedule(model, 10, 20).run(operations());
}

TEST_CASE("streams: so on the host")
{
    const Model model = remembering_model().parse(host_device());
    Schedule(model, 10, 21).run(operations());
}

TEST_CASE("streams: a step of all streams is that of those that have joined, windows or not")
{
    const Model model = remembering_model().parse(test_device());
    SessionOptions options;
    options.streams = 5;
    Session one(model, options);
    options.window_streams = 2;
    Session cut(model, options);
    CHECK(one.layout().window_count == 1);
    CHECK(cut.layout().window_count == 3);
    for (Session* session : {&one, &cut}) session->leave(std::vector<uint32_t>{1, 4});
    for (uint64_t t = 0; t < 3; ++t) {
        std::vector<float> x = random_values(30 + t, 15);
        x[3] = std::nanf(""); // stream 1 has left: its row is not read
        const std::vector<float> y = step(one, x);
        CHECK(same_bits(y, step(cut, x)));
        CHECK(y[9] == 0); // nor is it written
    }
    CHECK(cut.join(2) == std::vector<uint32_t>{1, 4});
    refused(Status::out_of_memory, "1 streams cannot join: 0 of the session's 5 are free", [&] { (void)cut.join(1); });
}

TEST_CASE("streams: merging adds what two were shown, and taking it away again leaves the one")
{
    const Model model = encoded_model("intention", {{"alpha", 0.3}}).parse(test_device());
    SessionOptions options;
    options.streams = 4;
    options.window_streams = 2;
    Session session(model, options);
    const Demonstration first(30, 4, 2, 40);
    const Demonstration second(20, 4, 2, 41);
    show(session, 0, first);
    show(session, 3, second); // another window
    show(session, 1, first);
    show(session, 1, second);
    const auto answers = [&] {
        (void)session.solve(all_streams(session));
        return step(session, [] {
            std::vector<float> x;
            for (int i = 0; i < 4; ++i) {
                const std::vector<float> query = random_values(42, 4);
                x.insert(x.end(), query.begin(), query.end());
            }
            return x;
        }());
    };
    const std::vector<float> before = answers();
    session.merge(0, 3, 1);
    const std::vector<float> merged = answers();
    CHECK(relative_error(std::vector<float>{merged[0], merged[1]}, std::vector<float>{merged[2], merged[3]}) < 1e-4);
    CHECK(session.position_of(0).pairs == 50);
    session.merge(0, 3, -1);
    const std::vector<float> after = answers();
    CHECK(relative_error(std::vector<float>{after[0], after[1]}, std::vector<float>{before[0], before[1]}) < 1e-4);
    const Model pairs = encoded_model("softmax_attention", {{"capacity", 9}}).parse(test_device());
    Session keeping = make_session(pairs, 2);
    refused(Status::unsupported, "keeps pairs, not sums", [&] { keeping.merge(0, 1, 1); });
}

TEST_CASE("saved state: restored to the bit, or refused with the reason")
{
    const Model model = remembering_model().parse(test_device());
    Session session = make_session(model, 2);
    (void)step(session, random_values(50, 6));
    const std::vector<uint32_t> both{0, 1};
    std::vector<std::byte> saved = session.save(both);
    CHECK(saved.size() == session.saved_bytes(2));
    const std::vector<float> x = random_values(51, 6);
    const std::vector<float> y = step(session, x);
    session.restore(both, saved, false);
    CHECK(same_bits(step(session, x), y));
    const auto refuses = [&](const char* words, std::vector<std::byte> bytes) {
        CAPTURE(words);
        refused(Status::invalid_state, words, [&] { session.restore(both, bytes, false); });
    };
    refuses("do not begin with", {});
    refuses("do not begin with", std::vector<std::byte>(500));
    refuses("cut short", {saved.begin(), saved.end() - 4});
    refuses("too few", {saved.begin(), saved.begin() + 40});
    std::vector<std::byte> spoilt = saved;
    spoilt[spoilt.size() / 2 + 100] ^= std::byte{1};
    refuses("checksum", spoilt);
    spoilt = saved;
    spoilt[8] = std::byte{9};
    refuses("format version 9", spoilt);
    refused(Status::invalid_state, "it holds 2 streams, expected 1",
            [&] { session.restore(std::vector<uint32_t>{0}, saved, false); });
    ModelFile other = remembering_model();
    other.store("conv", {3, 3}, random_values(2, 9));
    const Model stranger = other.parse(test_device());
    Session elsewhere = make_session(stranger, 2);
    refused(Status::invalid_state, "belongs to the model with fingerprint",
            [&] { elsewhere.restore(both, saved, false); });
    if (test_device().caps().is_host) return;
    const Model on_host = remembering_model().parse(host_device());
    Session migrated = make_session(on_host, 2);
    refused(Status::invalid_state, "it was saved on", [&] { migrated.restore(both, saved, false); });
    migrated.restore(both, saved, true);
    const std::vector<float> there = step(migrated, x);
    CHECK(relative_error(std::vector<float>(there.begin(), there.begin() + 6),
                         std::vector<float>(y.begin(), y.begin() + 6)) < 1e-4);
}

TEST_CASE("streams: what does not fit is refused with the numbers before anything is allocated")
{
    const Model model = remembering_model().parse(test_device());
    SessionOptions options;
    options.streams = 2'000'000'000;
    refused(Status::out_of_memory, "streams fit", [&] { const Session session(model, options); });
}
