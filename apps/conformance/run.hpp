// gramian-conformance as a function: options, cases, runs, reports, exit code. For its main, and for an application.
#pragma once

namespace gramian::conformance {

/// Never throws; returns the exit status that --help lists. argv[argc] is NULL.
int run_conformance(int argc, char** argv);

} // namespace gramian::conformance
