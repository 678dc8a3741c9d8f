// The pendulum swing-up, task `pendulum`: the public equations, reward and starts of Gym's Pendulum-v1. A rod on a
// motor too weak to lift it must be swung up and balanced. The teacher is in pendulum_teacher.cpp.
#pragma once

#include "pendulum_teacher.hpp"
#include "task.hpp"

#include <memory>

namespace gramian::tasks {

/// Observation: cos theta, sin theta, theta_dot in rad/s. Action: one number in [-1, 1], times kPendulumTorqueNm.
/// Reward of a step: -(theta^2 + theta_dot^2 / 10 + u^2 / 1000), theta wrapped to [-pi, pi) and u the torque, all
/// before the step. Starts at any angle, uniformly, turning at up to 1 rad/s. Every system is the same.
class Pendulum final : public Task {
public:
    Pendulum(Purpose purpose, std::uint64_t seed, std::uint32_t index);

    std::size_t observation_size() const override { return 3; }
    std::size_t action_size() const override { return 1; }
    std::size_t step_count() const override { return 200; }
    double period_s() const override { return kPendulumPeriodS; }
    void reset(std::uint64_t episode) override;
    void observe(float* observation) const override;
    void teach(float* action) const override;
    /// An action that is not finite costs the worst reward for every step that is left.
    double step(const float* action) override;
    bool is_done() const override { return is_done_; }

    const PendulumState& state() const { return state_; }

private:
    std::shared_ptr<const PendulumTeacher> teacher_;
    Purpose purpose_;
    std::uint64_t seed_;
    std::uint32_t index_;
    PendulumState state_;
    std::size_t steps_ = 0;
    bool is_done_ = false;
};

std::unique_ptr<Task> make_pendulum(Purpose purpose, std::uint64_t seed, std::uint32_t index);

} // namespace gramian::tasks
