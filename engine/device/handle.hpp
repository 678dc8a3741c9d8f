// One move-only owner for every Vulkan object that a device made.
#pragma once

#include <utility>
#include <volk.h>

namespace gramian {

/// Owns `Raw`; `kDestroy` is the member of the device's table that destroys it.
template <class Raw, auto kDestroy>
class Handle {
public:
    Handle() = default;
    Handle(const VolkDeviceTable& table, VkDevice device, Raw raw) : table_(&table), device_(device), raw_(raw) {}
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
        if (raw_ != VK_NULL_HANDLE) (table_->*kDestroy)(device_, raw_, nullptr);
    }
    [[nodiscard]] Raw get() const noexcept { return raw_; }
    explicit operator bool() const noexcept { return raw_ != VK_NULL_HANDLE; }

private:
    void swap(Handle& other) noexcept
    {
        std::swap(table_, other.table_);
        std::swap(device_, other.device_);
        std::swap(raw_, other.raw_);
    }

    const VolkDeviceTable* table_ = nullptr;
    VkDevice device_ = VK_NULL_HANDLE;
    Raw raw_ = VK_NULL_HANDLE;
};

using BufferHandle = Handle<VkBuffer, &VolkDeviceTable::vkDestroyBuffer>;
using MemoryHandle = Handle<VkDeviceMemory, &VolkDeviceTable::vkFreeMemory>;
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
