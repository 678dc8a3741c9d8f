#include "cartpole_sensors.hpp"

#include <algorithm>
#include <array>

namespace gramian::tasks {

SensedCartPole::SensedCartPole(const CartPoleSystem& system, double blank_share, Purpose purpose, std::uint64_t seed,
                               std::uint32_t index)
    : CartPole(system, purpose, seed, index), blank_share_(blank_share), random_(purpose, Lane::sensor, seed, index)
{
    draw_blank();
}

void SensedCartPole::reset(std::uint64_t episode)
{
    CartPole::reset(episode);
    random_ = random(Lane::sensor, episode);
    draw_blank();
}

void SensedCartPole::observe(float* observation) const
{
    if (is_blank_) {
        std::fill_n(observation, observation_size(), 0.0F);
        return;
    }
    std::array<float, 5> whole{};
    CartPole::observe(whole.data());
    observation[0] = whole[0];
    observation[1] = whole[2];
    observation[2] = whole[3];
    observation[3] = 1;
}

double SensedCartPole::step(const float* action)
{
    const double reward = CartPole::step(action);
    draw_blank();
    return reward;
}

void SensedCartPole::draw_blank()
{
    is_blank_ = random_.uniform(0, 1) < blank_share_;
}

std::unique_ptr<Task> make_hidden_cart_pole(Purpose purpose, std::uint64_t seed, std::uint32_t index)
{
    return std::make_unique<SensedCartPole>(kFixedCartPole, 0.0, purpose, seed, index);
}

std::unique_ptr<Task> make_blanked_cart_pole(Purpose purpose, std::uint64_t seed, std::uint32_t index)
{
    return std::make_unique<SensedCartPole>(kFixedCartPole, kBlankShare, purpose, seed, index);
}

} // namespace gramian::tasks
