// A launch list as a command buffer that is recorded once and submitted many times.
#include "device/vulkan_memory.hpp"

namespace gramian {
namespace {

class VulkanProgram final : public Program {
public:
    VulkanProgram(VulkanDevice& device, const LaunchList& list, const Arenas& arenas, const ProgramOptions& options);
    ~VulkanProgram() override
    {
        if (in_flight_) device_.outlast(fence_.get()); // it still uses the command buffer
    }
    VulkanProgram(const VulkanProgram&) = delete;
    VulkanProgram& operator=(const VulkanProgram&) = delete;
    void submit() override;
    void wait() override;
    [[nodiscard]] std::vector<double> launch_ns() override;

private:
    void create_set(const Arenas& arenas);
    void record(const LaunchList& list);
    void record_launches(const LaunchList& list);
    void copy_io(IoRange range, bool to_device);
    void barrier(VkPipelineStageFlags from, VkAccessFlags written, VkPipelineStageFlags to, VkAccessFlags used);

    VulkanDevice& device_;
    VulkanMemory* io_;
    ProgramOptions options_;
    DescriptorPoolHandle descriptor_pool_;
    VkDescriptorSet set_ = VK_NULL_HANDLE;
    CommandPoolHandle command_pool_;
    VkCommandBuffer commands_ = VK_NULL_HANDLE;
    FenceHandle fence_;
    QueryPoolHandle queries_;
    uint32_t launch_count_;
    bool in_flight_ = false;
};

VulkanProgram::VulkanProgram(VulkanDevice& device, const LaunchList& list, const Arenas& arenas,
                             const ProgramOptions& options)
    : device_(device), io_(static_cast<VulkanMemory*>(arenas.memory[static_cast<size_t>(Arena::io)])),
      options_(options), launch_count_(static_cast<uint32_t>(list.launches().size()))
{
    create_set(arenas);
    if (options.profile && device.caps().timestamp_ns > 0) {
        VkQueryPoolCreateInfo create{VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO};
        create.queryType = VK_QUERY_TYPE_TIMESTAMP;
        create.queryCount = launch_count_ + 1;
        VkQueryPool raw = VK_NULL_HANDLE;
        vk_check(device.table().vkCreateQueryPool(device.handle(), &create, nullptr, &raw), "vkCreateQueryPool");
        queries_ = device.own<QueryPoolHandle>(raw);
    }
    command_pool_ = device.make_command_pool();
    commands_ = device.make_command_buffer(command_pool_.get());
    device.set_name(VK_OBJECT_TYPE_COMMAND_BUFFER, reinterpret_cast<uint64_t>(commands_), options.name);
    fence_ = device.make_fence();
    record(list);
}

void VulkanProgram::create_set(const Arenas& arenas)
{
    const VolkDeviceTable& table = device_.table();
    const VkDescriptorPoolSize size{VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, kArenaCount};
    VkDescriptorPoolCreateInfo pool{VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO};
    pool.maxSets = 1;
    pool.poolSizeCount = 1;
    pool.pPoolSizes = &size;
    VkDescriptorPool raw = VK_NULL_HANDLE;
    vk_check(table.vkCreateDescriptorPool(device_.handle(), &pool, nullptr, &raw), "vkCreateDescriptorPool");
    descriptor_pool_ = device_.own<DescriptorPoolHandle>(raw);

    const VkDescriptorSetLayout layout = device_.set_layout();
    VkDescriptorSetAllocateInfo allocate{VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO};
    allocate.descriptorPool = raw;
    allocate.descriptorSetCount = 1;
    allocate.pSetLayouts = &layout;
    vk_check(table.vkAllocateDescriptorSets(device_.handle(), &allocate, &set_), "vkAllocateDescriptorSets");

    std::array<VkDescriptorBufferInfo, kArenaCount> buffers{};
    std::array<VkWriteDescriptorSet, kArenaCount> writes{};
    for (uint32_t i = 0; i < kArenaCount; ++i) {
        const auto* memory = static_cast<const VulkanMemory*>(arenas.memory[i]);
        buffers[i] = {memory ? memory->buffer() : device_.empty_buffer(), 0, VK_WHOLE_SIZE};
        writes[i] = {VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET};
        writes[i].dstSet = set_;
        writes[i].dstBinding = i;
        writes[i].descriptorCount = 1;
        writes[i].descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER;
        writes[i].pBufferInfo = &buffers[i];
    }
    table.vkUpdateDescriptorSets(device_.handle(), kArenaCount, writes.data(), 0, nullptr);
}

void VulkanProgram::barrier(VkPipelineStageFlags from, VkAccessFlags written, VkPipelineStageFlags to,
                            VkAccessFlags used)
{
    const VkMemoryBarrier memory{VK_STRUCTURE_TYPE_MEMORY_BARRIER, nullptr, written, used};
    device_.table().vkCmdPipelineBarrier(commands_, from, to, 0, 1, &memory, 0, nullptr, 0, nullptr);
}

void VulkanProgram::copy_io(IoRange range, bool to_device)
{
    if (range.bytes == 0 || !io_ || !io_->staging()) return;
    const VkBufferCopy copy{range.offset, range.offset, range.bytes};
    const VkBuffer host = io_->staging()->buffer();
    if (!to_device) {
        barrier(VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, VK_ACCESS_SHADER_WRITE_BIT, VK_PIPELINE_STAGE_TRANSFER_BIT,
                VK_ACCESS_TRANSFER_READ_BIT);
    }
    device_.table().vkCmdCopyBuffer(commands_, to_device ? host : io_->buffer(), to_device ? io_->buffer() : host, 1,
                                    &copy);
    if (to_device) {
        barrier(VK_PIPELINE_STAGE_TRANSFER_BIT, VK_ACCESS_TRANSFER_WRITE_BIT, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT,
                VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT);
    }
}

void VulkanProgram::record(const LaunchList& list)
{
    const VolkDeviceTable& table = device_.table();
    VkCommandBufferBeginInfo begin{VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO};
    vk_check(table.vkBeginCommandBuffer(commands_, &begin), "vkBeginCommandBuffer");
    // Submits of one queue start in order but may overlap: what an earlier program or a transfer wrote must be
    // visible, and what it still reads must not be overwritten.
    const VkPipelineStageFlags stages = VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT;
    barrier(stages, VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_WRITE_BIT, stages,
            VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_READ_BIT |
                VK_ACCESS_TRANSFER_WRITE_BIT);
    copy_io(options_.inputs, true);
    table.vkCmdBindDescriptorSets(commands_, VK_PIPELINE_BIND_POINT_COMPUTE, device_.pipeline_layout(), 0, 1, &set_, 0,
                                  nullptr);
    record_launches(list);
    copy_io(options_.outputs, false);
    const bool is_staged = io_ && io_->staging();
    barrier(is_staged ? VK_PIPELINE_STAGE_TRANSFER_BIT : VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT,
            is_staged ? VK_ACCESS_TRANSFER_WRITE_BIT : VK_ACCESS_SHADER_WRITE_BIT, VK_PIPELINE_STAGE_HOST_BIT,
            VK_ACCESS_HOST_READ_BIT | VK_ACCESS_HOST_WRITE_BIT);
    vk_check(table.vkEndCommandBuffer(commands_), "vkEndCommandBuffer");
}

void VulkanProgram::record_launches(const LaunchList& list)
{
    const VolkDeviceTable& table = device_.table();
    const std::vector<bool> barriers = list.barriers();
    if (queries_) {
        table.vkCmdResetQueryPool(commands_, queries_.get(), 0, launch_count_ + 1);
        table.vkCmdWriteTimestamp(commands_, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, queries_.get(), 0);
    }
    VkPipeline bound = VK_NULL_HANDLE;
    for (uint32_t i = 0; i < launch_count_; ++i) {
        const Launch& launch = list.launches()[i];
        if (barriers[i]) {
            barrier(VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, VK_ACCESS_SHADER_WRITE_BIT,
                    VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT);
        }
        const VkPipeline pipeline = device_.pipeline(launch.kernel);
        if (pipeline != bound) table.vkCmdBindPipeline(commands_, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline);
        bound = pipeline;
        table.vkCmdPushConstants(commands_, device_.pipeline_layout(), VK_SHADER_STAGE_COMPUTE_BIT, 0,
                                 4 * launch.push_words, launch.push.data());
        table.vkCmdDispatch(commands_, launch.groups[0], launch.groups[1], launch.groups[2]);
        if (queries_) {
            table.vkCmdWriteTimestamp(commands_, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, queries_.get(), i + 1);
        }
    }
}

void VulkanProgram::submit()
{
    device_.check_alive();
    if (in_flight_) raise(Status::invalid_argument, "{}: submitted again before it was waited for", options_.name);
    const VkFence fence = fence_.get();
    vk_check(device_.table().vkResetFences(device_.handle(), 1, &fence), "vkResetFences");
    if (io_ && io_->host_view()) io_->host_view()->flush(options_.inputs);
    device_.submit(commands_, fence);
    in_flight_ = true;
}

void VulkanProgram::wait()
{
    if (!in_flight_) return;
    device_.wait(fence_.get());
    in_flight_ = false;
    if (io_ && io_->host_view()) io_->host_view()->invalidate(options_.outputs);
}

std::vector<double> VulkanProgram::launch_ns()
{
    if (!queries_) return {};
    std::vector<uint64_t> stamps(launch_count_ + 1);
    vk_check(device_.table().vkGetQueryPoolResults(device_.handle(), queries_.get(), 0, launch_count_ + 1,
                                                   stamps.size() * 8, stamps.data(), 8,
                                                   VK_QUERY_RESULT_64_BIT | VK_QUERY_RESULT_WAIT_BIT),
             "vkGetQueryPoolResults");
    std::vector<double> spent;
    for (uint32_t i = 0; i < launch_count_; ++i) {
        spent.push_back(static_cast<double>(stamps[i + 1] - stamps[i]) * device_.caps().timestamp_ns);
    }
    return spent;
}

} // namespace

std::unique_ptr<Program> VulkanDevice::compile(const LaunchList& list, const Arenas& arenas,
                                               const ProgramOptions& options)
{
    std::unique_ptr<Program> program = std::make_unique<VulkanProgram>(*this, list, arenas, options);
    instance_->raise_validation_message();
    return program;
}

} // namespace gramian
