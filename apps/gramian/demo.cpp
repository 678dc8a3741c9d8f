// `gramian demo`: the teacher of a task at work, as a file of observations and targets to learn from.
#include "command.hpp"

#include <task.hpp>

#include <fmt/format.h>

namespace gramian::app {
namespace {

constexpr uint64_t kDefaultPairs = 100; // an episode's, where --pairs is not given

struct DemoOptions {
    CommonOptions common;
    std::string task;
    std::string out;
    uint64_t pairs = 0;    // 0: kDefaultPairs an episode
    uint32_t episodes = 0; // 0: as few as hold the pairs
    uint64_t seed = 0;
};

struct Demos {
    std::vector<float> observations; // [pairs, observation_size]
    std::vector<float> targets;      // [pairs, action_size]
    std::vector<float> episodes;     // [pairs]
    uint64_t observation_size = 0;
    uint64_t action_size = 0;
    double teacher_return = 0; // mean of the episodes
};

std::unique_ptr<tasks::Task> training_task(const DemoOptions& options, uint32_t index)
{
    try {
        return tasks::make_task(options.task, tasks::Purpose::training, options.seed, index);
    } catch (const std::invalid_argument& error) {
        throw UsageError(error.what());
    }
}

/// Fills in what was not given; throws UsageError where the pairs do not fit the episodes.
DemoOptions completed(DemoOptions options)
{
    const uint64_t steps = training_task(options, 0)->step_count();
    if (options.pairs == 0) options.pairs = std::max(options.episodes, 1U) * std::min(kDefaultPairs, steps);
    if (options.episodes == 0) options.episodes = static_cast<uint32_t>((options.pairs + steps - 1) / steps);
    if (options.pairs < options.episodes || options.pairs > options.episodes * steps) {
        throw UsageError(
            fmt::format("{} pairs from {} episodes: an episode gives 1 to {}", options.pairs, options.episodes, steps));
    }
    return options;
}

/// The pairs of all episodes, spread as evenly as they can be.
Demos demonstrate(const DemoOptions& options)
{
    Demos demos;
    for (uint32_t index = 0; index < options.episodes; ++index) {
        const auto task = training_task(options, index);
        const uint64_t wanted =
            options.pairs * (index + 1) / options.episodes - options.pairs * index / options.episodes;
        const tasks::Demonstration shown = tasks::demonstrate(*task, tasks::kDemonstrationEpisode, wanted);
        demos.observation_size = task->observation_size();
        demos.action_size = task->action_size();
        demos.observations.insert(demos.observations.end(), shown.observations.begin(), shown.observations.end());
        demos.targets.insert(demos.targets.end(), shown.targets.begin(), shown.targets.end());
        demos.episodes.insert(demos.episodes.end(), shown.pair_count, static_cast<float>(index));
        demos.teacher_return += shown.teacher_return / options.episodes;
    }
    return demos;
}

void save(const Demos& demos, const DemoOptions& options)
{
    const uint64_t pairs = demos.episodes.size();
    TensorsHandle tensors;
    tensors.add("observation", std::vector{pairs, demos.observation_size}, demos.observations.data());
    tensors.add("target", std::vector{pairs, demos.action_size}, demos.targets.data());
    tensors.add("episode", std::vector{pairs}, demos.episodes.data());
    const std::string seed = std::to_string(options.seed);
    api::check(gramian_tensors_set_text(tensors.get(), "gramian.io", "1"));
    api::check(gramian_tensors_set_text(tensors.get(), "task", options.task.c_str()));
    api::check(gramian_tensors_set_text(tensors.get(), "seed", seed.c_str()));
    const gramian_status status = gramian_tensors_save(tensors.get(), options.out.c_str());
    if (status != GRAMIAN_OK) throw std::runtime_error(gramian_last_error()); // an output: exit code 1, not 4
}

Exit demo(const DemoOptions& given)
{
    const DemoOptions options = completed(given);
    check_output(options.out);
    const Demos demos = demonstrate(options);
    save(demos, options);
    if (options.common.json) {
        const Json json{
            {"task", options.task}, {"pairs", demos.episodes.size()},         {"episodes", options.episodes},
            {"out", options.out},   {"teacher_return", demos.teacher_return}, {"seed", options.seed}};
        fmt::print("{}\n", json.dump(-1, ' ', false, Json::error_handler_t::replace));
    } else {
        fmt::print("{}: {} pairs of {} and {} numbers from {} episodes of the teacher (mean return {:.1f}), seed {}\n",
                   options.out, demos.episodes.size(), demos.observation_size, demos.action_size, options.episodes,
                   demos.teacher_return, options.seed);
    }
    return Exit::done;
}

} // namespace

Command make_demo(CLI::App& parent)
{
    CLI::App* app = parent.add_subcommand("demo", "Write what a task's teacher sees and does to a file");
    app->footer(
        R"(The file holds observation [N, d], target [N, a] and episode [N]. Each episode is on a system of its own. Systems and
starts are drawn for training: no seed ever gives one of those that gramian run evaluates on.

Example:
  gramian demo cartpole-random --pairs 20000 --seed 1 --out demos.safetensors)");
    auto options = std::make_shared<DemoOptions>();
    app->add_option("task", options->task, "The task whose teacher acts")->required();
    app->add_option("--out", options->out, "FILE.safetensors")->required();
    app->add_option("--pairs", options->pairs, "In all; default: 100 an episode")
        ->check(CLI::Range(uint64_t{1}, uint64_t{10'000'000}));
    app->add_option("--episodes", options->episodes, "Default: as few as hold the pairs")
        ->check(CLI::Range(1U, 1'000'000U));
    app->add_option("--seed", options->seed, "Which systems")->capture_default_str();
    add_common_options(*app, options->common);
    return {app, [options] { return demo(*options); }};
}

} // namespace gramian::app
