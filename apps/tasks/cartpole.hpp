// The cart-pole swing-up: a rod hangs from a cart on a bounded track; one motor force, of unknown
// polarity, must swing it up and keep it there. Tasks `cartpole` (one system) and `cartpole-random`.
// The equations of motion are derived in cartpole.cpp, the teacher is in cartpole_teacher.cpp.
#pragma once

#include "cartpole_teacher.hpp"
#include "task.hpp"

namespace gramian::tasks {

/// What a picture of the present moment needs.
struct CartPoleView {
    double x;                ///< cart position, m; 0 is the centre of the track, positive to the right
    double theta;            ///< angle of the rod, rad; 0 upright, positive leaning towards positive x
    double half_length;      ///< pivot to the rod's centre of mass, m; the rod is twice as long
    double polarity;         ///< +1 or -1: the sign of the force that a positive action causes
    double force;            ///< force on the cart during the last step, N
    double track_half_width; ///< m; the episode ends where abs(x) exceeds it
};

/// Observation: x / 2 m, x_dot / 2 m/s, cos theta, sin theta, theta_dot / 5 rad/s. Action: one number
/// in [-1, 1], times kForceN and the polarity. Reward of a step, taken after it, 0 off the track:
/// ((1 + cos theta) / 2)^2 / (1 + (x / 0.5 m)^2). Starts hanging, each part of the state off by up to 0.1.
class CartPole : public Task {
public:
    /// The seed and index decide, with the purpose and the episode's key, the initial states.
    CartPole(const CartPoleSystem& system, Purpose purpose, std::uint64_t seed, std::uint32_t index);

    std::size_t observation_size() const override { return 5; }
    std::size_t action_size() const override { return 1; }
    std::size_t step_count() const override { return 500; }
    double period_s() const override { return kCartPolePeriodS; }
    void reset(std::uint64_t episode) override;
    void observe(float* observation) const override;
    void teach(float* action) const override;
    double step(const float* action) override;
    bool is_done() const override { return is_done_; }

    const CartPoleSystem& system() const { return system_; }
    const CartPoleState& state() const { return state_; }
    CartPoleView view() const;

protected:
    /// Numbers of one episode for what a derived task draws besides.
    Random random(Lane lane, std::uint64_t episode) const { return {purpose_, lane, seed_, index_, episode}; }

private:
    CartPoleSystem system_;
    CartPoleTeacher teacher_;
    Purpose purpose_;
    std::uint64_t seed_;
    std::uint32_t index_;
    CartPoleState state_;
    double force_ = 0;
    std::size_t steps_ = 0;
    bool is_done_ = false;
};

/// The state one period later under a constant force (N). Classical Runge-Kutta, four sub-steps.
CartPoleState advance(const CartPoleSystem& system, const CartPoleState& state, double force);

/// Kinetic plus potential energy of cart and rod, J; constant without a force. 0 = at rest, upright.
double total_energy(const CartPoleSystem& system, const CartPoleState& state);

/// Half-length .3 to .9 m, rod .05 to .4 kg, cart .6 to 1.6 kg, polarity +1 or -1, all uniform, from the
/// 128 bits of one block and without loss: different blocks are different systems.
CartPoleSystem draw_cart_pole(const RandomBlock& block);

/// The system of `cartpole` and of the tasks that see less of it, whatever the seed.
constexpr CartPoleSystem kFixedCartPole{.5, .1, 1.0, 1.0};

std::unique_ptr<Task> make_fixed_cart_pole(Purpose purpose, std::uint64_t seed, std::uint32_t index);

/// A drawn system. One on which its own teacher scores under 300 in the demonstration episode is drawn anew,
/// from the next block. Redraws are rare, so the platform's sine decides about a system next to never.
std::unique_ptr<Task> make_random_cart_pole(Purpose purpose, std::uint64_t seed, std::uint32_t index);

} // namespace gramian::tasks
