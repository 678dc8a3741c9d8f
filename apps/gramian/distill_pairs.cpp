#include "distill_pairs.hpp"

#include <task.hpp>

#include <algorithm>
#include <fmt/format.h>

namespace gramian::app {
namespace {

using tasks::Lane;
using tasks::Purpose;
using tasks::Random;
using tasks::Task;

// Systems of later rounds begin here, so that no round repeats another's.
constexpr uint32_t kRoundSystems = 1U << 20;

std::unique_ptr<Task> training_task(const std::string& name, uint64_t seed, uint32_t index)
{
    try {
        return tasks::make_task(name, Purpose::training, seed, index);
    } catch (const std::invalid_argument& error) {
        throw UsageError(error.what());
    }
}

void keep(const Task& task, const float* label, Pairs& pairs)
{
    std::vector<float> observation(task.observation_size());
    task.observe(observation.data());
    pairs.observations.insert(pairs.observations.end(), observation.begin(), observation.end());
    pairs.targets.insert(pairs.targets.end(), label, label + task.action_size());
}

Pairs empty_pairs(const std::string& name, uint64_t seed)
{
    const auto task = training_task(name, seed, 0);
    Pairs pairs;
    pairs.observation_size = task->observation_size();
    pairs.action_size = task->action_size();
    return pairs;
}

/// Systems start their strides one step apart, so that no phase of the task is passed over.
bool is_kept(uint64_t step, uint64_t index)
{
    return step % kStride == index % kStride;
}

} // namespace

Pairs teacher_pairs(const std::string& name, uint64_t seed, uint64_t count)
{
    Pairs pairs = empty_pairs(name, seed);
    std::vector<float> action(pairs.action_size);
    for (uint32_t index = 0; pairs.count() < count; ++index) {
        const auto task = training_task(name, seed, index);
        Random noise(Purpose::training, Lane::policy, seed, index);
        for (uint64_t step = 0; !task->is_done() && pairs.count() < count; ++step) {
            task->teach(action.data());
            if (is_kept(step, index)) keep(*task, action.data(), pairs);
            for (float& value : action) value += static_cast<float>(kTeacherNoise * noise.normal());
            task->step(action.data());
        }
    }
    return pairs;
}

Pairs student_pairs(const std::string& name, uint64_t seed, uint64_t count, uint32_t round, const Policy& student)
{
    Pairs pairs = empty_pairs(name, seed);
    std::vector<float> observations(kStudentStreams * pairs.observation_size);
    std::vector<float> actions(kStudentStreams * pairs.action_size);
    std::vector<float> label(pairs.action_size);
    for (uint32_t first = round * kRoundSystems; pairs.count() < count; first += kStudentStreams) {
        std::vector<std::unique_ptr<Task>> systems;
        for (uint32_t i = 0; i < kStudentStreams; ++i) systems.push_back(training_task(name, seed, first + i));
        const auto is_done = [](const auto& task) { return task->is_done(); };
        for (uint64_t step = 0; !std::all_of(systems.begin(), systems.end(), is_done); ++step) {
            for (size_t i = 0; i < systems.size(); ++i) systems[i]->observe(&observations[i * pairs.observation_size]);
            student(observations, actions);
            for (size_t i = 0; i < systems.size(); ++i) {
                if (systems[i]->is_done()) continue;
                systems[i]->teach(label.data());
                if (is_kept(step, i)) keep(*systems[i], label.data(), pairs);
                systems[i]->step(&actions[i * pairs.action_size]);
            }
        }
    }
    return thinned(pairs, count);
}

Pairs thinned(const Pairs& all, uint64_t count)
{
    Pairs pairs{{}, {}, all.observation_size, all.action_size};
    for (uint64_t i = 0; i < count; ++i) {
        const auto place = static_cast<ptrdiff_t>(i * all.count() / count);
        const auto observation = all.observations.begin() + place * static_cast<ptrdiff_t>(all.observation_size);
        const auto target = all.targets.begin() + place * static_cast<ptrdiff_t>(all.action_size);
        pairs.observations.insert(pairs.observations.end(), observation,
                                  observation + static_cast<ptrdiff_t>(all.observation_size));
        pairs.targets.insert(pairs.targets.end(), target, target + static_cast<ptrdiff_t>(all.action_size));
    }
    return pairs;
}

Pairs load_pairs(const std::string& path)
{
    const TensorsHandle file = TensorsHandle::load(path);
    const gramian_tensor_view observation = file.find("observation");
    const gramian_tensor_view target = file.find("target");
    if (observation.rank != 2 || target.rank != 2 || observation.shape[0] != target.shape[0] ||
        target.element_count == 0) {
        throw UsageError(fmt::format("{}: expected observation [N, d] and target [N, a]", path));
    }
    return {{observation.values, observation.values + observation.element_count},
            {target.values, target.values + target.element_count},
            observation.shape[1],
            target.shape[1]};
}

} // namespace gramian::app
