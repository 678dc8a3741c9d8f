// Ten thousand agents of one policy in one process. Every second a tenth of them leaves or joins, while the others go
// on: a session of the engine steps them all in one submission, and a stream that is not there costs nothing.
//
//     many-agents [MODEL.safetensors [AGENTS [SECONDS [DEVICE]]]]
#include <gramian/gramian.hpp>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>

namespace {

using Clock = std::chrono::steady_clock;

/// Agents in a world that shakes them: an observation is a wave of each agent's own phase.
class Crowd {
public:
    Crowd(const gramian::ModelHandle& model, uint32_t agents, uint32_t inputs, uint32_t outputs)
        : inputs_(inputs), outputs_(outputs), session_(model, options(agents)), agents_(agents)
    {
        (void)session_.join(agents - agents / 20);
        members_.resize(agents);
        for (uint32_t agent = 0; agent < agents; ++agent) members_[agent] = agent < agents - agents / 20;
    }

    void step(double time)
    {
        streams_.clear();
        for (uint32_t agent = 0; agent < agents_; ++agent) {
            if (members_[agent]) streams_.push_back(agent);
        }
        observations_.resize(streams_.size() * inputs_);
        actions_.resize(streams_.size() * outputs_);
        for (size_t i = 0; i < observations_.size(); ++i) {
            observations_[i] = static_cast<float>(0.1 * std::sin(time + static_cast<double>(i)));
        }
        const float* in = observations_.data();
        float* out = actions_.data();
        session_.step_some(streams_, {&in, 1}, {&out, 1});
        steps_ += streams_.size();
    }

    /// A twentieth of all leaves; as many of those that were away join, as new.
    void change()
    {
        const uint32_t count = agents_ / 20;
        std::vector<uint32_t> leaving;
        while (leaving.size() < count) {
            const auto agent = static_cast<uint32_t>(random_() % agents_);
            if (!members_[agent]) continue;
            members_[agent] = false;
            leaving.push_back(agent);
        }
        const std::vector<uint32_t> joining = session_.join(agents_ - session_.info().joined);
        session_.leave(leaving);
        for (uint32_t agent : joining) members_[agent] = true;
        changes_ += leaving.size() + joining.size();
    }

    [[nodiscard]] uint64_t steps() const { return steps_; }
    [[nodiscard]] uint64_t changes() const { return changes_; }
    [[nodiscard]] size_t present() const { return streams_.size(); }
    [[nodiscard]] gramian_session_info info() const { return session_.info(); }

private:
    static gramian_session_options options(uint32_t agents)
    {
        gramian_session_options options = gramian_session_options_default();
        options.streams = agents;
        options.starts_empty = 1;
        return options;
    }

    uint32_t inputs_;
    uint32_t outputs_;
    gramian::SessionHandle session_;
    uint32_t agents_;
    std::vector<bool> members_;
    std::vector<uint32_t> streams_;
    std::vector<float> observations_;
    std::vector<float> actions_;
    std::minstd_rand random_;
    uint64_t steps_ = 0;
    uint64_t changes_ = 0;
};

/// The size of the first entry of "inputs" or "outputs" in the model's description.
uint32_t size_in(const std::string& json, const std::string& list)
{
    const size_t at = json.find("\"size\":", json.find('"' + list + "\":"));
    return static_cast<uint32_t>(std::strtoul(json.c_str() + at + 7, nullptr, 10));
}

int run(const std::string& path, uint32_t agents, double seconds, const char* device_name)
{
    gramian_device_options options = gramian_device_options_default();
    options.selector = device_name;
    const gramian::DeviceHandle device(options);
    const gramian::ModelHandle model(device, path);
    Crowd crowd(model, agents, size_in(model.json(), "inputs"), size_in(model.json(), "outputs"));
    const gramian_session_info info = crowd.info();
    std::printf("%u agents of %s on %s: %.1f MB, %u windows\n", agents, path.c_str(), device.info().name,
                static_cast<double>(info.bytes) / 1e6, info.windows);
    const Clock::time_point start = Clock::now();
    uint64_t steps_before = 0;
    for (int second = 1; second <= static_cast<int>(seconds); ++second) {
        const Clock::time_point end = start + std::chrono::seconds(second);
        crowd.change();
        const Clock::time_point begin = Clock::now();
        do crowd.step(std::chrono::duration<double>(Clock::now() - start).count());
        while (Clock::now() < end);
        const std::chrono::duration<double> spent = Clock::now() - begin;
        std::printf("%3d s  %zu agents present, %llu joined or left so far, %.0f agent steps a second\n", second,
                    crowd.present(), static_cast<unsigned long long>(crowd.changes()),
                    static_cast<double>(crowd.steps() - steps_before) / spent.count());
        std::fflush(stdout);
        steps_before = crowd.steps();
    }
    return 0;
}

} // namespace

int main(int argc, char** argv)
{
    const std::string path = argc > 1 ? argv[1] : GRAMIAN_EXAMPLE_MODEL;
    const auto agents = static_cast<uint32_t>(argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 10'000);
    const double seconds = argc > 3 ? std::strtod(argv[3], nullptr) : 10;
    if (agents < 20 || !(seconds >= 1)) {
        std::fprintf(stderr,
                     "many-agents [MODEL.safetensors [AGENTS [SECONDS [DEVICE]]]]: from 20 agents and 1 second\n");
        return 2;
    }
    try {
        return run(path, agents, seconds, argc > 4 ? argv[4] : "auto");
    } catch (const std::exception& error) {
        std::fprintf(stderr, "many-agents: %s\n", error.what());
        return 1;
    }
}
