// What a simulated control task is: a system with a state, a teacher that knows the system, and a
// reward. The command line runs agents on tasks, the training recipe learns from their teachers.
// Independent of the engine; every number comes from the seeds given here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "random.hpp"

namespace gramian::tasks {

/// One system and its present state. Not thread-safe; distinct tasks are independent.
class Task {
public:
    virtual ~Task() = default;

    virtual std::size_t observation_size() const = 0;
    virtual std::size_t action_size() const = 0;
    /// Steps of a whole episode.
    virtual std::size_t step_count() const = 0;
    /// Seconds of simulated time that one step takes.
    virtual double period_s() const = 0;

    /// Starts the episode that belongs to this key: the same system, a slightly different initial state.
    virtual void reset(std::uint64_t episode) = 0;
    /// Writes the present observation: observation_size() floats of order one.
    virtual void observe(float* observation) const = 0;
    /// Writes what the teacher would do in the present state: action_size() floats in [-1, 1].
    virtual void teach(float* action) const = 0;
    /// Holds the action (clipped to [-1, 1]) for one period and returns the reward. Once the episode is done,
    /// nothing moves and the reward is 0. An action that is not finite ends the episode, and never gains by it.
    virtual double step(const float* action) = 0;
    /// True after step_count() steps, or when the system has left where it may be.
    virtual bool is_done() const = 0;
};

/// The names that make_task accepts; in `tmaze:L`, a number takes the place of L.
std::vector<std::string> task_names();

/// The system number `index` of a seed, reset to episode 0. Systems drawn for different purposes never
/// coincide, whatever the seeds. Throws std::invalid_argument, listing the known names, for another name.
std::unique_ptr<Task> make_task(std::string_view name, Purpose purpose, std::uint64_t seed, std::uint32_t index);

/// The episode whose start a demonstration is taken from, and the one an agent is judged on.
constexpr std::uint64_t kDemonstrationEpisode = 0;
constexpr std::uint64_t kEvaluationEpisode = 1;

/// The teacher at work: what it saw and did at evenly spaced steps, in order.
struct Demonstration {
    std::size_t pair_count = 0;
    std::vector<float> observations; ///< [pair_count, observation_size]
    std::vector<float> targets;      ///< [pair_count, action_size]
    double teacher_return = 0;       ///< sum of the rewards of the whole episode
};

/// Lets the teacher act through an episode and keeps pair_count pairs: those of the steps
/// i * step_count / pair_count, rounded down. Fewer come back only where the episode ended early.
/// Throws std::invalid_argument unless 1 <= pair_count <= step_count.
Demonstration demonstrate(Task& task, std::uint64_t episode, std::size_t pair_count);

/// Sum of rewards of an episode in which the teacher acts.
double teacher_return(Task& task, std::uint64_t episode);

/// Sum of rewards of an episode of independent actions, uniform in [-1, 1].
double random_return(Task& task, std::uint64_t episode, std::uint64_t policy_seed);

} // namespace gramian::tasks
