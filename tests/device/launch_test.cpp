// The launch list: where barriers must stand, what is dropped, and what is counted.
#include "device/launch.hpp"

#include "base/random.hpp"

#include "checks.hpp"
#include <algorithm>
#include <array>

using namespace gramian;

namespace {

const Shader kShader{"none", {}};

Launch launch_of(std::vector<Slice> reads, std::vector<Slice> writes)
{
    Launch launch;
    launch.kernel = {&kShader, {}};
    launch.reads = std::move(reads);
    launch.writes = std::move(writes);
    launch.host = [](const HostLaunch&) {};
    return launch;
}

uint32_t below(Random& random, uint32_t bound)
{
    return static_cast<uint32_t>(random.bits() % bound);
}

constexpr uint32_t kArenaBytes = 256;

std::vector<Slice> random_slices(Random& random, uint32_t least, uint32_t most)
{
    std::vector<Slice> slices;
    for (uint32_t count = least + below(random, most - least + 1); count > 0; --count) {
        const uint32_t offset = 4 * below(random, kArenaBytes / 4);
        const uint32_t longest = (kArenaBytes - offset) / 4;
        slices.push_back({static_cast<Arena>(below(random, kArenaCount)), offset,
                          uint64_t{4} * (1 + below(random, std::min(longest, 16U)))});
    }
    return slices;
}

/// What happened to each byte since the last barrier. Knows no intervals, so it shares no mistake with the engine.
class ByteRecord {
public:
    [[nodiscard]] bool conflicts(const Launch& launch) const
    {
        bool found = false;
        each(launch.reads, [&](size_t byte) { found = found || is_written_[byte]; });
        each(launch.writes, [&](size_t byte) { found = found || is_written_[byte] || is_read_[byte]; });
        return found;
    }
    void add(const Launch& launch)
    {
        each(launch.reads, [&](size_t byte) { is_read_[byte] = true; });
        each(launch.writes, [&](size_t byte) { is_written_[byte] = true; });
    }

private:
    template <class Action>
    static void each(const std::vector<Slice>& slices, Action action)
    {
        for (const Slice& slice : slices) {
            for (uint64_t byte = slice.offset; byte < slice.offset + slice.bytes; ++byte)
                action(static_cast<size_t>(slice.arena) * kArenaBytes + byte);
        }
    }
    std::array<bool, kArenaCount * kArenaBytes> is_read_{};
    std::array<bool, kArenaCount * kArenaBytes> is_written_{};
};

std::vector<bool> barriers_of(const std::vector<Launch>& launches)
{
    LaunchList list;
    for (const Launch& launch : launches) list.append(launch);
    return list.barriers();
}

} // namespace

TEST_CASE("launch list: in 1,000 random lists a barrier stands exactly where bytes would conflict without it")
{
    size_t barriers_seen = 0;
    size_t launches_seen = 0;
    for (uint64_t seed = 0; seed < 1'000; ++seed) {
        CAPTURE(seed);
        Random random(seed);
        LaunchList list;
        for (uint32_t count = 1 + below(random, 24); count > 0; --count) {
            list.append(launch_of(random_slices(random, 0, 3), random_slices(random, 1, 2)));
        }
        const std::vector<bool> barriers = list.barriers();
        REQUIRE(barriers.size() == list.launches().size());
        ByteRecord since_barrier;
        for (size_t i = 0; i < barriers.size(); ++i) {
            CAPTURE(i);
            REQUIRE(barriers[i] == since_barrier.conflicts(list.launches()[i]));
            if (barriers[i]) since_barrier = {};
            since_barrier.add(list.launches()[i]);
            barriers_seen += barriers[i] ? 1 : 0;
            ++launches_seen;
        }
    }
    CHECK(barriers_seen > 1'000);
    CHECK(launches_seen - barriers_seen > 1'000);
}

TEST_CASE("launch list: simple lists have the barriers that a reader expects")
{
    const Slice a{Arena::activations, 0, 64};
    const Slice b{Arena::activations, 64, 64};
    const Slice both{Arena::activations, 32, 64};
    const Slice same_bytes_elsewhere{Arena::state, 0, 64};
    using Flags = std::vector<bool>;
    CHECK(barriers_of({}) == Flags{});
    CHECK(barriers_of({launch_of({a}, {a})}) == Flags{false}); // in place: a launch never waits for itself
    CHECK(barriers_of({launch_of({}, {a}), launch_of({a}, {b})}) == Flags{false, true});
    CHECK(barriers_of({launch_of({a}, {b}), launch_of({}, {a})}) == Flags{false, true}); // write after read
    CHECK(barriers_of({launch_of({}, {a}), launch_of({}, {a})}) == Flags{false, true});  // write after write
    CHECK(barriers_of({launch_of({a}, {}), launch_of({a}, {b})}) == Flags{false, false});
    CHECK(barriers_of({launch_of({}, {a}), launch_of({}, {b})}) == Flags{false, false}); // neighbours do not overlap
    CHECK(barriers_of({launch_of({}, {a}), launch_of({}, {same_bytes_elsewhere})}) == Flags{false, false});
    CHECK(barriers_of({launch_of({}, {a}), launch_of({}, {b}), launch_of({both}, {})}) == Flags{false, false, true});
    // The second reader of a needs no second barrier.
    CHECK(barriers_of({launch_of({}, {a}), launch_of({a}, {}), launch_of({a}, {})}) == Flags{false, true, false});
}

TEST_CASE("launch list: empty launches are dropped")
{
    LaunchList list;
    for (const std::array<uint32_t, 3> groups : {std::array{0U, 1U, 1U}, {1U, 0U, 1U}, {1U, 1U, 0U}, {0U, 0U, 0U}}) {
        Launch launch = launch_of({}, {{Arena::io, 0, 4}});
        launch.groups = groups;
        list.append(launch);
    }
    CHECK(list.launches().empty());
    CHECK(list.barriers().empty());
    CHECK(list.bytes_moved() == 0);
    list.append(launch_of({}, {{Arena::io, 0, 4}}));
    CHECK(list.launches().size() == 1);
}

TEST_CASE("launch list: bytes moved are the bytes of all slices, read and written")
{
    LaunchList list;
    list.append(launch_of({{Arena::weights, 0, 100}, {Arena::activations, 0, 20}}, {{Arena::activations, 32, 4}}));
    list.append(launch_of({{Arena::weights, 0, 100}}, {}));
    CHECK(list.bytes_moved() == 224);
    const uint64_t large = uint64_t{1} << 40;
    list.append(launch_of({{Arena::weights, 0, large}}, {{Arena::state, 0, large}}));
    CHECK(list.bytes_moved() == 224 + 2 * large);
    list.append(launch_of({{Arena::io, 0, 8}, {Arena::io, 8, 8}, {Arena::io, 0, 8}}, {{Arena::io, 0, 8}}));
    CHECK(list.bytes_moved() == 224 + 2 * large + 24); // what is read for two ends counts once
}

TEST_CASE("launch list: every launch keeps the label that was set before it")
{
    LaunchList list;
    list.append(launch_of({}, {{Arena::io, 0, 4}}));
    list.set_label("first");
    list.append(launch_of({}, {{Arena::io, 0, 4}}));
    list.append(launch_of({}, {{Arena::io, 0, 4}}));
    list.set_label("second");
    list.append(launch_of({}, {{Arena::io, 0, 4}}));
    std::vector<std::string> labels;
    for (const Launch& launch : list.launches()) labels.push_back(list.label(launch));
    CHECK(labels == std::vector<std::string>{"", "first", "first", "second"});
}
