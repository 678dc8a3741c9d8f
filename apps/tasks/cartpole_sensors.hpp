// The fixed cart-pole through poorer sensors: no velocities (task `cartpole-hidden`), and besides that 30 % of
// the observations blanked (task `cartpole-blank`). Same system, teacher and reward as `cartpole`; who acts has
// to remember what it saw. The teacher still knows the whole state.
#pragma once

#include "cartpole.hpp"

namespace gramian::tasks {

/// Share of the steps of `cartpole-blank`, the first one included, at which nothing is seen; each by itself.
constexpr double kBlankShare = 0.3;

/// Observation: x / 2 m, cos theta, sin theta, 1. A blanked one is four zeros, so that the last number tells the
/// agent whether it sees. Both tasks give the same four numbers: an agent of one can act in the other.
class SensedCartPole final : public CartPole {
public:
    /// blank_share: probability that an observation is blanked, 0 to 1.
    SensedCartPole(const CartPoleSystem& system, double blank_share, Purpose purpose, std::uint64_t seed,
                   std::uint32_t index);

    std::size_t observation_size() const override { return 4; }
    void reset(std::uint64_t episode) override;
    void observe(float* observation) const override;
    double step(const float* action) override;

private:
    void draw_blank();

    double blank_share_;
    Random random_;
    bool is_blank_ = false;
};

std::unique_ptr<Task> make_hidden_cart_pole(Purpose purpose, std::uint64_t seed, std::uint32_t index);
std::unique_ptr<Task> make_blanked_cart_pole(Purpose purpose, std::uint64_t seed, std::uint32_t index);

} // namespace gramian::tasks
