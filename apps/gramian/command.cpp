#include "command.hpp"

#include <cstdlib>
#include <fmt/format.h>

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
    DeviceHandle device(chosen);
    if (selector == "auto" && device.info().is_host && !options.quiet) {
        fmt::print(stderr,
                   "no Vulkan device here (a driver such as mesa-vulkan-drivers gives one): running on the host\n");
    }
    return device;
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
            return Exit::bad_input;
        case GRAMIAN_DEVICE_LOST:
        case GRAMIAN_TIMEOUT:
            return Exit::device_lost;
        default:
            return Exit::failed;
    }
}

} // namespace gramian::app
