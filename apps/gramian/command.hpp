// What every subcommand shares: the common options, exit codes, and how results and errors are printed.
#pragma once

#include <CLI/CLI.hpp>
#include <gramian/gramian.hpp>
#include <nlohmann/json.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace gramian::app {

using Json = nlohmann::ordered_json;

enum class Exit : int { done = 0, failed = 1, usage = 2, no_device = 3, bad_input = 4, device_lost = 5 };

/// A mistake in how the command was called: printed as one line, exit code 2.
class UsageError : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

struct CommonOptions {
    std::string device = "auto";
    std::string limits = "device";
    bool json = false;
    bool profile = false;
    bool quiet = false;
    uint64_t timeout_ns = 0; // of a wait for the device; 0: the library's own
};

/// Adds --device, --limits, --json, --profile and --quiet. `options` must outlive the parse.
void add_common_options(CLI::App& app, CommonOptions& options);

/// Opens the device that the options name; says so in one line on standard error when `auto` found no Vulkan.
/// Kernels that `gramian devices --self-test` found wrong there are not used.
/// GRAMIAN_VALIDATION=1 in the environment switches the validation layer on.
DeviceHandle open_device(const CommonOptions& options, const std::string& selector);

/// So that no work is lost: tries what saving a file will do, and leaves nothing behind. Throws std::runtime_error
/// naming the path.
void check_output(const std::string& out);

/// What a failed call of the library means for the process.
Exit exit_code(gramian_status status);

/// A subcommand: its options are bound when it is made, `run` does the work after parsing.
struct Command {
    CLI::App* app;
    std::function<Exit()> run;
};

Command make_run(CLI::App& parent);
Command make_act(CLI::App& parent);
Command make_capacity(CLI::App& parent);
Command make_compare(CLI::App& parent);
Command make_demo(CLI::App& parent);
Command make_distill(CLI::App& parent);
Command make_eval(CLI::App& parent);
Command make_devices(CLI::App& parent);
Command make_inspect(CLI::App& parent);
Command make_agents(CLI::App& parent);
Command make_trace(CLI::App& parent);

} // namespace gramian::app
