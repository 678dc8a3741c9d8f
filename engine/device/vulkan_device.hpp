// The Vulkan executor: one logical device, one queue, one descriptor set layout, pipelines by kernel.
// Memory and programs live in files of their own beside this one and reach the device through this class.
#pragma once

#include "device/device.hpp"
#include "device/handle.hpp"
#include "device/loader.hpp"

#include <functional>
#include <map>
#include <mutex>

namespace gramian {

/// Binding after those of the arenas, where Caps::has_state_texels: the state once more, as a buffer of rgba32f texels.
/// Some processors' drivers read those several times faster than storage buffers. A kernel that does must have read a
/// vector before it, or another lane, writes it.
inline constexpr uint32_t kStateTexels = kArenaCount;

class VulkanDevice final : public Device {
public:
    VulkanDevice(std::unique_ptr<Instance> instance, const PhysicalDevice& physical, const DeviceOptions& options);
    ~VulkanDevice() override;
    VulkanDevice(const VulkanDevice&) = delete;
    VulkanDevice& operator=(const VulkanDevice&) = delete;

    [[nodiscard]] const Caps& caps() const override { return caps_; }
    [[nodiscard]] std::unique_ptr<Memory> allocate(MemoryKind kind, uint64_t bytes, const std::string& name) override;
    [[nodiscard]] std::unique_ptr<Program> compile(const LaunchList& list, std::span<const Arenas> windows,
                                                   const ProgramOptions& options) override;
    using Device::compile;
    [[nodiscard]] std::vector<std::byte> pipeline_cache() override;
    [[nodiscard]] uint32_t pipeline_count() const override { return static_cast<uint32_t>(pipelines_.size()); }
    void refuse(std::vector<Refusal> kernels) override { caps_.refused = std::move(kernels); }

    // For memory and programs.
    [[nodiscard]] const VolkDeviceTable& table() const { return logical_.table; }
    [[nodiscard]] VkDevice handle() const { return logical_.handle; }
    [[nodiscard]] VkPipelineLayout pipeline_layout() const { return pipeline_layout_.get(); }
    [[nodiscard]] VkDescriptorSetLayout set_layout() const { return set_layout_.get(); }
    [[nodiscard]] uint32_t queue_family() const { return queue_family_; }
    [[nodiscard]] VkBuffer empty_buffer() const { return empty_buffer_.get(); }
    [[nodiscard]] const VkPhysicalDeviceMemoryProperties& memory_types() const { return memory_types_; }
    /// The pipeline of this kernel, made on first use.
    [[nodiscard]] VkPipeline pipeline(const Kernel& kernel);
    void submit(VkCommandBuffer commands, VkFence fence);
    /// Waits with the device's time limit. After device_lost or a timeout every later call throws the same.
    void wait(VkFence fence);
    /// Throws what submit and wait would throw on a device that was lost or ran out of time.
    void check_alive();
    /// Before what is in flight is destroyed: gives it time to end, or else abandons the device. Throws nothing.
    void outlast(VkFence fence) noexcept;
    /// Records, submits and waits for a one-off command buffer.
    void run_once(const std::function<void(VkCommandBuffer)>& record);
    void set_name(VkObjectType type, uint64_t object, const std::string& name) const;
    template <class HandleType, class Raw>
    [[nodiscard]] HandleType own(Raw raw) const
    {
        return HandleType(logical_, raw);
    }
    [[nodiscard]] FenceHandle make_fence() const;
    [[nodiscard]] CommandPoolHandle make_command_pool() const;
    [[nodiscard]] VkCommandBuffer make_command_buffer(VkCommandPool pool) const;

private:
    void create_device(VkPhysicalDevice physical);
    void create_layouts();
    void raise_if_lost() const;
    void raise_if_refused(const Shader& shader) const;

    std::unique_ptr<Instance> instance_;
    Caps caps_;
    uint32_t queue_family_;
    uint64_t timeout_ns_;
    VkPhysicalDeviceMemoryProperties memory_types_{};
    LogicalDevice logical_; // before the objects that are made from it
    VkQueue queue_ = VK_NULL_HANDLE;
    std::mutex mutex_; // the queue and the pipelines
    Status lost_ = Status::ok;
    SetLayoutHandle set_layout_;
    PipelineLayoutHandle pipeline_layout_;
    PipelineCacheHandle pipeline_cache_;
    std::map<std::pair<const Shader*, std::vector<uint32_t>>, PipelineHandle> pipelines_;
    BufferHandle empty_buffer_;
    MemoryHandle empty_memory_;
};

/// Buffer plus its memory. Throws out_of_memory naming what was asked for.
struct Allocation {
    BufferHandle buffer;
    MemoryHandle memory;
    bool is_host_visible = false;
    bool is_coherent = false;
};
Allocation allocate_buffer(const VulkanDevice& device, uint64_t bytes, VkMemoryPropertyFlags required,
                           VkMemoryPropertyFlags preferred, const std::string& name);

} // namespace gramian
