// The parameters and the state of a cart-pole, and the teacher that swings it up knowing both.
// The teacher is smooth in the state everywhere, because an agent has to imitate it from few examples.
#pragma once

#include <array>

namespace gramian::tasks {

constexpr double kCartPolePeriodS = 0.02;
constexpr double kGravity = 9.81; // m/s^2
constexpr double kForceN = 12.0;  // force of action 1
constexpr double kTrackHalfWidthM = 1.6;

struct CartPoleSystem {
    double half_length; ///< l, m
    double pole_mass;   ///< m, kg; a uniform rod, its inertia about the centre of mass is m l^2 / 3
    double cart_mass;   ///< M, kg
    double polarity;    ///< +1 or -1
};

struct CartPoleState {
    double x = 0;         ///< m
    double x_dot = 0;     ///< m/s
    double theta = 0;     ///< rad, 0 upright, not wrapped
    double theta_dot = 0; ///< rad/s
};

/// Swing-up by energy (Astrom & Furuta 2000, with a term that keeps the cart in the middle), blended
/// into a linear-quadratic regulator, tuned to the system, where that can catch the rod.
class CartPoleTeacher {
public:
    explicit CartPoleTeacher(const CartPoleSystem& system);

    /// The action in (-1, 1), the motor's polarity allowed for.
    double action(const CartPoleState& state) const;

    /// Force = -gain . (x, x_dot, theta, theta_dot), in N.
    const std::array<double, 4>& gain() const { return gain_; }

private:
    double pumping_force(const CartPoleState& state) const;

    CartPoleSystem system_;
    double frequency_; ///< sqrt(3 g / (4 l)): of small swings about hanging, rad/s
    std::array<double, 4> gain_;
};

} // namespace gramian::tasks
