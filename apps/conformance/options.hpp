// The command line of gramian-conformance.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace gramian::conformance {

struct Options {
    bool list = false;
    std::vector<std::string> filters;  // globs; empty: every case
    std::vector<std::string> excludes; // globs
    uint32_t shard = 0;                // cases whose number is `shard` modulo `shards`
    uint32_t shards = 1;
    uint64_t seed = 0;
    uint32_t repeat = 1;
    std::string device = "auto";
    bool minimum_limits = false;
    std::string vectors; // empty: the engine's own cases
    std::string junit;   // files to write; empty: none
    std::string json;
    std::string html;
    std::string bench;    // gramian-bench's JSON, for the page
    std::string baseline; // files to read; empty: none
    std::string waivers;
    uint64_t timeout_ms = 60'000;
    bool isolate = false;
    bool quick = false;
};

/// What ends the program before or between cases: exit code and what to say on stderr.
struct Stop {
    int exit_code;
    std::string message;
};

inline constexpr int kExitFailure = 1;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitNothingRan = 3;
inline constexpr int kExitCrash = 4;

/// Throws Stop: kExitUsage, or 0 after --help and --version.
Options parse_options(int argc, char** argv);

} // namespace gramian::conformance
