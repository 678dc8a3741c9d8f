#include "distill_record.hpp"

#include <cartpole.hpp>
#include <pendulum.hpp>

#include <cmath>
#include <fmt/format.h>
#include <numeric>

namespace gramian::app {
namespace {

constexpr uint32_t kStarts = 4;

/// 10, 30, 100, 300 … and all of them.
std::vector<uint64_t> pair_counts(uint64_t all)
{
    std::vector<uint64_t> counts;
    for (uint64_t ten = 10; ten < all; ten *= 10) {
        counts.push_back(ten);
        if (3 * ten < all) counts.push_back(3 * ten);
    }
    counts.push_back(all);
    return counts;
}

double mean(const std::vector<double>& values)
{
    return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

} // namespace

void check_drawable(const std::string& name)
{
    std::unique_ptr<tasks::Task> task;
    try {
        task = tasks::make_task(name, tasks::Purpose::evaluation, 0, 0);
    } catch (const std::invalid_argument& error) {
        throw UsageError(error.what());
    }
    if (dynamic_cast<tasks::CartPole*>(task.get()) || dynamic_cast<tasks::Pendulum*>(task.get())) return;
    throw UsageError(fmt::format("--record: no picture can be made of task {}", name));
}

Recording record_learning(const DeviceHandle& device, const Features& features, Learner& learner, const Pairs& pairs,
                          const std::string& head, float gain, const EpisodeOptions& given)
{
    EpisodeOptions options = given;
    options.recorded = kStarts;
    const Yardsticks yardsticks = measure_yardsticks(options);
    Recording recording;
    recording.title =
        fmt::format("{}: a student of {} features learns from its teacher", options.task, learner.feature_count());
    recording.subtitle = fmt::format("Each position of the slider is one least-squares solve on {}, over so many pairs "
                                     "of what the teacher saw and did. Unseen starts, seed {}. Grey: the teacher.",
                                     device.info().name, options.seed);
    recording.variable.name = "pairs shown";
    recording.variable.figure = fmt::format("mean return of {} unseen episodes", options.episodes);
    recording.variable.reference = mean(yardsticks.teacher);
    recording.period_s = tasks::make_task(options.task, options.purpose, options.seed, 0)->period_s();
    for (uint32_t start = 0; start < kStarts; ++start) {
        recording.references.push_back(yardsticks.recorded[start].panes.front());
        recording.references.back().total_return = yardsticks.teacher[start];
    }
    for (const uint64_t count : pair_counts(pairs.count())) {
        learner.forget();
        learner.observe(thinned(pairs, count));
        const Student student = make_student(features, learner.solve(head), pairs.action_size, gain, options.task);
        const EpisodeResults results = run_episodes({device, student.tensors().serialize(), "student"}, options);
        recording.variable.values.push_back(static_cast<double>(count));
        recording.variable.scores.push_back(mean(results.returns));
        RecordedEpisode episode = yardsticks.recorded.front();
        episode.name = fmt::format("{} pairs", count);
        episode.caption = "";
        episode.panes.clear();
        for (uint32_t start = 0; start < kStarts; ++start) {
            RecordedPane pane = results.trajectories[start].pane;
            pane.label = fmt::format("Student, start {}", start + 1);
            pane.total_return = results.returns[start];
            pane.reference = static_cast<int>(start);
            // Costs do not divide: the share of the teacher's return is told of rewards only.
            const double teacher = yardsticks.teacher[start];
            pane.teacher_ratio = teacher > 0 ? results.returns[start] / teacher : NAN;
            episode.panes.push_back(std::move(pane));
        }
        recording.episodes.push_back(std::move(episode));
    }
    return recording;
}

} // namespace gramian::app
