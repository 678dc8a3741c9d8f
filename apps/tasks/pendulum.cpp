#include "pendulum.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace gramian::tasks {

Pendulum::Pendulum(Purpose purpose, std::uint64_t seed, std::uint32_t index)
    : teacher_(pendulum_teacher()), purpose_(purpose), seed_(seed), index_(index)
{
    reset(0);
}

void Pendulum::reset(std::uint64_t episode)
{
    Random random(purpose_, Lane::episode, seed_, index_, episode);
    state_.theta = random.uniform(-std::numbers::pi, std::numbers::pi);
    state_.theta_dot = random.uniform(-1, 1);
    steps_ = 0;
    is_done_ = false;
}

void Pendulum::observe(float* observation) const
{
    observation[0] = static_cast<float>(std::cos(state_.theta));
    observation[1] = static_cast<float>(std::sin(state_.theta));
    observation[2] = static_cast<float>(state_.theta_dot);
}

void Pendulum::teach(float* action) const
{
    *action = static_cast<float>(teacher_->torque(state_) / kPendulumTorqueNm);
}

double Pendulum::step(const float* action)
{
    if (is_done_) return 0;
    const double wanted = *action;
    if (!std::isfinite(wanted)) {
        is_done_ = true;
        return -kPendulumWorstCost * static_cast<double>(step_count() - steps_);
    }
    const double torque = kPendulumTorqueNm * std::clamp(wanted, -1.0, 1.0);
    const double cost = pendulum_cost(state_, torque);
    state_ = advance(state_, torque);
    is_done_ = ++steps_ == step_count();
    return -cost;
}

std::unique_ptr<Task> make_pendulum(Purpose purpose, std::uint64_t seed, std::uint32_t index)
{
    return std::make_unique<Pendulum>(purpose, seed, index);
}

} // namespace gramian::tasks
