// What the tests' sources run on when they are cases of the conformance runner: the device of the case.
#include "api/opened_with.hpp"
#include "conformance/property.hpp"
#include "test_device.hpp"

namespace gramian {

DeviceOptions test_options()
{
    return trial().opened_with();
}

Device& test_device()
{
    return trial().device();
}

Device& host_device()
{
    static const std::unique_ptr<Device> host = open_host_device();
    return *host;
}

} // namespace gramian

gramian_device_options opened_with()
{
    const gramian::DeviceOptions& given = gramian::trial().opened_with();
    gramian_device_options options = gramian_device_options_default();
    options.selector = given.selector.c_str();
    options.limits = static_cast<uint32_t>(given.limits);
    options.timeout_ns = given.timeout_ns;
    options.validation = given.validation ? 1 : 0;
    return options;
}
