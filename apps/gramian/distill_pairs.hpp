// Pairs of what was observed and what the teacher does there: from the teacher at work, from a student whom the teacher
// corrects, or from a file.
#pragma once

#include "command.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace gramian::app {

struct Pairs {
    std::vector<float> observations; // [count, observation_size]
    std::vector<float> targets;      // [count, action_size]
    uint64_t observation_size = 0;
    uint64_t action_size = 0;

    [[nodiscard]] uint64_t count() const { return targets.size() / action_size; }
};

// The teacher's actions are disturbed by noise of this deviation (Laskey et al. 2017, "DART"), and every fourth step is
// a candidate: both lead to states that a student will see and a faultless teacher would not.
constexpr double kTeacherNoise = 0.5;
constexpr uint64_t kStride = 4;
// Of so many candidates for each pair, half of the pairs are taken evenly in time and half where they are farthest from
// all that was taken. Without the second half most of a cart-pole's pairs show it upright, and its student fails on
// the way there.
constexpr uint64_t kCandidates = 8;

/// What the teacher does, under noise, on training systems of the seed: exactly `count` consecutive candidates.
Pairs teacher_steps(const std::string& task, uint64_t seed, uint64_t count);

/// `count` pairs of as many candidates as kCandidates says, chosen as `covering` chooses.
Pairs teacher_pairs(const std::string& task, uint64_t seed, uint64_t count);

/// `count` of the pairs, in their order: half evenly spaced, half one by one the pair whose observation is farthest
/// from all that are taken, in standard deviations (Gonzalez 1985). The time taken goes as the product of both numbers.
Pairs covering(const Pairs& all, uint64_t count);

/// [streams, observation_size] in, [streams, action_size] out.
using Policy = std::function<void(const std::vector<float>& observations, std::vector<float>& actions)>;
constexpr uint32_t kStudentStreams = 32;

/// What the teacher would do in states that the student comes to, on training systems of the seed that no earlier round
/// used; round 1 is the first. `student` serves kStudentStreams streams.
Pairs student_pairs(const std::string& task, uint64_t seed, uint64_t count, uint32_t round, const Policy& student);

/// `count` of the pairs, evenly spaced: the first ones would be the beginnings of episodes.
Pairs thinned(const Pairs& all, uint64_t count);

/// `observation` [N, d] and `target` [N, a] of a file that `gramian demo` wrote. Throws UsageError where they do not
/// fit.
Pairs load_pairs(const std::string& path);

} // namespace gramian::app
