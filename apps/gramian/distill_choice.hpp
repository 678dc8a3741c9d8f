// Which of the students that one set of sums gives: several ridges and lengths are tried on validation systems, which
// are neither those of training nor those of evaluation.
#pragma once

#include "distill_model.hpp"

#include <optional>
#include <string>
#include <vector>

namespace gramian::app {

/// A student, and how it came about.
struct Chosen {
    Student student;
    Learner::Solution solution;
    double ridge = 0;
    float gain = 1;
    double validation_return = 0; // mean
    double score = 0;             // what it was chosen by
    uint32_t round = 0;
};

class Choice {
public:
    /// ridge: none: several are tried.
    Choice(const DeviceHandle& device, const Features& features, const std::string& task, uint64_t seed,
           std::optional<double> ridge)
        : device_(device), features_(features), task_(task), seed_(seed), ridge_(ridge)
    {
    }

    /// The best student of what the learner has seen. Throws std::runtime_error where it has no solution.
    Chosen choose(Learner& learner, const std::string& head);

private:
    /// Puts the solution in the place of the best student, in the length that does best, if it does better.
    void consider(const Learner::Solution& solution, double ridge, uint64_t action_size, std::optional<Chosen>& best);

    const DeviceHandle& device_;
    const Features& features_;
    std::string task_;
    uint64_t seed_;
    std::optional<double> ridge_;
    std::vector<double> teacher_; // returns of validation episodes
};

} // namespace gramian::app
