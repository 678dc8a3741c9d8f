// Prefill, cuts of sequences, and recurrent nodes before one that learns.
#include "refused.hpp"
#include "session/streams_model.hpp"
#include "session_run.hpp"

#include <limits>

using namespace gramian;

namespace {

/// Tokens of several streams, one stream after the other.
std::vector<float> prefill(Session& session, const std::vector<uint32_t>& streams, const std::vector<uint32_t>& counts,
                           const std::vector<float>& x)
{
    const size_t tokens = std::accumulate(counts.begin(), counts.end(), size_t{0});
    std::vector<float> y(tokens * session.model().outputs()[0].size);
    const std::span<const float> in(x);
    const std::span<float> out(y);
    session.prefill(streams, counts, {&in, 1}, {&out, 1});
    return y;
}

std::vector<float> part(const std::vector<float>& all, size_t size, size_t from, size_t count)
{
    const auto begin = all.begin() + static_cast<ptrdiff_t>(from * size);
    return {begin, begin + static_cast<ptrdiff_t>(count * size)};
}

} // namespace

TEST_CASE("session: prefill gives the answers and the state of as many steps, to the bit")
{
    const Model model = remembering_model().parse(test_device());
    const uint32_t tokens = 300; // more than one block
    const std::vector<float> x = random_values(7, size_t{tokens} * 3);
    Session stepped = make_session(model, 1);
    std::vector<float> expected;
    for (uint32_t t = 0; t < tokens; ++t) {
        const std::vector<float> y = step(stepped, part(x, 3, t, 1));
        expected.insert(expected.end(), y.begin(), y.end());
    }
    const std::vector<std::byte> state = stepped.save(all_streams(stepped));
    for (const std::vector<uint32_t>& cuts :
         std::vector<std::vector<uint32_t>>{{300}, {1, 299}, {128, 128, 44}, {7, 1, 250, 42}}) {
        Session session = make_session(model, 1);
        std::vector<float> found;
        uint32_t from = 0;
        for (uint32_t count : cuts) {
            const std::vector<float> y = prefill(session, {0}, {count}, part(x, 3, from, count));
            found.insert(found.end(), y.begin(), y.end());
            from += count;
        }
        CHECK(same_bits(found, expected));
        CHECK(session.save(all_streams(session)) == state);
    }
}

TEST_CASE("session: streams of different lengths are prefilled side by side, each as if alone")
{
    const Model model = remembering_model().parse(test_device());
    SessionOptions options;
    options.streams = 7;
    options.window_streams = 3;
    Session session(model, options);
    const std::vector<uint32_t> streams{5, 0, 3, 6, 1};
    const std::vector<uint32_t> counts{3, 130, 0, 1, 257};
    const std::vector<float> x = random_values(8, size_t{391} * 3);
    const std::vector<float> y = prefill(session, streams, counts, x);
    size_t from = 0;
    for (size_t i = 0; i < streams.size(); ++i) {
        CAPTURE(streams[i]);
        Session single = make_session(model, 1);
        CHECK(session.position_of(streams[i]).tokens == counts[i]);
        if (counts[i] > 0) {
            CHECK(
                same_bits(prefill(single, {0}, {counts[i]}, part(x, 3, from, counts[i])), part(y, 9, from, counts[i])));
        }
        CHECK(single.save(std::vector<uint32_t>{0}) == session.save({&streams[i], 1}));
        from += counts[i];
    }
}

TEST_CASE("session: a recurrent node before one that learns starts anew with each demonstration")
{
    ModelFile file = encoded_model("intention", {{"alpha", 0.3}});
    file.json["nodes"][1] = Json::parse(
        R"({"op":"short_conv","in":["h"],"out":["key"],"weights":{"weight":"conv"},"attributes":{"kind":"tanh"}})");
    file.store("conv", {8, 3}, random_values(9, 24));
    const Model model = file.parse(test_device());
    const Demonstration first(40, 4, 2, 10);
    const Demonstration second(30, 4, 2, 11);
    const std::vector<float> query = random_values(12, 4);
    const auto learned = [&](bool is_cut, bool separates, uint32_t acts) {
        Session session = make_session(model, 1);
        for (uint32_t i = 0; i < acts; ++i) (void)step(session, random_values(13 + i, 4));
        show(session, 0, first, is_cut ? std::vector<uint32_t>{1, 22, 17} : std::vector<uint32_t>{40});
        if (separates) session.begin_demonstration(std::vector<uint32_t>{0});
        show(session, 0, second);
        (void)session.solve(std::vector<uint32_t>{0});
        const std::vector<NamedArray> statistics = session.statistics(0);
        return statistics.front().values; // g: what the keys summed up to
    };
    const std::vector<float> separate = learned(false, true, 0);
    CHECK(same_bits(learned(true, true, 0), separate));         // cuts change nothing
    CHECK(same_bits(learned(true, true, 5), separate));         // nor does acting: it has a state of its own
    CHECK_FALSE(same_bits(learned(false, false, 0), separate)); // one demonstration of 70 pairs is another matter
}

TEST_CASE("refusals: row numbers that are not whole or out of range, before anything runs")
{
    ModelFile file;
    file.json = Json::parse(R"({"version":1,"name":"table","inputs":[{"name":"i","size":1}],
        "outputs":[{"name":"y","size":2}],
        "nodes":[{"op":"embedding","in":["i"],"out":["y"],"weights":{"weight":"t"}}]})");
    file.store("t", {5, 2}, random_values(14, 10));
    const Model model = file.parse(test_device());
    Session session = make_session(model, 2);
    CHECK(step(session, {4, 0}).size() == 4);
    for (const float bad : {-1.0F, 5.0F, 1.5F, std::numeric_limits<float>::quiet_NaN()}) {
        refused(Status::invalid_argument, "input 'i': stream 1, channel 0 is", [&] { (void)step(session, {0, bad}); });
        refused(Status::invalid_argument, "stream 0, token 1, channel 0 is", [&] {
            (void)prefill(session, {0, 1}, {2, 1}, {0, bad, 0});
        });
    }
    CHECK(session.position_of(0).tokens == 1);
    file.json["nodes"] = Json::parse(R"([{"op":"activation","in":["i"],"out":["r"],"attributes":{"kind":"relu"}},
        {"op":"embedding","in":["r"],"out":["y"],"weights":{"weight":"t"}}])");
    refused(Status::invalid_model, "expected an input of the model, or an index",
            [&] { (void)file.parse(test_device()); });
}
