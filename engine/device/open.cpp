// Which device a selector names, and which devices there are.
#include "base/error.hpp"
#include "device/device.hpp"
#include "device/loader.hpp"

namespace gramian {

std::unique_ptr<Device> open_device(const DeviceOptions& options)
{
    if (options.selector == "host") return open_host_device();
    std::string reason;
    if (std::unique_ptr<Device> device = open_vulkan_device(options, reason)) return device;
    if (options.selector == "auto" && !options.validation) return open_host_device();
    raise(Status::no_device, "{}", reason);
}

std::vector<Caps> list_devices()
{
    std::vector<Caps> found;
    std::string reason;
    if (const std::unique_ptr<Instance> instance = Instance::open(false, reason)) {
        for (const PhysicalDevice& device : instance->devices()) found.push_back(device.caps);
    }
    found.push_back(open_host_device()->caps());
    return found;
}

} // namespace gramian
