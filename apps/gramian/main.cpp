// The command line: finds the subcommand, runs it, and turns what it throws into one clear line and an exit code.
#include "command.hpp"

#include <csignal>
#include <cstdio>
#include <fmt/format.h>
#include <vector>

namespace {

int fail(gramian::app::Exit code, const std::string& message)
{
    fmt::print(stderr, "gramian: {}\n", message);
    return static_cast<int>(code);
}

} // namespace

int main(int argc, char** argv)
{
    using namespace gramian::app;
    CLI::App app("Recurrent and least-squares networks on Vulkan devices");
    app.require_subcommand(1);
    app.set_version_flag("--version", gramian_version());
    const std::vector<Command> commands{
        make_run(app),     make_act(app),      make_demo(app),    make_distill(app), make_eval(app),   make_trace(app),
        make_compare(app), make_capacity(app), make_inspect(app), make_devices(app), make_agents(app),
    };
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        const int code = app.exit(error);
        return code == 0 ? 0 : static_cast<int>(Exit::usage);
    }
    try {
        for (const Command& command : commands) {
            if (!command.app->parsed()) continue;
            const Exit code = command.run();
            if (std::fflush(stdout) != 0) return fail(Exit::failed, "standard output cannot be written");
            return static_cast<int>(code);
        }
    } catch (const UsageError& error) {
        return fail(Exit::usage, error.what());
    } catch (const gramian::ApiError& error) {
        return fail(exit_code(error.status()), error.what());
    } catch (const std::exception& error) {
        return fail(Exit::failed, error.what());
    }
    return static_cast<int>(Exit::usage);
}
