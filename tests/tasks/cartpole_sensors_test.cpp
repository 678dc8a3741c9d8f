// The cart-pole through poorer sensors: what is seen, what is not, and that nothing else differs from `cartpole`.
#include "cartpole_sensors.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

namespace gramian::tasks {
namespace {

constexpr std::uint64_t kSeed = 20241;
constexpr std::array<float, 4> kNothing{};

std::array<float, 4> seen(const Task& task)
{
    std::array<float, 4> observation{};
    task.observe(observation.data());
    return observation;
}

void let_teacher_step(Task& task)
{
    float action = 0;
    task.teach(&action);
    task.step(&action);
}

/// For each step of an episode in which the teacher acts, whether it was blanked.
std::vector<bool> blanks(Task& task, std::uint64_t episode)
{
    std::vector<bool> result;
    task.reset(episode);
    while (!task.is_done()) {
        result.push_back(seen(task) == kNothing);
        let_teacher_step(task);
    }
    return result;
}

} // namespace

TEST_CASE("cartpole-hidden: shows the positions of `cartpole` and that it shows them, in the same episode")
{
    const auto whole = make_task("cartpole", Purpose::validation, kSeed, 3);
    const auto hidden = make_task("cartpole-hidden", Purpose::validation, kSeed, 3);
    whole->reset(5);
    hidden->reset(5);
    REQUIRE(hidden->observation_size() == 4);
    std::array<float, 5> all{};
    while (!whole->is_done()) {
        whole->observe(all.data());
        REQUIRE(seen(*hidden) == std::array<float, 4>{all[0], all[2], all[3], 1});
        float action = 0;
        float other = 0;
        whole->teach(&action);
        hidden->teach(&other);
        REQUIRE(action == other);
        REQUIRE(whole->step(&action) == hidden->step(&other));
    }
    CHECK(hidden->is_done());
}

TEST_CASE("cartpole-blank: an observation is either that of cartpole-hidden or four zeros")
{
    const auto hidden = make_task("cartpole-hidden", Purpose::training, kSeed, 0);
    const auto blank = make_task("cartpole-blank", Purpose::training, kSeed, 0);
    int blanked = 0;
    for (std::size_t step = 0; step < blank->step_count(); ++step) {
        const auto observation = seen(*blank);
        REQUIRE((observation == kNothing || observation == seen(*hidden)));
        CHECK(observation == seen(*blank)); // looking again changes nothing
        blanked += observation == kNothing;
        let_teacher_step(*hidden);
        let_teacher_step(*blank);
    }
    CHECK((blanked > 0 && blanked < 500));
}

TEST_CASE("cartpole-blank: 30 % of the steps are blanked, each by itself, the first one too")
{
    constexpr int kEpisodes = 200;
    double count = 0, blanked = 0, twice = 0, first = 0;
    for (std::uint32_t index = 0; index < kEpisodes; ++index) {
        const auto task = make_task("cartpole-blank", Purpose::evaluation, kSeed, index);
        const std::vector<bool> steps = blanks(*task, kEvaluationEpisode);
        first += steps.front();
        for (std::size_t i = 1; i < steps.size(); ++i) {
            ++count;
            blanked += steps[i];
            twice += steps[i] && steps[i - 1];
        }
    }
    // Four standard errors of a share p of n: 4 sqrt(p (1 - p) / n).
    const auto bound = [](double p, double n) { return 4 * std::sqrt(p * (1 - p) / n); };
    CHECK(std::abs(blanked / count - .3) < bound(.3, count));
    CHECK(std::abs(twice / count - .09) < 2 * bound(.09, count)); // neighbouring pairs overlap
    CHECK(std::abs(first / kEpisodes - .3) < bound(.3, kEpisodes));
}

TEST_CASE("cartpole-blank: the blanks repeat, and belong to purpose, seed, index and episode")
{
    const auto of = [](Purpose purpose, std::uint64_t seed, std::uint32_t index, std::uint64_t episode) {
        const auto task = make_task("cartpole-blank", purpose, seed, index);
        return blanks(*task, episode);
    };
    const auto given = of(Purpose::training, kSeed, 0, 1);
    CHECK(given == of(Purpose::training, kSeed, 0, 1));
    CHECK(given != of(Purpose::evaluation, kSeed, 0, 1));
    CHECK(given != of(Purpose::training, kSeed + 1, 0, 1));
    CHECK(given != of(Purpose::training, kSeed, 1, 1));
    CHECK(given != of(Purpose::training, kSeed, 0, 2));
}

} // namespace gramian::tasks
