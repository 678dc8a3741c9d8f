// What the pictures of a recording show of one pane: cart, pole and track at one instant, and a chart of the episode.
// Used by record_picture.
#pragma once

#include "picture_canvas.hpp"
#include "recording.hpp"

namespace gramian::app {

inline constexpr Ink kPaper{255, 255, 255};
inline constexpr Ink kTextInk{28, 34, 40};
inline constexpr Ink kMutedInk{90, 101, 112};
inline constexpr Ink kHairInk{217, 222, 227};
inline constexpr Ink kRailInk{154, 165, 176};
inline constexpr Ink kCartInk{54, 66, 78};
inline constexpr Ink kWarnInk{179, 38, 30};
inline constexpr Ink kPaneInks[] = {{102, 114, 126}, {10, 110, 189}, {194, 90, 8},
                                    {20, 128, 79},   {138, 75, 176}, {168, 58, 99}};

/// The ink of the pane at this place in its episode.
Ink pane_ink(std::size_t place);

/// Cart, pole, force and the way of the tip over the `trail` last steps, filling the box as far as proportions allow.
/// A pane that has ended is pale and crossed out.
void draw_scene(Canvas& canvas, const Box& box, const RecordedEpisode& episode, const RecordedPane& pane, double step,
                double trail, Ink ink);

/// The pole's angle from upright (0 above, 180 degrees below) over the episode; strong up to `step`, pale after it.
void draw_angle_chart(Canvas& canvas, const Box& box, const RecordedEpisode& episode, const RecordedPane& pane,
                      double step, Ink ink);

} // namespace gramian::app
