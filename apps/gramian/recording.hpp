// What a run leaves behind to be shown: the trajectories of several agents on the same simulated cart and pole.
// `run` fills it; the page, the pictures and the terminal view read it. Plain data, and the questions all of them ask.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numbers>
#include <string>
#include <vector>

namespace gramian::app {

/// One agent on one system. Entry k of each array belongs to the end of step k, at time (k + 1) * period_s.
struct RecordedPane {
    std::string label;
    double teacher_ratio = 0; // this pane's return / the teacher's; 1 for the teacher
    double total_return = 0;
    std::vector<float> x;      // cart, m
    std::vector<float> theta;  // pole, rad: 0 upright, positive leans towards +x; wrapped or not
    std::vector<float> action; // [-1, 1], positive pushes towards +x
    std::vector<float> reward; // per step
    int reference = -1;        // of Recording::references: drawn behind it; -1: the first pane of its episode
};

/// One system and all agents on it. A pane shorter than the longest one ended early: its cart left the track.
struct RecordedEpisode {
    std::string caption;
    std::string name;            // empty: it is called by its number
    double half_length = 0;      // pivot to centre of mass of the pole, m: the pole is twice as long
    double track_half_width = 0; // m; 0: a pendulum, which has no cart
    std::vector<RecordedPane> panes;
};

/// What changes from episode to episode, for a slider, and what it does to a figure.
struct Variable {
    std::string name;           // empty: nothing changes but the system
    std::string figure;         // what the scores are
    std::vector<double> values; // of each episode
    std::vector<double> scores; // likewise
    double reference = 0;       // the score of the references
};

struct Recording {
    std::string title;
    std::string subtitle;
    Variable variable;
    double period_s = 0;
    std::vector<RecordedEpisode> episodes;
    std::vector<RecordedPane> references;
};

/// Where one pane stands at one instant.
struct Pose {
    double x = 0;
    double theta = 0;
    double action = 0;
    bool has_ended = false; // the pane's last step lies before this instant
};

/// Steps for which every array of the pane has an entry.
inline std::size_t step_count(const RecordedPane& pane)
{
    return std::min({pane.x.size(), pane.theta.size(), pane.action.size(), pane.reward.size()});
}

/// Steps of the longest pane.
inline std::size_t step_count(const RecordedEpisode& episode)
{
    std::size_t count = 0;
    for (const RecordedPane& pane : episode.panes) count = std::max(count, step_count(pane));
    return count;
}

/// The angle in [-pi, pi) that points the same way.
inline double wrapped_angle(double theta)
{
    const double turns = (theta + std::numbers::pi) / (2 * std::numbers::pi);
    return (turns - std::floor(turns)) * 2 * std::numbers::pi - std::numbers::pi;
}

/// The pose at a fractional step, interpolated the short way round; before the first and after the last step it rests.
/// Values that are not finite read as 0, so a diverged agent still draws.
inline Pose pose_at(const RecordedPane& pane, double step)
{
    const std::size_t count = step_count(pane);
    if (count == 0) return {};
    const auto finite = [](float value) { return std::isfinite(value) ? static_cast<double>(value) : 0.0; };
    const double place = std::clamp(step, 0.0, static_cast<double>(count - 1));
    const auto before = static_cast<std::size_t>(place);
    const std::size_t after = std::min(before + 1, count - 1);
    const double part = place - static_cast<double>(before);
    Pose pose;
    pose.x = finite(pane.x[before]) + part * (finite(pane.x[after]) - finite(pane.x[before]));
    const double turn = wrapped_angle(finite(pane.theta[after]) - finite(pane.theta[before]));
    pose.theta = finite(pane.theta[before]) + part * turn;
    pose.action = std::clamp(finite(pane.action[before]), -1.0, 1.0);
    pose.has_ended = step > static_cast<double>(count - 1);
    return pose;
}

/// Sum of the rewards up to a fractional step.
inline double return_at(const RecordedPane& pane, double step)
{
    double sum = 0;
    for (std::size_t k = 0; k < step_count(pane) && static_cast<double>(k) <= step; ++k) {
        if (std::isfinite(pane.reward[k])) sum += static_cast<double>(pane.reward[k]);
    }
    return sum;
}

} // namespace gramian::app
