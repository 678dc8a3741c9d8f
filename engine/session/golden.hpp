// Proof before the first real action: the model's golden rollout, replayed on the device that will run it.
#pragma once

#include "model/model.hpp"

namespace gramian {

/// Replays the golden rollout in a session of one stream. Throws invalid_model, naming the first output that differs
/// by more than 5e-3 of the largest golden value: file and device do not belong together.
void verify_golden(const Model& model);

} // namespace gramian
