#include "command.hpp"

#include "verdicts.hpp"

#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <system_error>
#include <unistd.h>

namespace gramian::app {

void add_common_options(CLI::App& app, CommonOptions& options)
{
    app.add_option("--device", options.device, "auto, an index, part of a name, or host")->capture_default_str();
    app.add_option("--limits", options.limits, "device, or minimum: pretend to be the least that Vulkan 1.1 promises")
        ->check(CLI::IsMember({"device", "minimum"}))
        ->capture_default_str();
    app.add_flag("--json", options.json, "One JSON object on standard output and nothing else");
    app.add_flag("--profile", options.profile, "Time per node");
    app.add_flag("--quiet", options.quiet, "No progress");
}

DeviceHandle open_device(const CommonOptions& options, const std::string& selector)
{
    gramian_device_options chosen = gramian_device_options_default();
    chosen.selector = selector.c_str();
    chosen.limits = options.limits == "minimum" ? GRAMIAN_LIMITS_MINIMUM : GRAMIAN_LIMITS_DEVICE;
    const char* validation = std::getenv("GRAMIAN_VALIDATION");
    chosen.validation = validation && std::string(validation) == "1";
    if (options.timeout_ns > 0) chosen.timeout_ns = options.timeout_ns;
    const std::string verdicts = kept_verdicts();
    chosen.verdict = verdicts.c_str();
    DeviceHandle device(chosen);
    if (selector == "auto" && device.info().is_host && !options.quiet) {
        fmt::print(stderr,
                   "no Vulkan device here (a driver such as mesa-vulkan-drivers gives one): running on the host\n");
    }
    return device;
}

void check_output(const std::string& out)
{
    namespace fs = std::filesystem;
    std::error_code ignored;
    const fs::file_status status = fs::status(out, ignored);
    if (fs::is_directory(status)) throw std::runtime_error(out + ": expected a file to write, found a directory");
    if (fs::exists(status) && !fs::is_regular_file(status)) return; // a pipe: opening it would be its first use
    const std::string beside = fmt::format("{}.{}.tmp", out, ::getpid());
    const int descriptor = ::open(beside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (descriptor < 0) {
        throw std::runtime_error(fmt::format("{}: cannot write: {}", out, std::generic_category().message(errno)));
    }
    ::close(descriptor);
    ::unlink(beside.c_str());
}

Exit exit_code(gramian_status status)
{
    switch (status) {
        case GRAMIAN_OK:
            return Exit::done;
        case GRAMIAN_NO_DEVICE:
            return Exit::no_device;
        case GRAMIAN_INVALID_MODEL:
        case GRAMIAN_IO_ERROR:
        case GRAMIAN_INVALID_STATE:
            return Exit::bad_input;
        case GRAMIAN_DEVICE_LOST:
        case GRAMIAN_TIMEOUT:
            return Exit::device_lost;
        default:
            return Exit::failed;
    }
}

} // namespace gramian::app
