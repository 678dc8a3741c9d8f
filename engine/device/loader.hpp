// The Vulkan loader, opened at run time, and the instance: which physical devices there are and what they can do.
// volk's instance entry points are the only process-wide state of the engine.
#pragma once

#include "base/error.hpp"
#include "device/caps.hpp"

#include <memory>
#include <string>
#include <vector>
#include <volk.h>

namespace gramian {

/// "VK_ERROR_DEVICE_LOST"
const char* vk_result_name(VkResult result);
/// Throws Error unless the result is VK_SUCCESS: device_lost, out_of_memory or internal, naming the call.
void vk_check(VkResult result, const char* call);

struct PhysicalDevice {
    VkPhysicalDevice handle = VK_NULL_HANDLE;
    uint32_t queue_family = 0;
    Caps caps;
};

/// A Vulkan instance; with validation, messages are counted and the first one is kept.
class Instance {
public:
    /// Returns nullptr and says why in `reason` when this machine has no Vulkan loader or no driver.
    static std::unique_ptr<Instance> open(bool validation, std::string& reason);
    ~Instance();
    Instance(const Instance&) = delete;
    Instance& operator=(const Instance&) = delete;

    /// Devices with a compute queue and Vulkan 1.1, in the loader's order.
    [[nodiscard]] const std::vector<PhysicalDevice>& devices() const { return devices_; }
    /// Null without validation. Kept here: volk's own pointer belongs to the instance that was opened last.
    [[nodiscard]] PFN_vkSetDebugUtilsObjectNameEXT set_debug_name() const { return set_debug_name_; }
    /// Throws Error(internal) with the first validation message, if any came.
    void raise_validation_message() const;

private:
    Instance() = default;
    void find_devices();

    VkInstance handle_ = VK_NULL_HANDLE;
    VkDebugUtilsMessengerEXT messenger_ = VK_NULL_HANDLE;
    std::vector<PhysicalDevice> devices_;
    std::string first_message_;
    PFN_vkSetDebugUtilsObjectNameEXT set_debug_name_ = nullptr;
    PFN_vkDestroyDebugUtilsMessengerEXT destroy_messenger_ = nullptr;
};

} // namespace gramian
