// A session whose streams live through random operations, beside what each of them would be alone: to the bit.
#pragma once

#include "refused.hpp"
#include "session/streams_model.hpp"
#include "session_run.hpp"

#include <map>

namespace gramian {

inline constexpr uint32_t kSize = 3;
inline constexpr uint32_t kAnswers = 9;
inline constexpr uint32_t kSnapshots = 3;

/// What a stream lived through: the tokens that it had and the answers that it gave.
struct Life {
    std::vector<float> x;
    std::vector<float> y;

    [[nodiscard]] uint32_t tokens() const { return static_cast<uint32_t>(x.size() / kSize); }
};

/// A session, and beside it what each of its streams lived through.
class Schedule {
public:
    Schedule(const Model& model, uint32_t streams, uint64_t seed)
        : random_(seed), session_(model, options(streams)), single_(model, SessionOptions{}), lives_(streams),
          rings_(streams)
    {
    }

    void run(uint32_t operations)
    {
        for (uint32_t i = 0; i < operations; ++i) operate();
        for (const auto& [stream, life] : lives_by_stream()) check_life(stream);
    }

private:
    static SessionOptions options(uint32_t streams)
    {
        SessionOptions options;
        options.streams = streams;
        options.window_streams = streams / 3 + 1; // three windows
        options.snapshots = kSnapshots;
        options.starts_empty = true;
        return options;
    }

    uint32_t below(uint32_t bound) { return static_cast<uint32_t>(random_.bits() % bound); }

    std::map<uint32_t, Life*> lives_by_stream()
    {
        std::map<uint32_t, Life*> found;
        for (uint32_t stream = 0; stream < lives_.size(); ++stream) {
            if (session_.has_joined(stream)) found[stream] = &lives_[stream];
        }
        return found;
    }

    /// Some of the joined streams, in any order; at least one if any has joined.
    std::vector<uint32_t> some()
    {
        std::vector<uint32_t> joined;
        for (const auto& [stream, life] : lives_by_stream()) joined.push_back(stream);
        for (size_t i = joined.size(); i > 1; --i) std::swap(joined[i - 1], joined[below(static_cast<uint32_t>(i))]);
        if (!joined.empty()) joined.resize(1 + below(static_cast<uint32_t>(joined.size())));
        return joined;
    }

    std::vector<float> draw(size_t count)
    {
        std::vector<float> values(count);
        for (float& value : values) value = static_cast<float>(random_.uniform(-1.5, 1.5));
        return values;
    }

    void operate()
    {
        const std::vector<uint32_t> streams = some();
        const uint32_t kind = below(100);
        if (streams.empty() || kind < 8) return join();
        if (kind < 50) return step_some(streams);
        if (kind < 58) return prefill(streams);
        if (kind < 63) return leave(streams.front());
        if (kind < 67) return reset(streams.front());
        if (kind < 75) return fork(streams);
        if (kind < 83) return snapshot(streams);
        if (kind < 90) return rewind(streams.front());
        if (kind < 95) return move(streams);
        step_beside(streams);
    }

    void join()
    {
        const uint32_t free = static_cast<uint32_t>(lives_.size()) - session_.joined_count();
        if (free == 0) return;
        for (uint32_t stream : session_.join(1 + below(free))) renew(stream);
    }

    void renew(uint32_t stream)
    {
        lives_[stream] = {};
        rings_[stream].clear();
    }

    void remember(const std::vector<uint32_t>& streams, const std::vector<uint32_t>& counts,
                  const std::vector<float>& x, const std::vector<float>& y)
    {
        auto in = x.begin();
        auto out = y.begin();
        for (size_t i = 0; i < streams.size(); ++i) {
            Life& life = lives_[streams[i]];
            life.x.insert(life.x.end(), in, in + counts[i] * kSize);
            life.y.insert(life.y.end(), out, out + counts[i] * kAnswers);
            in += counts[i] * kSize;
            out += counts[i] * kAnswers;
        }
    }

    void step_some(const std::vector<uint32_t>& streams)
    {
        const std::vector<float> x = draw(streams.size() * kSize);
        std::vector<float> y(streams.size() * kAnswers);
        const std::span<const float> in(x);
        const std::span<float> out(y);
        session_.submit_some(streams, {&in, 1});
        session_.wait({&out, 1});
        remember(streams, std::vector<uint32_t>(streams.size(), 1), x, y);
    }

    /// Half of the streams step while the other half is reset: neither notices.
    void step_beside(const std::vector<uint32_t>& streams)
    {
        const auto half = streams.begin() + static_cast<ptrdiff_t>(streams.size() + 1) / 2;
        const std::vector<uint32_t> stepping(streams.begin(), half);
        const std::vector<uint32_t> others(half, streams.end());
        const std::vector<float> x = draw(stepping.size() * kSize);
        std::vector<float> y(stepping.size() * kAnswers);
        const std::span<const float> in(x);
        const std::span<float> out(y);
        session_.submit_some(stepping, {&in, 1});
        session_.reset(others);
        refused(Status::invalid_argument, "is in a step that was submitted", [&] { session_.reset(stepping); });
        session_.wait({&out, 1});
        remember(stepping, std::vector<uint32_t>(stepping.size(), 1), x, y);
        for (uint32_t stream : others) renew(stream);
    }

    void prefill(const std::vector<uint32_t>& streams)
    {
        std::vector<uint32_t> counts;
        uint32_t total = 0;
        for (size_t i = 0; i < streams.size(); ++i) total += counts.emplace_back(below(9));
        const std::vector<float> x = draw(size_t{total} * kSize);
        std::vector<float> y(size_t{total} * kAnswers);
        const std::span<const float> in(x);
        const std::span<float> out(y);
        session_.prefill(streams, counts, {&in, 1}, {&out, 1});
        remember(streams, counts, x, y);
    }

    void leave(uint32_t stream)
    {
        check_life(stream);
        session_.leave({&stream, 1});
        refused(Status::invalid_argument, "has not joined", [&] { session_.reset({&stream, 1}); });
    }

    void reset(uint32_t stream)
    {
        check_life(stream);
        session_.reset({&stream, 1});
        renew(stream);
    }

    void fork(const std::vector<uint32_t>& streams)
    {
        const std::vector<uint32_t> targets(streams.begin() + 1, streams.end());
        session_.copy(streams.front(), targets);
        for (uint32_t target : targets) {
            renew(target);
            lives_[target] = lives_[streams.front()];
        }
    }

    void snapshot(const std::vector<uint32_t>& streams)
    {
        session_.snapshot(streams);
        for (uint32_t stream : streams) {
            if (rings_[stream].size() == kSnapshots) rings_[stream].erase(rings_[stream].begin());
            rings_[stream].push_back(lives_[stream]);
        }
    }

    void rewind(uint32_t stream)
    {
        std::vector<Life>& ring = rings_[stream];
        if (ring.empty()) return;
        const uint32_t back = 1 + below(static_cast<uint32_t>(ring.size()));
        session_.rewind({&stream, 1}, back);
        ring.resize(ring.size() - back + 1);
        lives_[stream] = ring.back();
    }

    /// Saves a stream and restores it into others.
    void move(const std::vector<uint32_t>& streams)
    {
        const std::vector<std::byte> saved = session_.save({&streams.front(), 1});
        const uint32_t target = streams.back();
        session_.restore({&target, 1}, saved, false);
        const Life life = lives_[streams.front()];
        renew(target);
        lives_[target] = life;
    }

    /// The same tokens in a session of one stream: the same answers and the same state, to the bit.
    void check_life(uint32_t stream)
    {
        CAPTURE(stream);
        const Life& life = lives_[stream];
        const uint32_t alone = 0;
        const uint32_t count = life.tokens();
        single_.reset({&alone, 1});
        std::vector<float> y(life.y.size());
        const std::span<const float> in(life.x);
        const std::span<float> out(y);
        single_.prefill({&alone, 1}, {&count, 1}, {&in, 1}, {&out, 1});
        REQUIRE(same_bits(y, life.y));
        REQUIRE(session_.position_of(stream).tokens == count);
        REQUIRE(single_.save({&alone, 1}) == session_.save({&stream, 1}));
    }

    Random random_;
    Session session_;
    Session single_;
    std::vector<Life> lives_;
    std::vector<std::vector<Life>> rings_; // of each stream's snapshots
};

} // namespace gramian
