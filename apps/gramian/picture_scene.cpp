#include "picture_scene.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <numbers>

namespace gramian::app {
namespace {

constexpr double kSideMargin = 0.4;  // metres shown beyond the end of the track, so that a cart at the end fits
constexpr double kPoleMargin = 0.15; // metres shown above an upright pole

/// From metres about the pivot's rest to logical pixels.
class Frame {
public:
    Frame(const Box& box, const RecordedEpisode& episode)
        : centre_{box.left + box.width / 2, box.top + box.height / 2},
          scale_(std::min(box.width / (2 * (std::max(0.1, episode.track_half_width) + kSideMargin)),
                          box.height / (2 * (2 * episode.half_length + kPoleMargin))))
    {
    }
    [[nodiscard]] Spot at(double x, double y) const { return {centre_.x + x * scale_, centre_.y - y * scale_}; }
    [[nodiscard]] double length(double metres) const { return metres * scale_; }

private:
    Spot centre_;
    double scale_;
};

void draw_track(Canvas& canvas, const Frame& frame, double half_width)
{
    const Spot left = frame.at(-half_width, -0.24), right = frame.at(half_width, -0.24);
    canvas.line(left, right, 1.5, kRailInk);
    for (const Spot end : {left, right}) canvas.line({end.x, end.y - frame.length(0.28)}, end, 2, kRailInk);
    for (int metre = -static_cast<int>(half_width); metre <= half_width; ++metre) {
        const Spot tick = frame.at(metre, -0.24);
        canvas.line(tick, {tick.x, tick.y + (metre == 0 ? 5 : 3)}, 0.8, kRailInk);
    }
}

void draw_trail(Canvas& canvas, const Frame& frame, const RecordedPane& pane, double length, double step, double trail,
                Ink ink)
{
    const double last = std::min(step, static_cast<double>(step_count(pane)) - 1);
    const auto tip = [&](double when) {
        const Pose pose = pose_at(pane, when);
        return frame.at(pose.x + length * std::sin(pose.theta), length * std::cos(pose.theta));
    };
    for (double from = std::max(0.0, step - trail); from < last; from += 1) {
        const double share = 0.45 * (1 - (step - from) / trail);
        canvas.line(tip(from), tip(std::min(from + 1, last)), 1.6, mixed(ink, kPaper, share));
    }
}

void draw_force(Canvas& canvas, const Frame& frame, const Pose& pose)
{
    if (std::abs(pose.action) < 0.05) return;
    const double side = pose.action < 0 ? -1 : 1;
    const Spot from = frame.at(pose.x + side * 0.4, 0);
    const Spot to{from.x + frame.length(0.75 * pose.action), from.y};
    const double head = side * std::min(4.0, std::abs(to.x - from.x));
    canvas.line(from, to, 1.4, kMutedInk);
    canvas.line(to, {to.x - head, to.y - 2.8}, 1.4, kMutedInk);
    canvas.line(to, {to.x - head, to.y + 2.8}, 1.4, kMutedInk);
}

void draw_cart(Canvas& canvas, const Frame& frame, const Pose& pose, double length, Ink ink)
{
    const double share = pose.has_ended ? 0.4 : 1;
    const Ink cart = mixed(kCartInk, kPaper, share), pole = mixed(ink, kPaper, share);
    const Spot corner = frame.at(pose.x - 0.3, 0.14);
    canvas.box({corner.x, corner.y, frame.length(0.6), frame.length(0.27)}, frame.length(0.06), cart);
    for (const double wheel : {-0.17, 0.17}) canvas.disc(frame.at(pose.x + wheel, -0.15), frame.length(0.085), cart);
    const Spot pivot = frame.at(pose.x, 0);
    const Spot tip = frame.at(pose.x + length * std::sin(pose.theta), length * std::cos(pose.theta));
    const double width = std::max(2.6, frame.length(0.09));
    canvas.line(pivot, tip, width, pole);
    canvas.disc(tip, width * 0.95, pole);
    canvas.disc(pivot, std::max(1.2, width * 0.3), kPaper);
}

void draw_cross(Canvas& canvas, Spot centre, double arm)
{
    canvas.line({centre.x - arm, centre.y - arm}, {centre.x + arm, centre.y + arm}, 2, kWarnInk);
    canvas.line({centre.x - arm, centre.y + arm}, {centre.x + arm, centre.y - arm}, 2, kWarnInk);
}

} // namespace

Ink pane_ink(std::size_t place)
{
    return kPaneInks[place % std::size(kPaneInks)];
}

void draw_scene(Canvas& canvas, const Box& box, const RecordedEpisode& episode, const RecordedPane& pane, double step,
                double trail, Ink ink)
{
    constexpr double kBleed = 7; // logical pixels: half the gap to the neighbour, for a pole that leans over the end
    const Frame frame(box, episode);
    const double length = 2 * episode.half_length;
    canvas.clip({box.left - kBleed, box.top - kBleed, box.width + 2 * kBleed, box.height + 2 * kBleed});
    draw_track(canvas, frame, episode.track_half_width);
    if (step_count(pane) > 0) {
        const Pose pose = pose_at(pane, step);
        draw_trail(canvas, frame, pane, length, step, trail, ink);
        if (!pose.has_ended) draw_force(canvas, frame, pose);
        draw_cart(canvas, frame, pose, length, ink);
        if (pose.has_ended) draw_cross(canvas, frame.at(pose.x, 0), std::max(4.0, frame.length(0.12)));
    }
    canvas.clip({});
}

void draw_angle_chart(Canvas& canvas, const Box& box, const RecordedEpisode& episode, const RecordedPane& pane,
                      double step, Ink ink)
{
    const double steps = std::max(1.0, static_cast<double>(step_count(episode)) - 1);
    const auto spot = [&](double when) {
        const double angle = std::abs(wrapped_angle(pose_at(pane, when).theta)) / std::numbers::pi;
        return Spot{box.left + box.width * when / steps, box.top + box.height * angle};
    };
    for (const double level : {0.0, 0.5, 1.0}) {
        const double y = box.top + level * box.height;
        canvas.line({box.left, y}, {box.left + box.width, y}, 0.8, kHairInk);
    }
    const double across = box.left + box.width * std::min(step, steps) / steps;
    canvas.line({across, box.top - 2}, {across, box.top + box.height + 2}, 0.8, kMutedInk);
    if (step_count(pane) == 0) return;
    const double last = static_cast<double>(step_count(pane)) - 1, now = std::min(step, last);
    std::vector<Spot> past, future;
    for (double when = 0; when < now; when += 1) past.push_back(spot(when));
    past.push_back(spot(now));
    future.push_back(past.back());
    for (double when = std::floor(now) + 1; when <= last; when += 1) future.push_back(spot(when));
    canvas.path(future, 1.2, mixed(ink, kPaper, 0.3));
    canvas.path(past, 1.6, ink);
    canvas.disc(past.back(), 2.4, step > last ? kWarnInk : ink);
}

} // namespace gramian::app
