// C functions over batches of tasks, for the training recipe: it loads them from Python, so that engine,
// command line and training share one implementation of the physics and of the teacher.
// Arrays are row-major, one row per task. A failure returns null or -1 and is told on standard error.

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <memory>
#include <vector>

#include "task.hpp"

using gramian::tasks::Demonstration;
using gramian::tasks::Purpose;
using gramian::tasks::Task;

struct gramian_task_batch {
    std::vector<std::unique_ptr<Task>> tasks;
};

extern "C" {

// Tasks number first_index to first_index + count - 1 of a seed. purpose: 0 training, 1 validation, 2 evaluation.
gramian_task_batch* gramian_task_batch_create(const char* name, std::uint32_t purpose, std::uint64_t seed,
                                              std::uint32_t first_index, std::uint32_t count)
try {
    auto batch = std::make_unique<gramian_task_batch>();
    for (std::uint32_t i = 0; i < count; ++i) {
        batch->tasks.push_back(gramian::tasks::make_task(name, static_cast<Purpose>(purpose), seed, first_index + i));
    }
    return batch.release();
} catch (const std::exception& error) {
    std::fprintf(stderr, "gramian_task_batch_create: %s\n", error.what());
    return nullptr;
}

void gramian_task_batch_destroy(gramian_task_batch* batch)
{
    delete batch;
}

// sizes: of an observation, of an action, steps of an episode
void gramian_task_batch_sizes(const gramian_task_batch* batch, std::uint32_t* sizes)
{
    const Task& task = *batch->tasks.front();
    sizes[0] = static_cast<std::uint32_t>(task.observation_size());
    sizes[1] = static_cast<std::uint32_t>(task.action_size());
    sizes[2] = static_cast<std::uint32_t>(task.step_count());
}

void gramian_task_batch_reset(gramian_task_batch* batch, std::uint64_t episode)
{
    for (auto& task : batch->tasks) task->reset(episode);
}

// observations: [tasks, observation_size]
void gramian_task_batch_observe(const gramian_task_batch* batch, float* observations)
{
    for (const auto& task : batch->tasks) {
        task->observe(observations);
        observations += task->observation_size();
    }
}

// actions: [tasks, action_size]
void gramian_task_batch_teach(const gramian_task_batch* batch, float* actions)
{
    for (const auto& task : batch->tasks) {
        task->teach(actions);
        actions += task->action_size();
    }
}

// actions: [tasks, action_size]; rewards, is_done: [tasks]
void gramian_task_batch_step(gramian_task_batch* batch, const float* actions, double* rewards, std::uint8_t* is_done)
{
    for (auto& task : batch->tasks) {
        *rewards++ = task->step(actions);
        *is_done++ = task->is_done() ? 1 : 0;
        actions += task->action_size();
    }
}

// observations: [tasks, pairs, observation_size]; targets: [tasks, pairs, action_size]; returns: [tasks].
// -1 where an episode ended before it gave all its pairs.
int gramian_task_batch_demonstrate(gramian_task_batch* batch, std::uint64_t episode, std::uint32_t pairs,
                                   float* observations, float* targets, double* returns)
try {
    for (auto& task : batch->tasks) {
        const Demonstration shown = gramian::tasks::demonstrate(*task, episode, pairs);
        if (shown.pair_count != pairs) {
            std::fprintf(stderr, "gramian_task_batch_demonstrate: an episode ended early\n");
            return -1;
        }
        observations = std::copy(shown.observations.begin(), shown.observations.end(), observations);
        targets = std::copy(shown.targets.begin(), shown.targets.end(), targets);
        *returns++ = shown.teacher_return;
    }
    return 0;
} catch (const std::exception& error) {
    std::fprintf(stderr, "gramian_task_batch_demonstrate: %s\n", error.what());
    return -1;
}

// returns: [tasks], of the teacher
void gramian_task_batch_teacher_returns(gramian_task_batch* batch, std::uint64_t episode, double* returns)
{
    for (auto& task : batch->tasks) *returns++ = gramian::tasks::teacher_return(*task, episode);
}

// returns: [tasks], of independent actions uniform in [-1, 1]
void gramian_task_batch_random_returns(gramian_task_batch* batch, std::uint64_t episode, std::uint64_t policy_seed,
                                       double* returns)
{
    for (std::size_t i = 0; i < batch->tasks.size(); ++i) {
        returns[i] = gramian::tasks::random_return(*batch->tasks[i], episode, policy_seed + i);
    }
}

} // extern "C"
