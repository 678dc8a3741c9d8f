// The T-maze: the walk, its end, and who gets there.
#include "tmaze.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <limits>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

namespace gramian::tasks {
namespace {

constexpr std::uint64_t kSeed = 20242;

using Observation = std::array<float, 3>;

Observation seen(const Task& task)
{
    Observation observation{};
    task.observe(observation.data());
    return observation;
}

float cue(const Task& task)
{
    return dynamic_cast<const TMaze&>(task).cue();
}

/// Where the task is, by the two flags; what stands beside them is noise.
char place(const Task& task)
{
    const auto [noise, corridor, junction] = seen(task);
    CHECK((noise >= -.5F && noise < .5F));
    CHECK(corridor + junction == 1);
    return corridor == 1 ? 'c' : 'j';
}

double act(Task& task, float action)
{
    return task.step(&action);
}

} // namespace

TEST_CASE("tmaze: the cue shows in the first cell only, and the way is as long as its name says")
{
    const auto task = make_task("tmaze:7", Purpose::training, kSeed, 0);
    CHECK(seen(*task) == Observation{cue(*task), 0, 0});
    CHECK(std::abs(cue(*task)) == 1);
    std::set<float> noise;
    for (int step = 1; step < 7; ++step) {
        CHECK(act(*task, 0) == 0);
        CHECK(place(*task) == 'c');
        noise.insert(seen(*task)[0]);
        CHECK(seen(*task) == seen(*task));
    }
    CHECK(noise.size() == 6);
    act(*task, 0);
    CHECK(place(*task) == 'j');
    CHECK(!task->is_done());
    CHECK(act(*task, cue(*task)) == 1);
    CHECK(task->is_done());
    CHECK(act(*task, cue(*task)) == 0);
}

TEST_CASE("tmaze: the wrong turn ends it without a reward")
{
    const auto task = make_task("tmaze:1", Purpose::training, kSeed, 1);
    act(*task, .5F); // not beyond 1/2: straight on
    CHECK(place(*task) == 'j');
    CHECK(act(*task, -cue(*task)) == 0);
    CHECK(task->is_done());
}

TEST_CASE("tmaze: bumping into a wall costs a step, and the steps are counted")
{
    const auto task = make_task("tmaze:3", Purpose::training, kSeed, 2);
    REQUIRE(task->step_count() == 14);
    act(*task, 1);
    CHECK(seen(*task) == Observation{cue(*task), 0, 0}); // still in the first cell
    for (int i = 0; i < 3; ++i) act(*task, 0);
    for (int i = 4; i < 13; ++i) {
        act(*task, 0); // there is no straight on at the junction
        CHECK(!task->is_done());
    }
    act(*task, 0);
    CHECK(task->is_done());

    task->reset(0);
    act(*task, std::numeric_limits<float>::quiet_NaN());
    CHECK(task->is_done());
}

TEST_CASE("tmaze: the teacher always turns right, random actions half of the time when they arrive")
{
    double cues = 0;
    double random = 0;
    for (std::uint32_t index = 0; index < 400; ++index) {
        const auto task = make_task("tmaze:2", Purpose::evaluation, kSeed, index);
        task->reset(kEvaluationEpisode);
        cues += cue(*task);
        CHECK(teacher_return(*task, kEvaluationEpisode) == 1);
        random += random_return(*task, kEvaluationEpisode, index);
    }
    // Four standard errors of 400 draws: 80 of the sum of signs, 40 of the count of successes.
    CHECK(std::abs(cues) < 80);
    CHECK(std::abs(random - 200) < 40);
    const auto far = make_task("tmaze:512", Purpose::evaluation, kSeed, 0);
    CHECK(teacher_return(*far, kEvaluationEpisode) == 1);
    CHECK(random_return(*far, kEvaluationEpisode, 0) == 0);
}

TEST_CASE("tmaze: cue and noise belong to the episode and repeat")
{
    const auto task = make_task("tmaze:4", Purpose::validation, kSeed, 0);
    std::string cues;
    std::vector<float> noise;
    for (int round = 0; round < 2; ++round) {
        std::string now;
        std::vector<float> shown;
        for (std::uint64_t episode = 0; episode < 20; ++episode) {
            task->reset(episode);
            now += seen(*task)[0] > 0 ? '+' : '-';
            act(*task, 0);
            shown.push_back(seen(*task)[0]);
        }
        if (round == 0) cues = now, noise = shown;
        CHECK(cues == now);
        CHECK(noise == shown);
    }
    CHECK(cues.find('+') != std::string::npos);
    CHECK(cues.find('-') != std::string::npos);
    CHECK(std::set<float>(noise.begin(), noise.end()).size() == 20);
}

TEST_CASE("tmaze: a name without a length, or with a bad one, says what was expected")
{
    for (const char* name :
         {"tmaze:", "tmaze:L", "tmaze:0", "tmaze:-3", "tmaze:12x", "tmaze:1000001", "tmaze:99999999999999999999"}) {
        CAPTURE(name);
        CHECK_THROWS_WITH_AS(make_task(name, Purpose::training, 0, 0),
                             doctest::Contains("expected tmaze:L with an L from 1 to 1000000"), std::invalid_argument);
    }
    CHECK_THROWS_WITH_AS(make_task("tmaze", Purpose::training, 0, 0), doctest::Contains("unknown task"),
                         std::invalid_argument);
    CHECK_NOTHROW(make_task("tmaze:1000000", Purpose::training, 0, 0));
}

} // namespace gramian::tasks
