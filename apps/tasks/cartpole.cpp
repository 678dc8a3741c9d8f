#include "cartpole.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

// Equations of motion. The rod's centre of mass is at (x + l sin theta, l cos theta), so the Lagrangian is
//
//   L = (M + m) x'^2 / 2 + m l x' theta' cos theta + (2/3) m l^2 theta'^2 - m g l cos theta
//
// (2/3 = (1 + 1/3) / 2: the centre of mass moves and the rod turns about it). Lagrange's equations are
//
//   (M + m) x'' + m l (theta'' cos theta - theta'^2 sin theta) = F
//   x'' cos theta + (4/3) l theta'' = g sin theta
//
// and eliminating theta'' leaves
//
//   x'' (M + m - (3/4) m cos^2 theta) = F + m l theta'^2 sin theta - (3/4) m g sin theta cos theta.

namespace gramian::tasks {
namespace {

constexpr int kSubSteps = 4;
constexpr double kPositionUnitM = 2.0;
constexpr double kVelocityUnit = 2.0;        // m/s
constexpr double kAngularVelocityUnit = 5.0; // rad/s
constexpr double kCentreWidthM = 0.5;
constexpr double kAcceptableReturn = 300.0;

struct Interval {
    double low;
    double high;
    double at(double fraction) const { return low + (high - low) * fraction; }
};
constexpr Interval kHalfLength{.3, .9};
constexpr Interval kPoleMass{.05, .4};
constexpr Interval kCartMass{.6, 1.6};

CartPoleState derivative(const CartPoleSystem& s, const CartPoleState& state, double force)
{
    const double c = std::cos(state.theta);
    const double sine = std::sin(state.theta);
    const double inertia = s.cart_mass + s.pole_mass - .75 * s.pole_mass * c * c;
    const double swing = s.pole_mass * s.half_length * state.theta_dot * state.theta_dot * sine;
    const double x_ddot = (force + swing - .75 * s.pole_mass * kGravity * sine * c) / inertia;
    const double theta_ddot = .75 * (kGravity * sine - x_ddot * c) / s.half_length;
    return {state.x_dot, x_ddot, state.theta_dot, theta_ddot};
}

CartPoleState moved(const CartPoleState& s, const CartPoleState& rate, double seconds)
{
    return {s.x + seconds * rate.x, s.x_dot + seconds * rate.x_dot, s.theta + seconds * rate.theta,
            s.theta_dot + seconds * rate.theta_dot};
}

} // namespace

CartPoleState advance(const CartPoleSystem& system, const CartPoleState& state, double force)
{
    constexpr double h = kCartPolePeriodS / kSubSteps;
    CartPoleState now = state;
    for (int i = 0; i < kSubSteps; ++i) {
        const CartPoleState k1 = derivative(system, now, force);
        const CartPoleState k2 = derivative(system, moved(now, k1, h / 2), force);
        const CartPoleState k3 = derivative(system, moved(now, k2, h / 2), force);
        const CartPoleState k4 = derivative(system, moved(now, k3, h), force);
        now = moved(moved(moved(moved(now, k1, h / 6), k2, h / 3), k3, h / 3), k4, h / 6);
    }
    return now;
}

double total_energy(const CartPoleSystem& s, const CartPoleState& state)
{
    const double c = std::cos(state.theta);
    const double moment = s.pole_mass * s.half_length;
    return (s.cart_mass + s.pole_mass) * state.x_dot * state.x_dot / 2 + moment * state.x_dot * state.theta_dot * c +
           2.0 / 3.0 * moment * s.half_length * state.theta_dot * state.theta_dot + moment * kGravity * (c - 1);
}

CartPole::CartPole(const CartPoleSystem& system, Purpose purpose, std::uint64_t seed, std::uint32_t index)
    : system_(system), teacher_(system), purpose_(purpose), seed_(seed), index_(index)
{
    CartPole::reset(0);
}

void CartPole::reset(std::uint64_t episode)
{
    Random random = this->random(Lane::episode, episode);
    state_.x = random.uniform(-.1, .1);
    state_.x_dot = random.uniform(-.1, .1);
    state_.theta = std::numbers::pi + random.uniform(-.1, .1);
    state_.theta_dot = random.uniform(-.1, .1);
    force_ = 0;
    steps_ = 0;
    is_done_ = false;
}

void CartPole::observe(float* observation) const
{
    observation[0] = static_cast<float>(state_.x / kPositionUnitM);
    observation[1] = static_cast<float>(state_.x_dot / kVelocityUnit);
    observation[2] = static_cast<float>(std::cos(state_.theta));
    observation[3] = static_cast<float>(std::sin(state_.theta));
    observation[4] = static_cast<float>(state_.theta_dot / kAngularVelocityUnit);
}

void CartPole::teach(float* action) const
{
    *action = static_cast<float>(teacher_.action(state_));
}

double CartPole::step(const float* action)
{
    if (is_done_) return 0;
    const double wanted = *action;
    if (!std::isfinite(wanted)) {
        is_done_ = true;
        return 0;
    }
    force_ = system_.polarity * kForceN * std::clamp(wanted, -1.0, 1.0);
    state_ = advance(system_, state_, force_);
    ++steps_;
    const bool has_left = std::abs(state_.x) > kTrackHalfWidthM;
    is_done_ = has_left || steps_ == step_count();
    if (has_left) return 0;
    const double upright = (1 + std::cos(state_.theta)) / 2;
    const double offset = state_.x / kCentreWidthM;
    return upright * upright / (1 + offset * offset);
}

CartPoleView CartPole::view() const
{
    return {state_.x, state_.theta, system_.half_length, system_.polarity, force_, kTrackHalfWidthM};
}

CartPoleSystem draw_cart_pole(const RandomBlock& block)
{
    // 42 + 42 + 43 + 1 = 128 bits: every bit of the block shows in the system, and a double has room for
    // 43 of them at these scales. Since blocks of different purposes differ, so do their systems.
    const std::uint64_t low = (std::uint64_t{block[1]} << 32) | block[0];
    const std::uint64_t high = (std::uint64_t{block[3]} << 32) | block[2];
    CartPoleSystem system;
    system.half_length = kHalfLength.at(fraction(low, 42));
    system.pole_mass = kPoleMass.at(fraction((low >> 42) | (high << 22), 42));
    system.cart_mass = kCartMass.at(fraction(high >> 20, 43));
    system.polarity = (high >> 63) != 0 ? 1.0 : -1.0;
    return system;
}

std::unique_ptr<Task> make_fixed_cart_pole(Purpose purpose, std::uint64_t seed, std::uint32_t index)
{
    return std::make_unique<CartPole>(kFixedCartPole, purpose, seed, index);
}

std::unique_ptr<Task> make_random_cart_pole(Purpose purpose, std::uint64_t seed, std::uint32_t index)
{
    Random random(purpose, Lane::system, seed, index);
    for (;;) {
        auto task = std::make_unique<CartPole>(draw_cart_pole(random.next_block()), purpose, seed, index);
        if (teacher_return(*task, kDemonstrationEpisode) < kAcceptableReturn) continue;
        task->reset(kDemonstrationEpisode);
        return task;
    }
}

} // namespace gramian::tasks
