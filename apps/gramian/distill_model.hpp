// The two models of a distillation: the learner, which sums up pairs on the device and solves, and the student that
// comes of it, an ordinary model whose last layer is what was solved for.
#pragma once

#include "distill_features.hpp"
#include "distill_pairs.hpp"

#include <optional>
#include <string>
#include <vector>

namespace gramian::app {

/// A least-squares fit of targets by features, on the device: sums of what it was shown, and the solution.
class Learner {
public:
    /// ridge: relative to the mean diagonal of the features' Gram matrix.
    Learner(const DeviceHandle& device, const Features& features, uint64_t action_size, double ridge);

    void observe(const Pairs& pairs);
    void forget() { session_.reset(); }
    /// Adds the statistics of another learner of the same features.
    void take(const TensorsHandle& statistics);
    /// Adds weight times the statistics that a distilled file carries.
    void merge(const TensorsHandle& file, const std::string& path, float weight);

    struct Solution {
        gramian_solve_report report{};
        double us = 0;             // of the solve alone
        std::vector<float> weight; // [action_size, P]
    };
    /// The head `linear` does not solve: it reads the sums as linear attention does, S^T k, in the length that fits
    /// best.
    Solution solve(const std::string& head);

    [[nodiscard]] uint64_t feature_count() const { return feature_count_; }
    [[nodiscard]] uint64_t action_size() const { return action_size_; }
    [[nodiscard]] double ridge() const { return ridge_; }
    /// The sums, for the file of the student.
    [[nodiscard]] TensorsHandle statistics() const { return session_.statistics(0); }

private:
    uint64_t action_size_;
    double ridge_;
    ModelHandle model_;
    SessionHandle session_;
    uint64_t feature_count_ = 0;
};

/// The model file of a student, without a golden rollout.
struct Student {
    Json description;
    std::vector<NamedWeight> weights;

    [[nodiscard]] TensorsHandle tensors() const;
};

/// features, a linear layer of the solution times `gain`, and a clip to [-1, 1].
Student make_student(const Features& features, const Learner::Solution& solution, uint64_t action_size, float gain,
                     const std::string& task);

/// The student's answers to these observations, as golden.observation and golden.action.
void add_golden(TensorsHandle& file, const ModelHandle& student, const Pairs& pairs);

} // namespace gramian::app
