#include "cartpole_teacher.hpp"

#include <algorithm>
#include <cmath>

namespace gramian::tasks {
namespace {

using Vector = std::array<double, 4>;
using Matrix = std::array<Vector, 4>;

constexpr int kSeriesTerms = 12;
constexpr int kMaxRiccatiRounds = 5000;
constexpr double kRiccatiTolerance = 1e-9; // of the gain, N per unit of state
// Costs of position (1/m^2), velocity, angle (1/rad^2), angular velocity, and of a full action.
constexpr Vector kStateCost{5.0, .2, 10.0, .2};
constexpr double kActionCost = .5;

// The pump, in units of cart acceleration.
constexpr double kPumpGain = 40.0;           // m/s^2 for a full lack of energy at the swing's frequency
constexpr double kPumpLimit = 8.0;           // m/s^2
constexpr double kPumpCentreStiffness = 4.0; // 1/s^2
constexpr double kPumpCentreDamping = 2.0;   // 1/s

// Where the regulator takes over, in the measure of CartPoleTeacher::action().
constexpr double kCatchMeasure = .1;
constexpr double kCatchSharpness = 30.0;

struct Linearised {
    Matrix a{}; ///< of x[t+1] = a x[t] + b F[t]
    Vector b{};
};

Matrix product(const Matrix& left, const Matrix& right)
{
    Matrix out{};
    for (int i = 0; i < 4; ++i)
        for (int j = 0; j < 4; ++j)
            for (int k = 0; k < 4; ++k) out[i][j] += left[i][k] * right[k][j];
    return out;
}

// About upright: x'' = (F - (3/4) m g theta) / (M + m/4), theta'' = (3/4) (g theta - x'') / l.
// Held force for one period: a = sum (A h)^n / n!, b = sum A^n h^(n+1) / (n+1)! B.
Linearised linearise(const CartPoleSystem& s)
{
    const double inertia = s.cart_mass + s.pole_mass / 4;
    const double pull = -.75 * s.pole_mass * kGravity / inertia;
    Matrix rate{};
    rate[0][1] = 1;
    rate[1][2] = pull;
    rate[2][3] = 1;
    rate[3][2] = .75 * (kGravity - pull) / s.half_length;
    const Vector input{0, 1 / inertia, 0, -.75 / (inertia * s.half_length)};

    Linearised out;
    Matrix term{}; // (A h)^n / n!
    for (int i = 0; i < 4; ++i) term[i][i] = 1;
    for (int n = 0; n < kSeriesTerms; ++n) {
        for (int i = 0; i < 4; ++i) {
            for (int j = 0; j < 4; ++j) {
                out.a[i][j] += term[i][j];
                out.b[i] += term[i][j] * input[j] * kCartPolePeriodS / (n + 1);
            }
        }
        term = product(term, rate);
        for (Vector& row : term)
            for (double& value : row) value *= kCartPolePeriodS / (n + 1);
    }
    return out;
}

// P = Q + A^T P A - A^T P b (r + b^T P b)^-1 b^T P A until the gain stands still.
Vector regulator_gain(const Linearised& system)
{
    const double force_cost = kActionCost / (kForceN * kForceN);
    Matrix cost{};
    for (int i = 0; i < 4; ++i) cost[i][i] = kStateCost[i];
    Vector gain{};
    for (int round = 0; round < kMaxRiccatiRounds; ++round) {
        const Matrix cost_a = product(cost, system.a);
        double denominator = force_cost;
        Vector next{};
        for (int i = 0; i < 4; ++i) {
            for (int j = 0; j < 4; ++j) {
                denominator += system.b[i] * cost[i][j] * system.b[j];
                next[j] += system.b[i] * cost_a[i][j];
            }
        }
        double change = 0;
        Matrix updated{};
        for (int i = 0; i < 4; ++i) {
            for (int j = 0; j < 4; ++j) {
                updated[i][j] = (i == j ? kStateCost[i] : 0) - next[i] * next[j] / denominator;
                for (int k = 0; k < 4; ++k) updated[i][j] += system.a[k][i] * cost_a[k][j];
            }
            change = std::max(change, std::abs(next[i] / denominator - gain[i]));
        }
        for (int i = 0; i < 4; ++i) gain[i] = next[i] / denominator;
        // Rounding makes P lopsided, and the closed loop amplifies that part: keep it symmetric.
        for (int i = 0; i < 4; ++i)
            for (int j = 0; j < 4; ++j) cost[i][j] = (updated[i][j] + updated[j][i]) / 2;
        if (change < kRiccatiTolerance) break;
    }
    return gain;
}

} // namespace

CartPoleTeacher::CartPoleTeacher(const CartPoleSystem& system)
    : system_(system), frequency_(std::sqrt(.75 * kGravity / system.half_length)),
      gain_(regulator_gain(linearise(system)))
{
}

// The rod's energy about its pivot, in units of 2 m g l (-1 hanging, 0 upright), is
// e = (theta' / w)^2 / 4 + (cos theta - 1) / 2, and a cart acceleration a changes it by
// e' = -a theta' cos(theta) / (2 g): pushing along e theta' cos(theta) drives e to 0.
// The force that gives a wanted acceleration comes from the third equation of cartpole.cpp.
double CartPoleTeacher::pumping_force(const CartPoleState& state) const
{
    const CartPoleSystem& s = system_;
    const double c = std::cos(state.theta);
    const double sine = std::sin(state.theta);
    const double rate = state.theta_dot / frequency_;
    const double energy = rate * rate / 4 + (c - 1) / 2;
    const double push = kPumpLimit * std::tanh(kPumpGain / kPumpLimit * energy * rate * c);
    const double wanted = push - kPumpCentreStiffness * state.x - kPumpCentreDamping * state.x_dot;
    const double inertia = s.cart_mass + s.pole_mass - .75 * s.pole_mass * c * c;
    return wanted * inertia - s.pole_mass * s.half_length * state.theta_dot * state.theta_dot * sine +
           .75 * s.pole_mass * kGravity * sine * c;
}

double CartPoleTeacher::action(const CartPoleState& state) const
{
    // What the regulator would have to make good: the angle, and how far the motion is from the one that
    // comes to rest upright by itself, theta' = -w theta (the stable direction of the free rod).
    const double angle = std::remainder(state.theta, 2 * std::acos(-1.0));
    const double rate = state.theta_dot / frequency_;
    const double miss = angle + rate;
    const double measure = (1 - std::cos(angle)) + .25 * miss * miss;
    const double share = 1 / (1 + std::exp(kCatchSharpness * (measure - kCatchMeasure)));
    const double regulated =
        -(gain_[0] * state.x + gain_[1] * state.x_dot + gain_[2] * angle + gain_[3] * state.theta_dot);
    const double force = share * regulated + (1 - share) * pumping_force(state);
    return system_.polarity * std::tanh(force / kForceN);
}

} // namespace gramian::tasks
