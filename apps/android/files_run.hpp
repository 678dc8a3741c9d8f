// A run of the conformance suite whose words and reports go to files: what an application can do. No Android in here.
#pragma once

#include <string>

namespace gramian::conformance {

/// Runs in `folder` and leaves output.txt, conformance.json and passport.html there. Arguments are the words of the
/// file `arguments` in it, or --quick. Returns the exit status, -1 where the folder cannot be written.
int run_into(const std::string& folder);

} // namespace gramian::conformance
