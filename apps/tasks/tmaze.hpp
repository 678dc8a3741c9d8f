// The T-maze, a test of memory alone (after Bakker 2001, "Reinforcement learning with long short-term memory"): a cue
// at the start of a corridor says which way to turn at its end. Task `tmaze:L`, L cells from start to junction.
#pragma once

#include "task.hpp"

namespace gramian::tasks {

/// Observation: the cue, +1 or -1, in the first cell and noise, uniform in [-1/2, 1/2), elsewhere; 1 in the corridor;
/// 1 at the junction. Action: one number; below -1/2 turns to the side of cue -1, above 1/2 to that of cue +1, between
/// goes straight on. A turn in the corridor, or straight on at the junction, bumps into a wall: a step goes by and
/// nothing moves. A turn at the junction ends the episode; its reward is 1 to the side of the cue, else 0. All other
/// rewards are 0.
class TMaze final : public Task {
public:
    /// length >= 1 steps from the start to the junction. The cue belongs to purpose, seed, index and episode.
    TMaze(std::uint32_t length, Purpose purpose, std::uint64_t seed, std::uint32_t index);

    std::size_t observation_size() const override { return 3; }
    std::size_t action_size() const override { return 1; }
    /// Enough to walk the corridor and turn, and ten to spare.
    std::size_t step_count() const override { return std::size_t{length_} + 11; }
    double period_s() const override { return 0.1; }
    void reset(std::uint64_t episode) override;
    void observe(float* observation) const override;
    void teach(float* action) const override;
    double step(const float* action) override;
    bool is_done() const override { return is_done_; }
    float cue() const { return cue_; }

private:
    std::uint32_t length_;
    Purpose purpose_;
    std::uint64_t seed_;
    std::uint32_t index_;
    Random noise_;
    float shown_ = 1; ///< the first number of the observation
    float cue_ = 1;
    std::uint32_t cell_ = 0;
    std::size_t steps_ = 0;
    bool is_done_ = false;
};

std::unique_ptr<Task> make_t_maze(std::uint32_t length, Purpose purpose, std::uint64_t seed, std::uint32_t index);

} // namespace gramian::tasks
