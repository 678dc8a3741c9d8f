#include "device/vulkan_device.hpp"

#include <array>
#include <cstring>

namespace gramian {

VulkanDevice::VulkanDevice(std::unique_ptr<Instance> instance, const PhysicalDevice& physical,
                           const DeviceOptions& options)
    : instance_(std::move(instance)), caps_(physical.caps), queue_family_(physical.queue_family),
      timeout_ns_(options.timeout_ns)
{
    if (options.limits == Limits::minimum) caps_.reduce_to_minimum();
    vkGetPhysicalDeviceMemoryProperties(physical.handle, &memory_types_);
    create_device(physical.handle);
    create_layouts();
    VkPipelineCacheCreateInfo cache{VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO};
    cache.initialDataSize = options.pipeline_cache.size();
    cache.pInitialData = options.pipeline_cache.data();
    VkPipelineCache raw = VK_NULL_HANDLE;
    vk_check(table().vkCreatePipelineCache(handle(), &cache, nullptr, &raw), "vkCreatePipelineCache");
    pipeline_cache_ = own<PipelineCacheHandle>(raw);
    Allocation empty = allocate_buffer(*this, 256, 0, VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT, "empty");
    empty_buffer_ = std::move(empty.buffer);
    empty_memory_ = std::move(empty.memory);
}

VulkanDevice::~VulkanDevice()
{
    if (logical_.is_abandoned)
        (void)instance_.release(); // an instance must outlive its devices
    else
        table().vkDeviceWaitIdle(handle());
}

void VulkanDevice::create_device(VkPhysicalDevice physical)
{
    const float priority = 1.0F;
    VkDeviceQueueCreateInfo queue{VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO};
    queue.queueFamilyIndex = queue_family_;
    queue.queueCount = 1;
    queue.pQueuePriorities = &priority;
    // No feature is enabled: robustBufferAccess would hide out-of-bounds accesses from the validation layers.
    VkDeviceCreateInfo create{VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO};
    create.queueCreateInfoCount = 1;
    create.pQueueCreateInfos = &queue;
    vk_check(vkCreateDevice(physical, &create, nullptr, &logical_.handle), "vkCreateDevice");
    volkLoadDeviceTable(&logical_.table, logical_.handle);
    table().vkGetDeviceQueue(handle(), queue_family_, 0, &queue_);
}

void VulkanDevice::create_layouts()
{
    std::array<VkDescriptorSetLayoutBinding, kArenaCount + 1> bindings{};
    for (uint32_t i = 0; i < kArenaCount; ++i) {
        bindings[i] = {i, VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, 1, VK_SHADER_STAGE_COMPUTE_BIT, nullptr};
    }
    VkDescriptorSetLayoutCreateInfo set{VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO};
    bindings[kStateTexels] = {kStateTexels, VK_DESCRIPTOR_TYPE_UNIFORM_TEXEL_BUFFER, 1, VK_SHADER_STAGE_COMPUTE_BIT,
                              nullptr};
    set.bindingCount = caps_.has_state_texels ? kArenaCount + 1 : kArenaCount;
    set.pBindings = bindings.data();
    VkDescriptorSetLayout set_layout = VK_NULL_HANDLE;
    vk_check(table().vkCreateDescriptorSetLayout(handle(), &set, nullptr, &set_layout), "vkCreateDescriptorSetLayout");
    set_layout_ = own<SetLayoutHandle>(set_layout);

    const VkPushConstantRange push{VK_SHADER_STAGE_COMPUTE_BIT, 0, 4 * Launch::kMaxPushWords};
    VkPipelineLayoutCreateInfo layout{VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO};
    layout.setLayoutCount = 1;
    layout.pSetLayouts = &set_layout;
    layout.pushConstantRangeCount = 1;
    layout.pPushConstantRanges = &push;
    VkPipelineLayout pipeline_layout = VK_NULL_HANDLE;
    vk_check(table().vkCreatePipelineLayout(handle(), &layout, nullptr, &pipeline_layout), "vkCreatePipelineLayout");
    pipeline_layout_ = own<PipelineLayoutHandle>(pipeline_layout);
}

void VulkanDevice::raise_if_refused(const Shader& shader) const
{
    for (const Refusal& refusal : caps_.refused) {
        if (refusal.kernel != shader.name) continue;
        raise(Status::unsupported, "kernel {} failed the self-test of {} ({}), and no other variant does its work",
              shader.name, caps_.name, refusal.reason);
    }
}

VkPipeline VulkanDevice::pipeline(const Kernel& kernel)
{
    raise_if_refused(*kernel.shader);
    const std::lock_guard lock(mutex_);
    PipelineHandle& pipeline = pipelines_[{kernel.shader, kernel.constants}];
    if (pipeline) return pipeline.get();

    VkShaderModuleCreateInfo code{VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO};
    code.codeSize = kernel.shader->words.size_bytes();
    code.pCode = kernel.shader->words.data();
    VkShaderModule raw_module = VK_NULL_HANDLE;
    vk_check(table().vkCreateShaderModule(handle(), &code, nullptr, &raw_module), "vkCreateShaderModule");
    const auto module = own<ShaderModuleHandle>(raw_module);

    std::vector<VkSpecializationMapEntry> entries;
    for (uint32_t id = 0; id < kernel.constants.size(); ++id) entries.push_back({id, 4 * id, 4});
    const VkSpecializationInfo constants{static_cast<uint32_t>(entries.size()), entries.data(),
                                         4 * kernel.constants.size(), kernel.constants.data()};
    VkComputePipelineCreateInfo create{VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO};
    create.stage = {VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO};
    create.stage.stage = VK_SHADER_STAGE_COMPUTE_BIT;
    create.stage.module = module.get();
    create.stage.pName = "main";
    create.stage.pSpecializationInfo = &constants;
    create.layout = pipeline_layout_.get();
    VkPipeline raw = VK_NULL_HANDLE;
    const VkResult result =
        table().vkCreateComputePipelines(handle(), pipeline_cache_.get(), 1, &create, nullptr, &raw);
    if (result != VK_SUCCESS) {
        raise(Status::unsupported, "kernel {} did not compile on {} ({})", kernel.shader->name, caps_.name,
              vk_result_name(result));
    }
    pipeline = own<PipelineHandle>(raw);
    set_name(VK_OBJECT_TYPE_PIPELINE, reinterpret_cast<uint64_t>(raw), std::string(kernel.shader->name));
    return raw;
}

std::vector<std::byte> VulkanDevice::pipeline_cache()
{
    size_t size = 0;
    vk_check(table().vkGetPipelineCacheData(handle(), pipeline_cache_.get(), &size, nullptr), "vkGetPipelineCacheData");
    std::vector<std::byte> data(size);
    vk_check(table().vkGetPipelineCacheData(handle(), pipeline_cache_.get(), &size, data.data()),
             "vkGetPipelineCacheData");
    data.resize(size);
    return data;
}

void VulkanDevice::raise_if_lost() const
{
    if (lost_ == Status::device_lost) raise(lost_, "{} was lost earlier; open it anew", caps_.name);
    if (lost_ == Status::timeout) raise(lost_, "{} did not finish earlier work in time; open it anew", caps_.name);
}

void VulkanDevice::check_alive()
{
    const std::lock_guard lock(mutex_);
    raise_if_lost();
}

void VulkanDevice::outlast(VkFence fence) noexcept
{
    constexpr uint64_t kFarewellNs = 2'000'000'000;
    const VkResult result = table().vkWaitForFences(handle(), 1, &fence, VK_TRUE, kFarewellNs);
    if (result == VK_TIMEOUT) logical_.is_abandoned = true; // destroying what the device still uses would crash
}

void VulkanDevice::submit(VkCommandBuffer commands, VkFence fence)
{
    const std::lock_guard lock(mutex_);
    raise_if_lost();
    VkSubmitInfo info{VK_STRUCTURE_TYPE_SUBMIT_INFO};
    info.commandBufferCount = 1;
    info.pCommandBuffers = &commands;
    const VkResult result = table().vkQueueSubmit(queue_, 1, &info, fence);
    if (result == VK_ERROR_DEVICE_LOST) lost_ = Status::device_lost;
    vk_check(result, "vkQueueSubmit");
}

void VulkanDevice::wait(VkFence fence)
{
    check_alive();
    const VkResult result = table().vkWaitForFences(handle(), 1, &fence, VK_TRUE, timeout_ns_);
    if (result == VK_TIMEOUT) {
        const std::lock_guard lock(mutex_);
        lost_ = Status::timeout;
        raise(Status::timeout, "{} did not finish within {} ms", caps_.name, timeout_ns_ / 1'000'000);
    }
    if (result == VK_ERROR_DEVICE_LOST) {
        const std::lock_guard lock(mutex_);
        lost_ = Status::device_lost;
    }
    vk_check(result, "vkWaitForFences");
    instance_->raise_validation_message();
}

FenceHandle VulkanDevice::make_fence() const
{
    VkFenceCreateInfo create{VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
    VkFence raw = VK_NULL_HANDLE;
    vk_check(table().vkCreateFence(handle(), &create, nullptr, &raw), "vkCreateFence");
    return own<FenceHandle>(raw);
}

CommandPoolHandle VulkanDevice::make_command_pool() const
{
    VkCommandPoolCreateInfo create{VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO};
    create.queueFamilyIndex = queue_family_;
    VkCommandPool raw = VK_NULL_HANDLE;
    vk_check(table().vkCreateCommandPool(handle(), &create, nullptr, &raw), "vkCreateCommandPool");
    return own<CommandPoolHandle>(raw);
}

VkCommandBuffer VulkanDevice::make_command_buffer(VkCommandPool pool) const
{
    VkCommandBufferAllocateInfo allocate{VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO};
    allocate.commandPool = pool;
    allocate.level = VK_COMMAND_BUFFER_LEVEL_PRIMARY;
    allocate.commandBufferCount = 1;
    VkCommandBuffer commands = VK_NULL_HANDLE;
    vk_check(table().vkAllocateCommandBuffers(handle(), &allocate, &commands), "vkAllocateCommandBuffers");
    return commands;
}

void VulkanDevice::run_once(const std::function<void(VkCommandBuffer)>& record)
{
    const CommandPoolHandle pool = make_command_pool();
    const FenceHandle fence = make_fence();
    VkCommandBuffer commands = make_command_buffer(pool.get());
    VkCommandBufferBeginInfo begin{VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO};
    begin.flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT;
    vk_check(table().vkBeginCommandBuffer(commands, &begin), "vkBeginCommandBuffer");
    record(commands);
    vk_check(table().vkEndCommandBuffer(commands), "vkEndCommandBuffer");
    submit(commands, fence.get());
    try {
        wait(fence.get());
    } catch (const Error&) {
        outlast(fence.get()); // the caller is about to destroy what this still uses
        throw;
    }
}

void VulkanDevice::set_name(VkObjectType type, uint64_t object, const std::string& name) const
{
    if (!instance_->set_debug_name()) return;
    VkDebugUtilsObjectNameInfoEXT info{VK_STRUCTURE_TYPE_DEBUG_UTILS_OBJECT_NAME_INFO_EXT};
    info.objectType = type;
    info.objectHandle = object;
    info.pObjectName = name.c_str();
    instance_->set_debug_name()(handle(), &info);
}

std::unique_ptr<Device> open_vulkan_device(const DeviceOptions& options, std::string& reason)
{
    std::unique_ptr<Instance> instance = Instance::open(options.validation, reason);
    if (!instance) return nullptr;
    const std::vector<PhysicalDevice>& devices = instance->devices();
    const std::string& selector = options.selector;
    const bool is_index = !selector.empty() && selector.find_first_not_of("0123456789") == std::string::npos;
    for (size_t i = 0; i < devices.size(); ++i) {
        const bool is_wanted =
            selector == "auto" ||
            (is_index ? selector == std::to_string(i)
                      : !selector.empty() && devices[i].caps.name.find(selector) != std::string::npos);
        if (!is_wanted) continue;
        const PhysicalDevice chosen = devices[i];
        return std::make_unique<VulkanDevice>(std::move(instance), chosen, options);
    }
    reason.clear();
    for (size_t i = 0; i < devices.size(); ++i) reason += fmt::format("\n  {}  {}", i, devices[i].caps.name);
    reason = fmt::format("no Vulkan device '{}'; there are:{}\n  host  the host executor", selector, reason);
    return nullptr;
}

} // namespace gramian
