// Running an agent on a task: every episode is a stream of one session, and a step is one submission for all of them.
#pragma once

#include "command.hpp"
#include "recording.hpp"

#include <task.hpp>

#include <functional>
#include <string>
#include <vector>

namespace gramian::app {

struct EpisodeOptions {
    std::string task;
    tasks::Purpose purpose = tasks::Purpose::evaluation;
    uint32_t episodes = 100;
    uint32_t streams = 0; // 0: as many as episodes
    uint64_t seed = 0;
    bool profile = false;
    uint32_t recorded = 0;                     // keep the trajectories of this many episodes
    std::function<void(uint32_t)> on_progress; // episodes finished so far
};

/// One episode as it is drawn: the same order as its rewards.
struct Trajectory {
    std::vector<float> observations; // [steps, observation size]
    std::vector<float> actions;      // [steps, action size]
    std::vector<double> rewards;
    RecordedPane pane; // filled for tasks that can be drawn
};

struct EpisodeResults {
    std::vector<double> returns;
    std::vector<double> step_us;
    uint64_t steps = 0;       // calls of step(), one for all streams
    uint64_t submissions = 0; // of the session, loading left out
    uint32_t streams = 0;
    uint32_t solve_retries = 0;
    std::vector<Trajectory> trajectories;
    Json profile = Json::array(); // time per node of the last step
};

/// Whether a picture of the task can be made: of the cart-poles.
bool is_drawable(const EpisodeOptions& options);

/// Runs the model on the purpose's systems 0 .. episodes-1 of the seed. A model with context inputs is first shown one
/// demonstration of the teacher on each of these very systems, of as many pairs as its card says.
EpisodeResults run_episodes(const ModelHandle& model, const EpisodeOptions& options);

/// What teacher and chance make of the same episodes.
struct Yardsticks {
    std::vector<double> teacher;
    std::vector<double> random;
    std::vector<RecordedEpisode> recorded; // with the teacher's pane
};
Yardsticks measure_yardsticks(const EpisodeOptions& options);

} // namespace gramian::app
