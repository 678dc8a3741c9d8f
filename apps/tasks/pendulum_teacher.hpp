// The pendulum's motion, and a teacher that knows it: the best torque by value iteration on a grid of states.
// The table of values takes well under a second to compute; it is kept in the user's cache folder.
#pragma once

#include <filesystem>
#include <memory>
#include <vector>

namespace gramian::tasks {

constexpr double kPendulumPeriodS = 0.05;
constexpr double kPendulumTorqueNm = 2.0;   // of action 1
constexpr double kPendulumMaxRate = 8.0;    // rad/s; faster turning is clipped
constexpr double kPendulumWorstCost = 16.3; // above pi^2 + 8^2 / 10 + 2^2 / 1000, that of any step

struct PendulumState {
    double theta = 0;     ///< rad, 0 upright, not wrapped
    double theta_dot = 0; ///< rad/s
};

/// The state one period later under a torque (N m). Rod of 1 m and 1 kg, g = 10 m/s^2:
/// theta_dot += (15 sin theta + 3 u) h, clipped; then theta += theta_dot h.
PendulumState advance(const PendulumState& state, double torque);

/// theta^2 + theta_dot^2 / 10 + u^2 / 1000, theta wrapped to [-pi, pi).
double pendulum_cost(const PendulumState& state, double torque);

/// Values of a grid of states: V = min over u of cost + discount V(next), V between the states bilinear.
class PendulumTeacher {
public:
    /// Value iteration from zeros to a change below 1e-3.
    PendulumTeacher();
    /// The values of a cache file, or freshly computed ones, which are then written to it. A file that is absent,
    /// damaged or of another version is replaced; one that cannot be written is done without.
    explicit PendulumTeacher(const std::filesystem::path& cache);

    /// The torque, of 81 evenly spaced ones, with the least cost to go; N m.
    double torque(const PendulumState& state) const;

    const std::vector<double>& values() const { return values_; }

private:
    std::vector<double> values_; // [angle, rate]
};

/// The one that every pendulum of this process shares; from gramian/pendulum-teacher.bin in $XDG_CACHE_HOME,
/// or ~/.cache.
std::shared_ptr<const PendulumTeacher> pendulum_teacher();

} // namespace gramian::tasks
