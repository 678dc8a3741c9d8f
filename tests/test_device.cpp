#define DOCTEST_CONFIG_IMPLEMENT
#include "test_device.hpp"

#include "base/error.hpp"

#include <cstdio>
#include <cstdlib>
#include <doctest/doctest.h>
#include <string_view>

#if defined(__SANITIZE_ADDRESS__)
// Drivers leave a few allocations behind. Once unloaded their frames have no names and no suppression matches, so they
// stay loaded until the leak check is done.
extern "C" int dlclose(void*)
{
    return 0;
}
#endif

namespace gramian {
namespace {

std::unique_ptr<Device> opened;
std::unique_ptr<Device> host;

std::string_view environment(const char* name, const char* otherwise)
{
    const char* value = std::getenv(name);
    return value && *value ? value : otherwise;
}

} // namespace

DeviceOptions test_options()
{
    DeviceOptions options;
    options.selector = environment("GRAMIAN_DEVICE", "0");
    options.limits = environment("GRAMIAN_LIMITS", "device") == "minimum" ? Limits::minimum : Limits::device;
    options.validation = environment("GRAMIAN_VALIDATION", "0") == "1";
    // A driver may compile a kernel while it is waited for: seconds, many times that on a machine with much to do.
    options.timeout_ns = 600'000'000'000;
    return options;
}

Device& test_device()
{
    return *opened;
}

Device& host_device()
{
    return *host;
}

} // namespace gramian

int main(int argc, char** argv)
{
    using namespace gramian;
    doctest::Context tests(argc, argv);
    try {
        const DeviceOptions options = test_options();
        opened = open_device(options);
        host = open_host_device();
        const Caps& caps = opened->caps();
        std::printf("device: %s (%s)%s%s\n", caps.name.c_str(), caps.driver.c_str(),
                    options.limits == Limits::minimum ? ", limits minimum" : "",
                    options.validation ? ", validation" : "");
    } catch (const Error& error) {
        std::fprintf(stderr, "no device to test: %s\n", error.what());
        return 1;
    }
    const int result = tests.run();
    opened.reset(); // not at exit, when the driver may be gone
    return result;
}
