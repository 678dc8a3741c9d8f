#include "episodes.hpp"

#include <cartpole.hpp>
#include <pendulum.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <fmt/format.h>
#include <numeric>

namespace gramian::app {
namespace {

using tasks::Purpose;
using tasks::Task;

std::unique_ptr<Task> make_episode(const EpisodeOptions& options, uint32_t index)
{
    try {
        return tasks::make_task(options.task, options.purpose, options.seed, index);
    } catch (const std::invalid_argument& error) {
        throw UsageError(error.what());
    }
}

void record_step(const Task& task, const float* action, double reward, RecordedPane& pane)
{
    if (const auto* pendulum = dynamic_cast<const tasks::Pendulum*>(&task)) {
        pane.x.push_back(0);
        pane.theta.push_back(static_cast<float>(pendulum->state().theta));
        pane.action.push_back(std::clamp(action[0], -1.0F, 1.0F));
        pane.reward.push_back(static_cast<float>(reward));
    }
    const auto* pole = dynamic_cast<const tasks::CartPole*>(&task);
    if (!pole) return;
    const tasks::CartPoleView view = pole->view();
    pane.x.push_back(static_cast<float>(view.x));
    pane.theta.push_back(static_cast<float>(view.theta));
    pane.action.push_back(static_cast<float>(std::clamp(static_cast<double>(action[0]), -1.0, 1.0) * view.polarity));
    pane.reward.push_back(static_cast<float>(reward));
}

/// The session, the tasks of one wave of episodes, and the buffers that a step needs.
class Wave {
public:
    Wave(const ModelHandle& model, SessionHandle& session, const EpisodeOptions& options)
        : session_(session), options_(options), description_(Json::parse(model.json()))
    {
    }

    void run(uint32_t first, uint32_t count, uint32_t streams, EpisodeResults& results)
    {
        tasks_.clear();
        for (uint32_t i = 0; i < count; ++i) tasks_.push_back(make_episode(options_, first + i));
        check_sizes();
        session_.reset();
        if (description_.value("has_context", false)) learn(results);
        act(first, streams, results);
    }

private:
    void check_sizes() const
    {
        const Task& task = *tasks_.front();
        const Json& input = description_.at("inputs").at(0);
        const Json& output = description_.at("outputs").at(0);
        if (input.at("size") == task.observation_size() && output.at("size") == task.action_size()) return;
        throw UsageError(
            fmt::format("the model takes {} numbers and gives {}, task {} has observations of {} and actions of {}",
                        input.at("size").dump(), output.at("size").dump(), options_.task, task.observation_size(),
                        task.action_size()));
    }

    /// Shows every stream one demonstration on its own system, all in one observation, and solves all in one go.
    void learn(EpisodeResults& results)
    {
        const Json card = description_.value("card", Json::object());
        const size_t pairs = card.value("demonstration_pairs", size_t{100});
        std::vector<uint32_t> streams;
        std::vector<uint32_t> counts;
        std::vector<float> observations;
        std::vector<float> targets;
        for (size_t i = 0; i < tasks_.size(); ++i) {
            const tasks::Demonstration shown = tasks::demonstrate(*tasks_[i], tasks::kDemonstrationEpisode, pairs);
            streams.push_back(static_cast<uint32_t>(i));
            counts.push_back(static_cast<uint32_t>(shown.pair_count));
            observations.insert(observations.end(), shown.observations.begin(), shown.observations.end());
            targets.insert(targets.end(), shown.targets.begin(), shown.targets.end());
        }
        const float* inputs[] = {observations.data(), targets.data()};
        session_.observe(streams, counts, inputs);
        for (const gramian_solve_report& report : session_.solve(streams)) {
            results.solve_retries += report.retries;
        }
    }

    void act(uint32_t first, uint32_t streams, EpisodeResults& results)
    {
        const size_t observation_size = tasks_.front()->observation_size();
        const size_t action_size = tasks_.front()->action_size();
        std::vector<float> observations(streams * observation_size);
        std::vector<float> actions(streams * action_size);
        for (const auto& task : tasks_) task->reset(tasks::kEvaluationEpisode);
        const auto is_done = [](const auto& task) { return task->is_done(); };
        while (!std::all_of(tasks_.begin(), tasks_.end(), is_done)) {
            for (size_t i = 0; i < tasks_.size(); ++i) tasks_[i]->observe(&observations[i * observation_size]);
            const auto start = std::chrono::steady_clock::now();
            session_.step(observations, actions);
            const std::chrono::duration<double, std::micro> spent = std::chrono::steady_clock::now() - start;
            results.step_us.push_back(spent.count());
            ++results.steps;
            for (size_t i = 0; i < tasks_.size(); ++i) {
                if (tasks_[i]->is_done()) continue;
                advance(first + i, *tasks_[i], &observations[i * observation_size], &actions[i * action_size], results);
            }
        }
    }

    void advance(size_t episode, Task& task, const float* observation, const float* action, EpisodeResults& results)
    {
        const double reward = task.step(action);
        results.returns[episode] += reward;
        if (episode >= results.trajectories.size()) return;
        Trajectory& kept = results.trajectories[episode];
        kept.observations.insert(kept.observations.end(), observation, observation + task.observation_size());
        kept.actions.insert(kept.actions.end(), action, action + task.action_size());
        kept.rewards.push_back(reward);
        record_step(task, action, reward, kept.pane);
    }

    SessionHandle& session_;
    const EpisodeOptions& options_;
    Json description_;
    std::vector<std::unique_ptr<Task>> tasks_;
};

RecordedEpisode describe_system(const Task& task)
{
    RecordedEpisode episode;
    if (const auto* pole = dynamic_cast<const tasks::CartPole*>(&task)) {
        const tasks::CartPoleSystem& system = pole->system();
        episode.half_length = system.half_length;
        episode.track_half_width = pole->view().track_half_width;
        episode.caption =
            fmt::format("pole {:.2f} m, {:.2f} kg · cart {:.2f} kg · motor polarity {}", 2 * system.half_length,
                        system.pole_mass, system.cart_mass, system.polarity > 0 ? "+" : "−");
    }
    if (dynamic_cast<const tasks::Pendulum*>(&task)) episode.half_length = 0.5;
    return episode;
}

} // namespace

bool is_drawable(const EpisodeOptions& options)
{
    return dynamic_cast<const tasks::CartPole*>(make_episode(options, 0).get()) != nullptr;
}

EpisodeResults run_episodes(const ModelHandle& model, const EpisodeOptions& options)
{
    gramian_session_options chosen = gramian_session_options_default();
    chosen.streams = options.streams > 0 ? std::min(options.streams, options.episodes) : options.episodes;
    chosen.profile = options.profile;
    SessionHandle session(model, chosen);
    EpisodeResults results;
    results.streams = chosen.streams;
    results.returns.assign(options.episodes, 0.0);
    results.trajectories.resize(std::min(options.recorded, options.episodes));
    Wave wave(model, session, options);
    for (uint32_t first = 0; first < options.episodes; first += chosen.streams) {
        const uint32_t count = std::min(chosen.streams, options.episodes - first);
        wave.run(first, count, chosen.streams, results);
        if (options.on_progress) options.on_progress(first + count);
    }
    results.submissions = session.info().submissions;
    results.profile = Json::parse(session.profile_json());
    return results;
}

Yardsticks measure_yardsticks(const EpisodeOptions& options)
{
    Yardsticks yardsticks;
    for (uint32_t index = 0; index < options.episodes; ++index) {
        const auto task = make_episode(options, index);
        yardsticks.random.push_back(tasks::random_return(*task, tasks::kEvaluationEpisode, options.seed + index));
        task->reset(tasks::kEvaluationEpisode);
        RecordedEpisode episode = describe_system(*task);
        RecordedPane pane;
        pane.label = "Teacher";
        pane.teacher_ratio = 1;
        std::vector<float> action(task->action_size());
        while (!task->is_done()) {
            task->teach(action.data());
            const double reward = task->step(action.data());
            pane.total_return += reward;
            if (index < options.recorded) record_step(*task, action.data(), reward, pane);
        }
        yardsticks.teacher.push_back(pane.total_return);
        if (index >= options.recorded) continue;
        episode.panes.push_back(std::move(pane));
        yardsticks.recorded.push_back(std::move(episode));
    }
    return yardsticks;
}

} // namespace gramian::app
