// The shipped agents act on this device as they did where their rollouts were recorded.
#include "agents/shipped_agents.hpp"
#include "arrays.hpp"
#include "session/session.hpp"
#include "test_device.hpp"

#include <algorithm>
#include <set>

using namespace gramian;

namespace {

constexpr uint32_t kFirst = 20;          // actions
constexpr double kFirstTolerance = 1e-3; // of the largest action: fp32 on two devices, before differences grow
constexpr double kWholeTolerance = 5e-3; // as a session that verifies its rollout allows: session/golden.cpp
constexpr std::string_view kCovered[] = {
    // by the cases below
    "cartpole-fewshot",
    "cartpole-fewshot-linear",
    "cartpole-fewshot-softmax",
    "cartpole-memory",
    "cartpole-memoryless",
    "cartpole-stack",
    "tmaze",
};

Model load(std::string_view name)
{
    for (const ShippedAgent& agent : shipped_agents()) {
        if (agent.name != name) continue;
        return Model::parse(test_device(), {agent.bytes.begin(), agent.bytes.end()}, std::string(name));
    }
    FAIL("no shipped agent " << name);
    throw std::logic_error("not reached");
}

/// The recorded inputs once more in stream `stream`; the first output, token by token.
std::vector<float> replay(Session& session, uint32_t stream)
{
    const Golden& golden = session.model().golden();
    const auto& ports = session.model().inputs();
    std::vector<std::span<const float>> all(golden.inputs.begin(), golden.inputs.end());
    if (session.model().has_context()) {
        session.observe({&stream, 1}, {&golden.tokens, 1}, all);
        (void)session.solve({&stream, 1});
    }
    const uint32_t size = session.model().outputs()[0].size;
    std::vector<float> found(size_t{golden.tokens} * size);
    for (uint32_t token = 0; token < golden.tokens; ++token) {
        std::vector<std::span<const float>> inputs;
        for (size_t i = 0; i < all.size(); ++i) {
            if (!ports[i].is_context) inputs.push_back(all[i].subspan(size_t{token} * ports[i].size, ports[i].size));
        }
        session.submit_some({&stream, 1}, inputs);
        const std::span<float> output(&found[size_t{token} * size], size);
        session.wait({&output, 1});
    }
    return found;
}

void follows_its_rollout(std::string_view name)
{
    const Model model = load(name);
    REQUIRE(model.outputs().size() == 1);
    const std::vector<float>& golden = model.golden().outputs[0];
    const auto first = static_cast<ptrdiff_t>(size_t{kFirst} * model.outputs()[0].size);
    REQUIRE(golden.size() > static_cast<size_t>(first));
    SessionOptions options;
    options.streams = 3;
    options.verify_golden = false;
    Session session(model, options);
    const std::vector<float> found = replay(session, 0);
    CHECK(relative_error({found.begin(), found.begin() + first},
                         std::vector<float>(golden.begin(), golden.begin() + first)) < kFirstTolerance);
    CHECK(relative_error(found, golden) < kWholeTolerance);
    CHECK(same_bits(replay(session, 2), found)); // in another stream, beside the first
    options.shares_launches = false;
    Session apart(model, options);
    CHECK(same_bits(replay(apart, 0), found));
}

} // namespace

TEST_CASE("golden rollout: every shipped agent is covered")
{
    std::set<std::string_view> shipped;
    for (const ShippedAgent& agent : shipped_agents()) shipped.insert(agent.name);
    CHECK((shipped == std::set<std::string_view>(std::begin(kCovered), std::end(kCovered))));
}

TEST_CASE("golden rollout: cartpole-fewshot")
{
    follows_its_rollout("cartpole-fewshot");
}

TEST_CASE("golden rollout: cartpole-fewshot-linear")
{
    follows_its_rollout("cartpole-fewshot-linear");
}

TEST_CASE("golden rollout: cartpole-fewshot-softmax")
{
    follows_its_rollout("cartpole-fewshot-softmax");
}

TEST_CASE("golden rollout: cartpole-memory")
{
    follows_its_rollout("cartpole-memory");
}

TEST_CASE("golden rollout: cartpole-memoryless")
{
    follows_its_rollout("cartpole-memoryless");
}

TEST_CASE("golden rollout: cartpole-stack")
{
    follows_its_rollout("cartpole-stack");
}

TEST_CASE("golden rollout: tmaze")
{
    follows_its_rollout("tmaze");
}
