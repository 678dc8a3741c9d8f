#include "opened_with.hpp"

#include <cstdlib>
#include <string_view>

namespace {

const char* environment(const char* name, const char* otherwise)
{
    const char* value = std::getenv(name);
    return value && *value ? value : otherwise;
}

} // namespace

gramian_device_options opened_with()
{
    gramian_device_options options = gramian_device_options_default();
    options.selector = environment("GRAMIAN_DEVICE", "0");
    const std::string_view limits = environment("GRAMIAN_LIMITS", "device");
    options.limits = limits == "minimum" ? GRAMIAN_LIMITS_MINIMUM : GRAMIAN_LIMITS_DEVICE;
    options.validation = std::string_view(environment("GRAMIAN_VALIDATION", "0")) == "1" ? 1 : 0;
    return options;
}
