// Short calls for sessions of models with one input, one context input and one output.
#pragma once

#include "model_file.hpp"
#include "session/session.hpp"
#include "test_device.hpp"

#include <numeric>

namespace gramian {

inline Session make_session(const Model& model, uint32_t streams)
{
    SessionOptions options;
    options.streams = streams;
    return {model, options};
}

/// One token for every stream.
inline std::vector<float> step(Session& session, const std::vector<float>& input)
{
    std::vector<float> output(size_t{session.stream_count()} * session.model().outputs()[0].size);
    const std::span<const float> in(input);
    const std::span<float> out(output);
    session.submit({&in, 1});
    session.wait({&out, 1});
    return output;
}

inline void observe(Session& session, const std::vector<uint32_t>& streams, const std::vector<uint32_t>& counts,
                    const std::vector<float>& observations, const std::vector<float>& targets)
{
    const std::span<const float> inputs[] = {observations, targets};
    session.observe(streams, counts, inputs);
}

inline std::vector<uint32_t> all_streams(const Session& session)
{
    std::vector<uint32_t> streams(session.stream_count());
    std::iota(streams.begin(), streams.end(), 0U);
    return streams;
}

/// What a teacher showed: `tokens` pairs of observation and target.
struct Demonstration {
    uint32_t tokens, size, targets;
    std::vector<float> x, y;

    Demonstration(uint32_t count, uint32_t observation_size, uint32_t target_size, uint64_t seed)
        : tokens(count), size(observation_size), targets(target_size),
          x(random_values(seed, size_t{count} * observation_size)),
          y(random_values(seed + 1'000'000, size_t{count} * target_size))
    {
    }
    [[nodiscard]] std::vector<float> x_part(uint32_t from, uint32_t count) const { return part(x, size, from, count); }
    [[nodiscard]] std::vector<float> y_part(uint32_t from, uint32_t count) const
    {
        return part(y, targets, from, count);
    }

private:
    static std::vector<float> part(const std::vector<float>& all, uint32_t width, uint32_t from, uint32_t count)
    {
        return {all.begin() + from * width, all.begin() + (from + count) * width};
    }
};

/// Shows the demonstration to one stream in pieces of these lengths.
inline void show(Session& session, uint32_t stream, const Demonstration& demonstration,
                 const std::vector<uint32_t>& pieces)
{
    uint32_t from = 0;
    for (uint32_t count : pieces) {
        observe(session, {stream}, {count}, demonstration.x_part(from, count), demonstration.y_part(from, count));
        from += count;
    }
    CHECK(from == demonstration.tokens);
}

inline void show(Session& session, uint32_t stream, const Demonstration& demonstration)
{
    show(session, stream, demonstration, {demonstration.tokens});
}

} // namespace gramian
