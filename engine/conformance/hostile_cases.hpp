// Hostile numbers, operator by operator: what zeros, tiny and huge magnitudes, infinities and NaN must lead to. The
// table is in the source.
#pragma once

#include "ops/cases.hpp"

namespace gramian {

/// "linear.hostile_x.nan", one case for each operator, input and kind of number.
void add_hostile_cases(std::vector<Case>& cases);

} // namespace gramian
