// The cart-pole tasks: physics, generator, draws, teacher, and the separation of purposes.
#include "cartpole.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <set>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

namespace gramian::tasks {
namespace {

constexpr std::uint64_t kSeed = 20240;

const CartPole& cart_pole(const Task& task)
{
    return dynamic_cast<const CartPole&>(task);
}

} // namespace

TEST_CASE("random: philox gives the published numbers")
{
    // The known-answer vectors of the authors' Random123 library for philox4x32-10.
    CHECK(philox({0, 0, 0, 0}, 0) == RandomBlock{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
    CHECK(philox({~0u, ~0u, ~0u, ~0u}, ~std::uint64_t{0}) ==
          RandomBlock{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
    CHECK(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, 0x299f31d0a4093822) ==
          RandomBlock{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("random: a stream repeats, and another purpose, lane, seed, index or key is another stream")
{
    const auto first = [](Random random) { return random.uniform(0, 1); };
    Random random(Purpose::training, Lane::system, kSeed, 3);
    CHECK(random.uniform(-1, 1) == 0.9190648252947422);
    CHECK(random.uniform(-1, 1) == -0.042127186733408761);
    const std::set<double> distinct{first(Random(Purpose::training, Lane::system, kSeed, 3)),
                                    first(Random(Purpose::evaluation, Lane::system, kSeed, 3)),
                                    first(Random(Purpose::training, Lane::episode, kSeed, 3)),
                                    first(Random(Purpose::training, Lane::system, kSeed + 1, 3)),
                                    first(Random(Purpose::training, Lane::system, kSeed, 4)),
                                    first(Random(Purpose::training, Lane::system, kSeed, 3, 1))};
    CHECK(distinct.size() == 6);
}

TEST_CASE("random: normal has mean 0 and deviation 1")
{
    constexpr int kCount = 20000;
    Random random(Purpose::training, Lane::policy, kSeed, 0);
    double sum = 0;
    double squares = 0;
    for (int i = 0; i < kCount; ++i) {
        const double value = random.normal();
        sum += value;
        squares += value * value;
    }
    // Four standard errors: 1 / sqrt(n) of the mean, sqrt(2 / n) of the variance.
    CHECK(std::abs(sum / kCount) < 4 / std::sqrt(kCount));
    CHECK(std::abs(squares / kCount - 1) < 4 * std::sqrt(2.0 / kCount));
}

TEST_CASE("cartpole: without a force, energy and horizontal momentum stay")
{
    const CartPoleSystem system{.6, .3, .9, 1};
    CartPoleState state{.1, .4, 2.0, -1.5};
    const auto momentum = [&](const CartPoleState& s) {
        return (system.cart_mass + system.pole_mass) * s.x_dot +
               system.pole_mass * system.half_length * s.theta_dot * std::cos(s.theta);
    };
    const double energy = total_energy(system, state);
    const double start = momentum(state);
    for (int i = 0; i < 500; ++i) state = advance(system, state, 0);
    // Runge-Kutta loses about (w h)^5 / 120 per sub-step: w h = .025 and 2000 sub-steps make 2e-7.
    CHECK(std::abs(total_energy(system, state) - energy) < 1e-6);
    CHECK(std::abs(momentum(state) - start) < 1e-6);
}

TEST_CASE("cartpole: a force does the work that the energy gains")
{
    const CartPoleSystem system{.4, .2, 1.1, 1};
    CartPoleState state{0, 0, 3.0, 0};
    constexpr double kForce = 2.5;
    const double energy = total_energy(system, state);
    for (int i = 0; i < 50; ++i) state = advance(system, state, kForce);
    CHECK(total_energy(system, state) - energy == doctest::Approx(kForce * state.x).epsilon(1e-6));
}

TEST_CASE("cartpole: the rod swings about hanging with the frequency of a rigid rod on a free cart")
{
    // Small swings: w^2 = (3/4) (g / l) (M + m) / (M + m / 4); a quarter period takes it to the bottom.
    const CartPoleSystem system{.5, .2, 1.0, 1};
    const double w = std::sqrt(.75 * kGravity / .5 * 1.2 / 1.05);
    const double pi = std::acos(-1.0);
    CartPoleState state{0, 0, pi - 1e-3, 0};
    const int steps = static_cast<int>(pi / 2 / w / kCartPolePeriodS);
    for (int i = 0; i < steps; ++i) state = advance(system, state, 0);
    CHECK(pi - state.theta == doctest::Approx(1e-3 * std::cos(w * steps * kCartPolePeriodS)).epsilon(1e-3));
}

TEST_CASE("cartpole-random: draws fill their ranges and both polarities")
{
    Random random(Purpose::training, Lane::system, kSeed, 0);
    double shortest = 1, longest = 0, lightest = 1, heaviest = 0, least = 2, most = 0;
    int positive = 0;
    for (int i = 0; i < 2000; ++i) {
        const CartPoleSystem s = draw_cart_pole(random.next_block());
        shortest = std::min(shortest, s.half_length), longest = std::max(longest, s.half_length);
        lightest = std::min(lightest, s.pole_mass), heaviest = std::max(heaviest, s.pole_mass);
        least = std::min(least, s.cart_mass), most = std::max(most, s.cart_mass);
        REQUIRE(std::abs(s.polarity) == 1);
        positive += s.polarity > 0;
    }
    CHECK((shortest >= .3 && shortest < .31 && longest > .89 && longest < .9));
    CHECK((lightest >= .05 && lightest < .06 && heaviest > .39 && heaviest < .4));
    CHECK((least >= .6 && least < .62 && most > 1.58 && most < 1.6));
    CHECK((positive > 900 && positive < 1100));
}

TEST_CASE("cartpole-random: every bit of a block shows in the system")
{
    const RandomBlock base{0x12345678, 0x9abcdef0, 0x0fedcba9, 0x87654321};
    const auto values = [](const CartPoleSystem& s) {
        return std::tuple(s.half_length, s.pole_mass, s.cart_mass, s.polarity);
    };
    for (unsigned bit = 0; bit < 128; ++bit) {
        RandomBlock flipped = base;
        flipped[bit / 32] ^= 1u << (bit % 32);
        CAPTURE(bit);
        CHECK(values(draw_cart_pole(flipped)) != values(draw_cart_pole(base)));
    }
}

TEST_CASE("cartpole-random: systems of different purposes differ")
{
    std::set<std::tuple<double, double, double, double>> seen;
    for (Purpose purpose : {Purpose::training, Purpose::validation, Purpose::evaluation}) {
        for (std::uint64_t seed = 0; seed < 4; ++seed) {
            for (std::uint32_t index = 0; index < 50; ++index) {
                const auto task = make_task("cartpole-random", purpose, seed, index);
                const CartPoleSystem s = cart_pole(*task).system();
                seen.insert({s.half_length, s.pole_mass, s.cart_mass, s.polarity});
            }
        }
    }
    CHECK(seen.size() == 3 * 4 * 50);
}

TEST_CASE("cartpole-random: the teacher keeps 200 unseen systems up, random actions none")
{
    double teacher_sum = 0;
    double random_sum = 0;
    for (std::uint32_t index = 0; index < 200; ++index) {
        const auto task = make_task("cartpole-random", Purpose::validation, kSeed, index);
        CAPTURE(index);
        CHECK(teacher_return(*task, kDemonstrationEpisode) >= 300);
        // Only the demonstration is checked when a system is drawn; elsewhere the rod may be caught a swing later.
        const double elsewhere = teacher_return(*task, kEvaluationEpisode);
        CHECK(elsewhere >= 200);
        teacher_sum += elsewhere;
        random_sum += random_return(*task, kEvaluationEpisode, index);
    }
    CHECK(teacher_sum / 200 > 340);
    CHECK(random_sum / 200 < 10);
}

TEST_CASE("cartpole-random: no one policy will do, even told the polarity")
{
    // What makes the task worth a demonstration: the teachers of nine systems, each tried on 100 others with the
    // motor's sign put right, all earn at most about half of what the own teachers earn.
    const auto earned = [](CartPole& task, const CartPoleTeacher& teacher) {
        double total = 0;
        task.reset(kEvaluationEpisode);
        while (!task.is_done()) {
            const auto action = static_cast<float>(teacher.action(task.state()));
            total += task.step(&action);
        }
        return total;
    };
    for (double half_length : {.4, .6, .8}) {
        for (double cart_mass : {.7, 1.1, 1.5}) {
            double own = 0;
            double common = 0;
            for (std::uint32_t index = 0; index < 100; ++index) {
                const auto drawn = make_task("cartpole-random", Purpose::validation, kSeed, index);
                const CartPoleSystem system = cart_pole(*drawn).system();
                CartPole task(system, Purpose::validation, kSeed, index);
                own += earned(task, CartPoleTeacher(system));
                common += earned(task, CartPoleTeacher({half_length, .225, cart_mass, system.polarity}));
            }
            CAPTURE(half_length);
            CAPTURE(cart_mass);
            CAPTURE(common / own);
            CHECK(common < .55 * own);
        }
    }
}

TEST_CASE("cartpole: a demonstration keeps every fifth step of the teacher's episode")
{
    const auto task = make_task("cartpole", Purpose::evaluation, kSeed, 0);
    const Demonstration shown = demonstrate(*task, kDemonstrationEpisode, 100);
    REQUIRE(shown.pair_count == 100);
    REQUIRE(shown.observations.size() == 500);
    task->reset(kDemonstrationEpisode);
    std::array<float, 5> observation{};
    float action = 0;
    for (std::size_t step = 0; step < 500; ++step) {
        task->observe(observation.data());
        task->teach(&action);
        if (step % 5 == 0) {
            const std::size_t pair = step / 5;
            CHECK(std::equal(observation.begin(), observation.end(), shown.observations.begin() + 5 * pair));
            CHECK(shown.targets[pair] == action);
        }
        task->step(&action);
    }
    CHECK_THROWS_AS(demonstrate(*task, 0, 0), std::invalid_argument);
    CHECK_THROWS_AS(demonstrate(*task, 0, 501), std::invalid_argument);
}

TEST_CASE("cartpole: the motor's polarity turns the same action around")
{
    for (double polarity : {1.0, -1.0}) {
        CartPole task({.5, .1, 1.0, polarity}, Purpose::training, kSeed, 0);
        const float action = 2; // clipped to 1
        task.step(&action);
        CHECK(task.view().force == polarity * kForceN);
    }
}

TEST_CASE("cartpole: an episode ends at its last step, off the track, or with a bad action")
{
    const auto task = make_task("cartpole", Purpose::training, kSeed, 0);
    const float rest = 0;
    for (std::size_t step = 0; step < task->step_count(); ++step) {
        REQUIRE(!task->is_done());
        const double reward = task->step(&rest);
        CHECK((reward >= 0 && reward <= 1));
    }
    CHECK(task->is_done());

    task->reset(7);
    const float full = 1;
    while (!task->is_done()) task->step(&full);
    CHECK(cart_pole(*task).view().x > kTrackHalfWidthM);
    CHECK(task->step(&full) == 0);

    task->reset(7);
    const float bad = std::numeric_limits<float>::quiet_NaN();
    CHECK(task->step(&bad) == 0);
    CHECK(task->is_done());
}

TEST_CASE("task: an episode's key decides its start, and an unknown name lists the known ones")
{
    const auto task = make_task("cartpole-random", Purpose::training, kSeed, 5);
    const auto start = [&](std::uint64_t episode) {
        task->reset(episode);
        return cart_pole(*task).state().theta;
    };
    CHECK(start(0) == start(0));
    CHECK(start(0) != start(1));
    CHECK(std::abs(start(1) - std::acos(-1.0)) <= .1);
    try {
        make_task("cartwheel", Purpose::training, 0, 0);
        FAIL("an unknown name was accepted");
    } catch (const std::invalid_argument& error) {
        for (const std::string& name : task_names()) {
            CHECK(std::string(error.what()).find(name) != std::string::npos);
        }
    }
}

} // namespace gramian::tasks
