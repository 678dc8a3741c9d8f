#include <cstdlib>
#define VOLK_IMPLEMENTATION
#include "device/loader.hpp"

#include <algorithm>
#include <cstring>
#include <mutex>

namespace gramian {
namespace {

constexpr const char* kValidationLayer = "VK_LAYER_KHRONOS_validation";

VKAPI_ATTR VkBool32 VKAPI_CALL on_message(VkDebugUtilsMessageSeverityFlagBitsEXT, VkDebugUtilsMessageTypeFlagsEXT,
                                          const VkDebugUtilsMessengerCallbackDataEXT* data, void* user)
{
    auto& first = *static_cast<std::string*>(user);
    if (first.empty()) first = data->pMessage ? data->pMessage : "(no text)";
    return VK_FALSE;
}

bool has_layer(const char* name)
{
    uint32_t count = 0;
    vkEnumerateInstanceLayerProperties(&count, nullptr);
    std::vector<VkLayerProperties> layers(count);
    vkEnumerateInstanceLayerProperties(&count, layers.data());
    return std::any_of(layers.begin(), layers.end(),
                       [&](const VkLayerProperties& layer) { return std::strcmp(layer.layerName, name) == 0; });
}

/// The compute family to use: one without graphics runs beside a frame being drawn, so it is preferred.
bool find_queue_family(VkPhysicalDevice device, uint32_t& family)
{
    uint32_t count = 0;
    vkGetPhysicalDeviceQueueFamilyProperties(device, &count, nullptr);
    std::vector<VkQueueFamilyProperties> families(count);
    vkGetPhysicalDeviceQueueFamilyProperties(device, &count, families.data());
    bool found = false;
    for (uint32_t i = 0; i < count; ++i) {
        if (!(families[i].queueFlags & VK_QUEUE_COMPUTE_BIT)) continue;
        const bool is_dedicated = !(families[i].queueFlags & VK_QUEUE_GRAPHICS_BIT);
        if (!found || is_dedicated) family = i;
        found = true;
        if (is_dedicated) break;
    }
    return found;
}

const char* kind_name(VkPhysicalDeviceType type)
{
    switch (type) {
        case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU:
            return "integrated gpu";
        case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU:
            return "discrete gpu";
        case VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU:
            return "virtual gpu";
        case VK_PHYSICAL_DEVICE_TYPE_CPU:
            return "cpu";
        default:
            return "other";
    }
}

Caps read_caps(VkPhysicalDevice device, uint32_t family, uint32_t instance_version)
{
    VkPhysicalDeviceMaintenance3Properties maintenance{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_3_PROPERTIES};
    VkPhysicalDeviceSubgroupProperties subgroup{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES};
    VkPhysicalDeviceDriverProperties driver{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES};
    VkPhysicalDeviceProperties2 properties{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2};
    properties.pNext = &subgroup;
    subgroup.pNext = &maintenance;
    VkPhysicalDeviceProperties first;
    vkGetPhysicalDeviceProperties(device, &first);
    if (std::min(first.apiVersion, instance_version) >= VK_API_VERSION_1_2) maintenance.pNext = &driver;
    vkGetPhysicalDeviceProperties2(device, &properties);
    const VkPhysicalDeviceLimits& limits = properties.properties.limits;

    Caps caps;
    caps.name = first.deviceName;
    caps.driver = driver.driverName[0] ? fmt::format("{} {}", driver.driverName, driver.driverInfo)
                                       : fmt::format("driver {:#x}", first.driverVersion);
    caps.kind = kind_name(first.deviceType);
    caps.api_version = first.apiVersion;
    caps.vendor_id = first.vendorID;
    caps.device_id = first.deviceID;
    caps.driver_version = first.driverVersion;
    caps.is_software = first.deviceType == VK_PHYSICAL_DEVICE_TYPE_CPU;
    caps.subgroup_size = subgroup.subgroupSize;
    constexpr VkSubgroupFeatureFlags kOperations = VK_SUBGROUP_FEATURE_BALLOT_BIT | VK_SUBGROUP_FEATURE_ARITHMETIC_BIT;
    caps.has_subgroup_operations = (subgroup.supportedOperations & kOperations) == kOperations &&
                                   (subgroup.supportedStages & VK_SHADER_STAGE_COMPUTE_BIT);
    caps.max_workgroup_invocations = std::min(limits.maxComputeWorkGroupInvocations, limits.maxComputeWorkGroupSize[0]);
    caps.max_shared_bytes = limits.maxComputeSharedMemorySize;
    caps.max_push_bytes = limits.maxPushConstantsSize;
    caps.max_groups = std::min(
        {limits.maxComputeWorkGroupCount[0], limits.maxComputeWorkGroupCount[1], limits.maxComputeWorkGroupCount[2]});
    caps.max_storage_bytes = limits.maxStorageBufferRange;
    // Where reading through a view is known to be faster, and any arena fits one.
    caps.has_state_texels = caps.is_software && 16 * uint64_t{limits.maxTexelBufferElements} >= caps.max_storage_bytes;
    caps.offset_alignment = std::max<uint64_t>(limits.minStorageBufferOffsetAlignment, 16);
    caps.non_coherent_atom = limits.nonCoherentAtomSize;
    caps.max_memory_bytes = maintenance.maxMemoryAllocationSize;
    VkPhysicalDeviceMemoryProperties memory;
    vkGetPhysicalDeviceMemoryProperties(device, &memory);
    for (uint32_t i = 0; i < memory.memoryHeapCount; ++i) {
        const VkMemoryHeap& heap = memory.memoryHeaps[i];
        if (heap.flags & VK_MEMORY_HEAP_DEVICE_LOCAL_BIT) caps.heap_bytes = std::max(caps.heap_bytes, heap.size);
    }
    uint32_t count = family + 1;
    std::vector<VkQueueFamilyProperties> families(count);
    vkGetPhysicalDeviceQueueFamilyProperties(device, &count, families.data());
    if (families[family].timestampValidBits) caps.timestamp_ns = static_cast<double>(limits.timestampPeriod);
    return caps;
}

} // namespace

const char* vk_result_name(VkResult result)
{
    switch (result) {
        case VK_SUCCESS:
            return "VK_SUCCESS";
        case VK_TIMEOUT:
            return "VK_TIMEOUT";
        case VK_ERROR_OUT_OF_HOST_MEMORY:
            return "VK_ERROR_OUT_OF_HOST_MEMORY";
        case VK_ERROR_OUT_OF_DEVICE_MEMORY:
            return "VK_ERROR_OUT_OF_DEVICE_MEMORY";
        case VK_ERROR_INITIALIZATION_FAILED:
            return "VK_ERROR_INITIALIZATION_FAILED";
        case VK_ERROR_DEVICE_LOST:
            return "VK_ERROR_DEVICE_LOST";
        case VK_ERROR_MEMORY_MAP_FAILED:
            return "VK_ERROR_MEMORY_MAP_FAILED";
        case VK_ERROR_LAYER_NOT_PRESENT:
            return "VK_ERROR_LAYER_NOT_PRESENT";
        case VK_ERROR_EXTENSION_NOT_PRESENT:
            return "VK_ERROR_EXTENSION_NOT_PRESENT";
        case VK_ERROR_FEATURE_NOT_PRESENT:
            return "VK_ERROR_FEATURE_NOT_PRESENT";
        case VK_ERROR_INCOMPATIBLE_DRIVER:
            return "VK_ERROR_INCOMPATIBLE_DRIVER";
        case VK_ERROR_TOO_MANY_OBJECTS:
            return "VK_ERROR_TOO_MANY_OBJECTS";
        default:
            return "a VkResult without a name here";
    }
}

void vk_check(VkResult result, const char* call)
{
    if (result == VK_SUCCESS) return;
    Status status = Status::internal;
    if (result == VK_ERROR_DEVICE_LOST) status = Status::device_lost;
    if (result == VK_ERROR_OUT_OF_DEVICE_MEMORY || result == VK_ERROR_OUT_OF_HOST_MEMORY)
        status = Status::out_of_memory;
    raise(status, "{} returned {} ({})", call, vk_result_name(result), static_cast<int>(result));
}

std::unique_ptr<Instance> Instance::open(bool validation, std::string& reason)
{
    static std::mutex mutex; // volk's entry points are process-wide
    const std::lock_guard lock(mutex);
    if (volkInitialize() != VK_SUCCESS) {
        reason = "no Vulkan loader (libvulkan.so.1) on this machine";
        return nullptr;
    }
    if (volkGetInstanceVersion() < VK_API_VERSION_1_1) {
        reason = "the Vulkan loader is older than 1.1";
        return nullptr;
    }
    if (validation && !has_layer(kValidationLayer)) {
        reason = fmt::format("validation was asked for, but the layer {} is not installed", kValidationLayer);
        return nullptr;
    }
    VkApplicationInfo application{VK_STRUCTURE_TYPE_APPLICATION_INFO};
    application.pEngineName = "gramian";
    application.apiVersion = VK_API_VERSION_1_1;
    VkInstanceCreateInfo create{VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO};
    create.pApplicationInfo = &application;
    const char* extension = VK_EXT_DEBUG_UTILS_EXTENSION_NAME;
    if (validation) {
        create.enabledLayerCount = 1;
        create.ppEnabledLayerNames = &kValidationLayer;
        create.enabledExtensionCount = 1;
        create.ppEnabledExtensionNames = &extension;
    }
    std::unique_ptr<Instance> instance(new Instance);
    const VkResult result = vkCreateInstance(&create, nullptr, &instance->handle_);
    if (result != VK_SUCCESS) {
        reason = fmt::format("no Vulkan driver could be opened (vkCreateInstance returned {})", vk_result_name(result));
        instance->handle_ = VK_NULL_HANDLE;
        return nullptr;
    }
    volkLoadInstance(instance->handle_);
    if (validation) {
        VkDebugUtilsMessengerCreateInfoEXT messenger{VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT};
        messenger.messageSeverity =
            VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT | VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT;
        messenger.messageType = VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT;
        messenger.pfnUserCallback = on_message;
        messenger.pUserData = &instance->first_message_;
        instance->set_debug_name_ = vkSetDebugUtilsObjectNameEXT;
        instance->destroy_messenger_ = vkDestroyDebugUtilsMessengerEXT;
        vk_check(vkCreateDebugUtilsMessengerEXT(instance->handle_, &messenger, nullptr, &instance->messenger_),
                 "vkCreateDebugUtilsMessengerEXT");
    }
    instance->find_devices();
    if (instance->devices_.empty()) {
        reason = "no Vulkan 1.1 device with a compute queue";
        return nullptr;
    }
    return instance;
}

void Instance::find_devices()
{
    uint32_t count = 0;
    if (vkEnumeratePhysicalDevices(handle_, &count, nullptr) != VK_SUCCESS) return;
    std::vector<VkPhysicalDevice> handles(count);
    if (vkEnumeratePhysicalDevices(handle_, &count, handles.data()) != VK_SUCCESS) return;
    for (VkPhysicalDevice handle : handles) {
        VkPhysicalDeviceProperties properties;
        vkGetPhysicalDeviceProperties(handle, &properties);
        PhysicalDevice device{handle, 0, {}};
        if (properties.apiVersion < VK_API_VERSION_1_1 || !find_queue_family(handle, device.queue_family)) continue;
        device.caps = read_caps(handle, device.queue_family, volkGetInstanceVersion());
        devices_.push_back(std::move(device));
    }
}

void Instance::raise_validation_message() const
{
    if (!first_message_.empty()) raise(Status::internal, "validation: {}", first_message_);
}

Instance::~Instance()
{
    if (messenger_) destroy_messenger_(handle_, messenger_, nullptr);
    if (handle_) vkDestroyInstance(handle_, nullptr);
}

} // namespace gramian
