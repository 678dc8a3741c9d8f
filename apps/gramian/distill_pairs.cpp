#include "distill_pairs.hpp"

#include <task.hpp>

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <limits>
#include <memory>
#include <optional>

namespace gramian::app {
namespace {

using tasks::Lane;
using tasks::Purpose;
using tasks::Random;
using tasks::Task;

// Systems of later rounds begin here, so that no round repeats another's.
constexpr uint32_t kRoundSystems = 1U << 20;
constexpr uint64_t kChosenAtOnce = 5000; // more would take long: see covering()

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

void append(const Pairs& from, uint64_t place, Pairs& to)
{
    const float* observation = &from.observations[place * from.observation_size];
    const float* target = &from.targets[place * from.action_size];
    to.observations.insert(to.observations.end(), observation, observation + from.observation_size);
    to.targets.insert(to.targets.end(), target, target + from.action_size);
}

/// The teacher at work on one training system after the other, for as long as one asks.
class Walk {
public:
    Walk(const std::string& name, uint64_t seed) : name_(name), seed_(seed) {}

    /// The next `count` candidates.
    Pairs next(uint64_t count)
    {
        Pairs pairs = empty_pairs(name_, seed_);
        std::vector<float> action(pairs.action_size);
        while (pairs.count() < count) {
            if (!task_ || task_->is_done()) start();
            task_->teach(action.data());
            if (is_kept(step_++, index_)) keep(*task_, action.data(), pairs);
            for (float& value : action) value += static_cast<float>(kTeacherNoise * noise_->normal());
            task_->step(action.data());
        }
        return pairs;
    }

private:
    void start()
    {
        if (task_) ++index_;
        task_ = training_task(name_, seed_, index_);
        noise_.emplace(Purpose::training, Lane::policy, seed_, index_);
        step_ = 0;
    }

    const std::string& name_;
    uint64_t seed_;
    uint32_t index_ = 0;
    uint64_t step_ = 0;
    std::unique_ptr<Task> task_;
    std::optional<Random> noise_;
};

/// Observations in units of the standard deviation of each channel.
std::vector<float> standardised(const Pairs& pairs)
{
    const uint64_t size = pairs.observation_size;
    const auto share = 1 / static_cast<double>(pairs.count());
    std::vector<double> mean(size);
    std::vector<double> square(size);
    for (size_t i = 0; i < pairs.observations.size(); ++i) {
        const double value = pairs.observations[i];
        mean[i % size] += share * value;
        square[i % size] += share * value * value;
    }
    std::vector<float> values = pairs.observations;
    for (size_t i = 0; i < values.size(); ++i) {
        const double deviation = std::sqrt(std::max(square[i % size] - mean[i % size] * mean[i % size], 1e-6));
        values[i] = static_cast<float>(static_cast<double>(values[i]) / deviation);
    }
    return values;
}

} // namespace

Pairs teacher_steps(const std::string& name, uint64_t seed, uint64_t count)
{
    return Walk(name, seed).next(count);
}

Pairs teacher_pairs(const std::string& name, uint64_t seed, uint64_t count)
{
    Walk walk(name, seed);
    Pairs pairs = empty_pairs(name, seed);
    while (pairs.count() < count) {
        const uint64_t wanted = std::min(count - pairs.count(), kChosenAtOnce);
        const Pairs chosen = covering(walk.next(kCandidates * wanted), wanted);
        for (uint64_t i = 0; i < chosen.count(); ++i) append(chosen, i, pairs);
    }
    return pairs;
}

Pairs covering(const Pairs& all, uint64_t count)
{
    const std::vector<float> values = standardised(all);
    const uint64_t size = all.observation_size;
    std::vector<float> distances(all.count(), std::numeric_limits<float>::infinity()); // squared, to what is taken
    std::vector<bool> is_taken(all.count());
    const auto take = [&](uint64_t place) {
        is_taken[place] = true;
        for (uint64_t i = 0; i < all.count(); ++i) {
            float distance = 0;
            for (uint64_t c = 0; c < size; ++c) {
                const float off = values[i * size + c] - values[place * size + c];
                distance += off * off;
            }
            distances[i] = std::min(distances[i], distance);
        }
        distances[place] = -1; // of several alike, another one
    };
    const uint64_t spaced = (count + 1) / 2;
    for (uint64_t i = 0; i < spaced; ++i) take(i * all.count() / spaced);
    for (uint64_t i = spaced; i < count; ++i) {
        take(static_cast<uint64_t>(std::max_element(distances.begin(), distances.end()) - distances.begin()));
    }
    Pairs pairs{{}, {}, all.observation_size, all.action_size};
    for (uint64_t i = 0; i < all.count(); ++i) {
        if (is_taken[i]) append(all, i, pairs);
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
    for (uint64_t i = 0; i < count; ++i) append(all, i * all.count() / count, pairs);
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
