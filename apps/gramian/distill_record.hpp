// Learning as a recording: the same student after 10, 30, 100 … pairs, on the same episodes.
#pragma once

#include "distill_model.hpp"
#include "episodes.hpp"
#include "recording.hpp"

#include <string>

namespace gramian::app {

/// Throws UsageError for a task that no picture can be made of.
void check_drawable(const std::string& task);

/// One recorded episode for each number of pairs: what the student of so many evenly spaced pairs does from four starts,
/// before what the teacher does there; and its mean return over all `options.episodes`. `learner` forgets what it has
/// seen.
Recording record_learning(const DeviceHandle& device, const Features& features, Learner& learner, const Pairs& pairs,
                          const std::string& head, float gain, const EpisodeOptions& options);

} // namespace gramian::app
