// One move-only owner for every Vulkan object that a device made, and the owner of the device itself.
#pragma once

#include <utility>
#include <volk.h>

namespace gramian {

/// Owns the VkDevice and its entry points. A device whose work never ended is abandoned: neither it nor anything that
/// was made from it is destroyed, since the device may still be using it.
struct LogicalDevice {
    LogicalDevice() = default;
    LogicalDevice(const LogicalDevice&) = delete;
    LogicalDevice& operator=(const LogicalDevice&) = delete;
    ~LogicalDevice()
    {
        if (handle && !is_abandoned) table.vkDestroyDevice(handle, nullptr);
    }
    VkDevice handle = VK_NULL_HANDLE;
    VolkDeviceTable table{};
    bool is_abandoned = false;
};

/// Owns `Raw`; `kDestroy` is the member of the device's table that destroys it.
template <class Raw, auto kDestroy>
class Handle {
public:
    Handle() = default;
    Handle(const LogicalDevice& device, Raw raw) : device_(&device), raw_(raw) {}
    Handle(Handle&& other) noexcept { swap(other); }
    Handle& operator=(Handle&& other) noexcept
    {
        Handle taken(std::move(other));
        swap(taken);
        return *this;
    }
    Handle(const Handle&) = delete;
    Handle& operator=(const Handle&) = delete;
    ~Handle()
    {
        if (raw_ != VK_NULL_HANDLE && !device_->is_abandoned)
            (device_->table.*kDestroy)(device_->handle, raw_, nullptr);
    }
    [[nodiscard]] Raw get() const noexcept { return raw_; }
    explicit operator bool() const noexcept { return raw_ != VK_NULL_HANDLE; }

private:
    void swap(Handle& other) noexcept
    {
        std::swap(device_, other.device_);
        std::swap(raw_, other.raw_);
    }

    const LogicalDevice* device_ = nullptr;
    Raw raw_ = VK_NULL_HANDLE;
};

using BufferHandle = Handle<VkBuffer, &VolkDeviceTable::vkDestroyBuffer>;
using MemoryHandle = Handle<VkDeviceMemory, &VolkDeviceTable::vkFreeMemory>;
using BufferViewHandle = Handle<VkBufferView, &VolkDeviceTable::vkDestroyBufferView>;
using ShaderModuleHandle = Handle<VkShaderModule, &VolkDeviceTable::vkDestroyShaderModule>;
using PipelineHandle = Handle<VkPipeline, &VolkDeviceTable::vkDestroyPipeline>;
using PipelineLayoutHandle = Handle<VkPipelineLayout, &VolkDeviceTable::vkDestroyPipelineLayout>;
using PipelineCacheHandle = Handle<VkPipelineCache, &VolkDeviceTable::vkDestroyPipelineCache>;
using SetLayoutHandle = Handle<VkDescriptorSetLayout, &VolkDeviceTable::vkDestroyDescriptorSetLayout>;
using DescriptorPoolHandle = Handle<VkDescriptorPool, &VolkDeviceTable::vkDestroyDescriptorPool>;
using CommandPoolHandle = Handle<VkCommandPool, &VolkDeviceTable::vkDestroyCommandPool>;
using FenceHandle = Handle<VkFence, &VolkDeviceTable::vkDestroyFence>;
using QueryPoolHandle = Handle<VkQueryPool, &VolkDeviceTable::vkDestroyQueryPool>;

} // namespace gramian
