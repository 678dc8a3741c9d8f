// What self-tests of this machine's devices found, kept between runs in $XDG_CACHE_HOME/gramian/verdicts.json
// (~/.cache where that is not set), so that no command uses a kernel that is known to be wrong.
#pragma once

#include <string>

namespace gramian::app {

/// A JSON array of verdicts for gramian_device_options::verdict; "[]" where there is none.
std::string kept_verdicts();

/// Adds a verdict in place of an earlier one of the same device and abilities. Throws std::runtime_error when it cannot
/// be kept.
void keep_verdict(const std::string& verdict);

} // namespace gramian::app
