#include "task.hpp"

#include <array>
#include <charconv>
#include <optional>
#include <stdexcept>

#include "cartpole.hpp"
#include "cartpole_sensors.hpp"
#include "pendulum.hpp"
#include "tmaze.hpp"

namespace gramian::tasks {
namespace {

struct Entry {
    std::string_view name; ///< `family:L` where a length belongs to it
    std::unique_ptr<Task> (*make)(Purpose purpose, std::uint64_t seed, std::uint32_t index);
    std::unique_ptr<Task> (*make_long)(std::uint32_t length, Purpose purpose, std::uint64_t seed,
                                       std::uint32_t index) = nullptr;
};

constexpr std::uint32_t kMaxLength = 1'000'000;

constexpr std::array kEntries{
    Entry{"cartpole", make_fixed_cart_pole},
    Entry{"cartpole-blank", make_blanked_cart_pole},
    Entry{"cartpole-hidden", make_hidden_cart_pole},
    Entry{"cartpole-random", make_random_cart_pole},
    Entry{"pendulum", make_pendulum},
    Entry{"tmaze:L", nullptr, make_t_maze},
};

/// The number in place of the L of the entry's name; nothing where the name is another family's.
std::optional<std::uint32_t> length_of(std::string_view name, const Entry& entry)
{
    const std::string_view prefix = entry.name.substr(0, entry.name.size() - 1);
    if (!name.starts_with(prefix)) return std::nullopt;
    const std::string_view digits = name.substr(prefix.size());
    std::uint32_t length = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), length);
    if (error != std::errc() || end != digits.data() + digits.size() || length < 1 || length > kMaxLength) {
        throw std::invalid_argument("task '" + std::string(name) + "': expected " + std::string(entry.name) +
                                    " with an L from 1 to " + std::to_string(kMaxLength));
    }
    return length;
}

} // namespace

std::vector<std::string> task_names()
{
    std::vector<std::string> names;
    for (const Entry& entry : kEntries) names.emplace_back(entry.name);
    return names;
}

std::unique_ptr<Task> make_task(std::string_view name, Purpose purpose, std::uint64_t seed, std::uint32_t index)
{
    std::string known;
    for (const Entry& entry : kEntries) {
        if (entry.make_long) {
            if (const auto length = length_of(name, entry)) return entry.make_long(*length, purpose, seed, index);
        } else if (entry.name == name) {
            return entry.make(purpose, seed, index);
        }
        known += (known.empty() ? "" : ", ") + std::string(entry.name);
    }
    throw std::invalid_argument("unknown task '" + std::string(name) + "'; known tasks: " + known);
}

Demonstration demonstrate(Task& task, std::uint64_t episode, std::size_t pair_count)
{
    const std::size_t steps = task.step_count();
    if (pair_count < 1 || pair_count > steps) {
        throw std::invalid_argument("a demonstration of " + std::to_string(steps) + " steps cannot give " +
                                    std::to_string(pair_count) + " pairs");
    }
    Demonstration result;
    std::vector<float> observation(task.observation_size());
    std::vector<float> action(task.action_size());
    task.reset(episode);
    for (std::size_t step = 0; step < steps && !task.is_done(); ++step) {
        task.teach(action.data());
        if (result.pair_count < pair_count && step == result.pair_count * steps / pair_count) {
            task.observe(observation.data());
            result.observations.insert(result.observations.end(), observation.begin(), observation.end());
            result.targets.insert(result.targets.end(), action.begin(), action.end());
            ++result.pair_count;
        }
        result.teacher_return += task.step(action.data());
    }
    return result;
}

double teacher_return(Task& task, std::uint64_t episode)
{
    return demonstrate(task, episode, 1).teacher_return;
}

double random_return(Task& task, std::uint64_t episode, std::uint64_t policy_seed)
{
    Random random(Purpose::evaluation, Lane::policy, policy_seed, 0, episode);
    std::vector<float> action(task.action_size());
    double total = 0;
    task.reset(episode);
    while (!task.is_done()) {
        for (float& value : action) value = static_cast<float>(random.uniform(-1, 1));
        total += task.step(action.data());
    }
    return total;
}

} // namespace gramian::tasks
