#include "tmaze.hpp"

#include <cmath>

namespace gramian::tasks {
namespace {

constexpr float kTurn = 0.5F; // actions beyond it turn

} // namespace

TMaze::TMaze(std::uint32_t length, Purpose purpose, std::uint64_t seed, std::uint32_t index)
    : length_(length), purpose_(purpose), seed_(seed), index_(index), noise_(purpose, Lane::sensor, seed, index)
{
    reset(0);
}

void TMaze::reset(std::uint64_t episode)
{
    Random random(purpose_, Lane::episode, seed_, index_, episode);
    noise_ = Random(purpose_, Lane::sensor, seed_, index_, episode);
    cue_ = (random.next_block()[0] >> 31) != 0 ? 1.0F : -1.0F;
    shown_ = cue_;
    cell_ = 0;
    steps_ = 0;
    is_done_ = false;
}

void TMaze::observe(float* observation) const
{
    observation[0] = shown_;
    observation[1] = cell_ > 0 && cell_ < length_ ? 1.0F : 0.0F;
    observation[2] = cell_ == length_ ? 1.0F : 0.0F;
}

void TMaze::teach(float* action) const
{
    *action = cell_ == length_ ? cue_ : 0.0F;
}

double TMaze::step(const float* action)
{
    if (is_done_) return 0;
    if (!std::isfinite(*action)) {
        is_done_ = true;
        return 0;
    }
    ++steps_;
    is_done_ = steps_ == step_count();
    const bool turns = std::abs(*action) > kTurn;
    if (turns && cell_ == length_) {
        is_done_ = true;
        return (*action > 0) == (cue_ > 0) ? 1 : 0;
    }
    if (!turns && cell_ < length_) ++cell_;
    if (cell_ > 0) shown_ = static_cast<float>(noise_.uniform(-.5, .5));
    return 0;
}

std::unique_ptr<Task> make_t_maze(std::uint32_t length, Purpose purpose, std::uint64_t seed, std::uint32_t index)
{
    return std::make_unique<TMaze>(length, purpose, seed, index);
}

} // namespace gramian::tasks
