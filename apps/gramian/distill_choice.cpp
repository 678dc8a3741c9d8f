#include "distill_choice.hpp"

#include "episodes.hpp"

#include <algorithm>
#include <numeric>

namespace gramian::app {
namespace {

constexpr uint32_t kValidationEpisodes = 100;
// Besides the learner's own.
constexpr double kRidges[] = {1e-3, 1e-5, 1e-6};
// A clipped answer may be too long but not too short: least squares rounds the corners of a teacher that saturates, and
// a longer solution sharpens them.
constexpr float kGains[] = {1.0F, 1.5F, 2.0F, 3.0F};

double mean(const std::vector<double>& values)
{
    return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(std::max<size_t>(values.size(), 1));
}

void check(const gramian_solve_report& report)
{
    if (report.status == GRAMIAN_SOLVED) return;
    throw std::runtime_error(report.status == GRAMIAN_SOLVE_NO_DATA
                                 ? "nothing was observed: there is nothing to solve"
                                 : "no ridge made the features' Gram matrix positive definite");
}

} // namespace

Chosen Choice::choose(Learner& learner, const std::string& head)
{
    std::optional<Chosen> best;
    const Learner::Solution own = learner.solve(head);
    check(own.report);
    consider(own, learner.ridge(), learner.action_size(), best);
    for (const double ridge : kRidges) {
        if (ridge_ || head != "intention") break;
        Learner other(device_, features_, learner.action_size(), ridge);
        other.take(learner.statistics());
        const Learner::Solution solution = other.solve(head);
        const bool is_sound = solution.report.status == GRAMIAN_SOLVED && solution.report.retries == 0;
        if (is_sound) consider(solution, ridge, learner.action_size(), best);
    }
    return std::move(*best);
}

// The score is a mean of what each episode returns or its teacher does, whichever is less: what a student gains on one
// system does not make good what it loses on another.
void Choice::consider(const Learner::Solution& solution, double ridge, uint64_t action_size,
                      std::optional<Chosen>& best)
{
    EpisodeOptions episodes;
    episodes.task = task_;
    episodes.episodes = kValidationEpisodes;
    episodes.seed = seed_;
    episodes.purpose = tasks::Purpose::validation;
    if (teacher_.empty()) teacher_ = measure_yardsticks(episodes).teacher;
    for (const float gain : kGains) {
        Student student = make_student(features_, solution, action_size, gain, task_);
        const ModelHandle model(device_, student.tensors().serialize(), "student");
        std::vector<double> returns = run_episodes(model, episodes).returns;
        const double reached = mean(returns);
        for (size_t i = 0; i < returns.size(); ++i) returns[i] = std::min(returns[i], teacher_[i]);
        const double score = mean(returns);
        if (!best || score > best->score)
            best.emplace(Chosen{std::move(student), solution, ridge, gain, reached, score});
    }
}

} // namespace gramian::app
