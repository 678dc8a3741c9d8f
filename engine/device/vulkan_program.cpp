// A launch list as a command buffer that is recorded once and submitted many times.
#include "device/vulkan_memory.hpp"

#include <cstring>

namespace gramian {
namespace {

class VulkanProgram final : public Program {
public:
    VulkanProgram(VulkanDevice& device, const LaunchList& list, std::span<const Arenas> windows,
                  const ProgramOptions& options);
    ~VulkanProgram() override
    {
        if (in_flight_) device_.outlast(fence_.get()); // it still uses the command buffer
    }
    VulkanProgram(const VulkanProgram&) = delete;
    VulkanProgram& operator=(const VulkanProgram&) = delete;
    void set_slots(uint32_t window, uint32_t slots) override;
    void submit() override;
    void wait() override;
    [[nodiscard]] std::vector<double> launch_ns() override;

private:
    struct Window {
        VkDescriptorSet set = VK_NULL_HANDLE;
        VulkanMemory* io = nullptr;
    };

    void create_sets(std::span<const Arenas> windows);
    [[nodiscard]] VkDescriptorSet create_set(const Arenas& arenas);
    void view_state(VkDescriptorSet set, VkBuffer state);
    void create_group_counts(const LaunchList& list);
    void create_queries();
    void record(const LaunchList& list);
    void record_launches(const LaunchList& list, uint32_t window);
    void dispatch(const Launch& launch, uint32_t window);
    void copy_group_counts();
    void copy_io(const VulkanMemory* io, IoRange range, bool to_device);
    [[nodiscard]] uint64_t group_counts_offset(uint32_t window, size_t follower) const
    {
        return sizeof(VkDispatchIndirectCommand) * (window * followers_.size() + follower);
    }
    void barrier(VkPipelineStageFlags from, VkAccessFlags written, VkPipelineStageFlags to, VkAccessFlags used);

    VulkanDevice& device_;
    ProgramOptions options_;
    std::vector<BufferViewHandle> state_views_; // they outlive the sets
    DescriptorPoolHandle descriptor_pool_;
    std::vector<Window> windows_;
    std::vector<Launch> followers_;              // the launches whose groups follow the slots, in order
    std::unique_ptr<VulkanMemory> group_counts_; // VkDispatchIndirectCommand [windows, followers]
    size_t follower_ = 0;                        // while recording: the next of them
    CommandPoolHandle command_pool_;
    VkCommandBuffer commands_ = VK_NULL_HANDLE;
    FenceHandle fence_;
    QueryPoolHandle queries_;
    uint32_t launch_count_;
    bool in_flight_ = false;
};

VulkanProgram::VulkanProgram(VulkanDevice& device, const LaunchList& list, std::span<const Arenas> windows,
                             const ProgramOptions& options)
    : device_(device), options_(options), launch_count_(static_cast<uint32_t>(list.launches().size()))
{
    create_sets(windows);
    if (options.slots > 0) create_group_counts(list);
    if (options.profile && device.caps().timestamp_ns > 0) create_queries();
    command_pool_ = device.make_command_pool();
    commands_ = device.make_command_buffer(command_pool_.get());
    device.set_name(VK_OBJECT_TYPE_COMMAND_BUFFER, reinterpret_cast<uint64_t>(commands_), options.name);
    fence_ = device.make_fence();
    record(list);
}

/// One timestamp before the first launch of every window, one after each launch.
void VulkanProgram::create_queries()
{
    VkQueryPoolCreateInfo create{VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO};
    create.queryType = VK_QUERY_TYPE_TIMESTAMP;
    create.queryCount = static_cast<uint32_t>(windows_.size()) * (launch_count_ + 1);
    VkQueryPool raw = VK_NULL_HANDLE;
    vk_check(device_.table().vkCreateQueryPool(device_.handle(), &create, nullptr, &raw), "vkCreateQueryPool");
    queries_ = device_.own<QueryPoolHandle>(raw);
}

/// Group counts that the host may change between submits: the device reads them when it dispatches.
void VulkanProgram::create_group_counts(const LaunchList& list)
{
    for (const Launch& launch : list.launches()) {
        if (launch.scale.follows()) followers_.push_back(launch);
    }
    if (followers_.empty()) return;
    const auto windows = static_cast<uint32_t>(windows_.size());
    group_counts_ = std::make_unique<VulkanMemory>(
        device_, MemoryKind::io, (group_counts_offset(windows, 0) + 255) / 256 * 256, options_.name + " group counts");
    for (uint32_t window = 0; window < windows; ++window) set_slots(window, options_.slots);
}

void VulkanProgram::set_slots(uint32_t window, uint32_t slots)
{
    for (size_t i = 0; i < followers_.size(); ++i) {
        const std::array<uint32_t, 3> groups = followers_[i].groups_for(slots);
        std::memcpy(group_counts_->mapped() + group_counts_offset(window, i), groups.data(), sizeof groups);
    }
}

void VulkanProgram::create_sets(std::span<const Arenas> windows)
{
    const auto count = static_cast<uint32_t>(windows.size());
    const std::array<VkDescriptorPoolSize, 2> sizes{
        {{VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, kArenaCount * count}, {VK_DESCRIPTOR_TYPE_UNIFORM_TEXEL_BUFFER, count}}};
    VkDescriptorPoolCreateInfo pool{VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO};
    pool.maxSets = count;
    pool.poolSizeCount = device_.caps().has_state_texels ? 2 : 1;
    pool.pPoolSizes = sizes.data();
    VkDescriptorPool raw = VK_NULL_HANDLE;
    vk_check(device_.table().vkCreateDescriptorPool(device_.handle(), &pool, nullptr, &raw), "vkCreateDescriptorPool");
    descriptor_pool_ = device_.own<DescriptorPoolHandle>(raw);
    for (const Arenas& arenas : windows) {
        windows_.push_back(
            {create_set(arenas), static_cast<VulkanMemory*>(arenas.memory[static_cast<size_t>(Arena::io)])});
    }
}

VkDescriptorSet VulkanProgram::create_set(const Arenas& arenas)
{
    const VolkDeviceTable& table = device_.table();
    const VkDescriptorSetLayout layout = device_.set_layout();
    VkDescriptorSetAllocateInfo allocate{VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO};
    allocate.descriptorPool = descriptor_pool_.get();
    allocate.descriptorSetCount = 1;
    allocate.pSetLayouts = &layout;
    VkDescriptorSet set = VK_NULL_HANDLE;
    vk_check(table.vkAllocateDescriptorSets(device_.handle(), &allocate, &set), "vkAllocateDescriptorSets");

    std::array<VkDescriptorBufferInfo, kArenaCount> buffers{};
    std::array<VkWriteDescriptorSet, kArenaCount> writes{};
    for (uint32_t i = 0; i < kArenaCount; ++i) {
        const auto* memory = static_cast<const VulkanMemory*>(arenas.memory[i]);
        buffers[i] = {memory ? memory->buffer() : device_.empty_buffer(), 0, VK_WHOLE_SIZE};
        writes[i] = {VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET};
        writes[i].dstSet = set;
        writes[i].dstBinding = i;
        writes[i].descriptorCount = 1;
        writes[i].descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER;
        writes[i].pBufferInfo = &buffers[i];
    }
    table.vkUpdateDescriptorSets(device_.handle(), kArenaCount, writes.data(), 0, nullptr);
    if (device_.caps().has_state_texels) view_state(set, buffers[static_cast<size_t>(Arena::state)].buffer);
    return set;
}

void VulkanProgram::view_state(VkDescriptorSet set, VkBuffer state)
{
    VkBufferViewCreateInfo create{VK_STRUCTURE_TYPE_BUFFER_VIEW_CREATE_INFO};
    create.buffer = state;
    create.format = VK_FORMAT_R32G32B32A32_SFLOAT;
    create.range = VK_WHOLE_SIZE;
    VkBufferView view = VK_NULL_HANDLE;
    vk_check(device_.table().vkCreateBufferView(device_.handle(), &create, nullptr, &view), "vkCreateBufferView");
    state_views_.push_back(device_.own<BufferViewHandle>(view));
    VkWriteDescriptorSet write{VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET};
    write.dstSet = set;
    write.dstBinding = kStateTexels;
    write.descriptorCount = 1;
    write.descriptorType = VK_DESCRIPTOR_TYPE_UNIFORM_TEXEL_BUFFER;
    write.pTexelBufferView = &view;
    device_.table().vkUpdateDescriptorSets(device_.handle(), 1, &write, 0, nullptr);
}

void VulkanProgram::barrier(VkPipelineStageFlags from, VkAccessFlags written, VkPipelineStageFlags to,
                            VkAccessFlags used)
{
    const VkMemoryBarrier memory{VK_STRUCTURE_TYPE_MEMORY_BARRIER, nullptr, written, used};
    device_.table().vkCmdPipelineBarrier(commands_, from, to, 0, 1, &memory, 0, nullptr, 0, nullptr);
}

/// Where io is staged, so are the group counts.
void VulkanProgram::copy_group_counts()
{
    if (!group_counts_ || !group_counts_->staging()) return;
    const VkBufferCopy copy{0, 0, group_counts_->bytes()};
    device_.table().vkCmdCopyBuffer(commands_, group_counts_->staging()->buffer(), group_counts_->buffer(), 1, &copy);
    barrier(VK_PIPELINE_STAGE_TRANSFER_BIT, VK_ACCESS_TRANSFER_WRITE_BIT, VK_PIPELINE_STAGE_DRAW_INDIRECT_BIT,
            VK_ACCESS_INDIRECT_COMMAND_READ_BIT);
}

void VulkanProgram::copy_io(const VulkanMemory* io, IoRange range, bool to_device)
{
    if (range.bytes == 0 || !io || !io->staging()) return;
    const VkBufferCopy copy{range.offset, range.offset, range.bytes};
    const VkBuffer host = io->staging()->buffer();
    if (!to_device) {
        barrier(VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, VK_ACCESS_SHADER_WRITE_BIT, VK_PIPELINE_STAGE_TRANSFER_BIT,
                VK_ACCESS_TRANSFER_READ_BIT);
    }
    device_.table().vkCmdCopyBuffer(commands_, to_device ? host : io->buffer(), to_device ? io->buffer() : host, 1,
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
    const VkPipelineStageFlags before = group_counts_ ? stages | VK_PIPELINE_STAGE_DRAW_INDIRECT_BIT : stages;
    barrier(before, VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_WRITE_BIT, stages,
            VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_READ_BIT |
                VK_ACCESS_TRANSFER_WRITE_BIT);
    copy_group_counts();
    for (const Window& window : windows_) copy_io(window.io, options_.inputs, true);
    for (uint32_t window = 0; window < windows_.size(); ++window) record_launches(list, window);
    for (const Window& window : windows_) copy_io(window.io, options_.outputs, false);
    const bool is_staged = windows_.front().io && windows_.front().io->staging();
    barrier(is_staged ? VK_PIPELINE_STAGE_TRANSFER_BIT : VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT,
            is_staged ? VK_ACCESS_TRANSFER_WRITE_BIT : VK_ACCESS_SHADER_WRITE_BIT, VK_PIPELINE_STAGE_HOST_BIT,
            VK_ACCESS_HOST_READ_BIT | VK_ACCESS_HOST_WRITE_BIT);
    vk_check(table.vkEndCommandBuffer(commands_), "vkEndCommandBuffer");
}

void VulkanProgram::record_launches(const LaunchList& list, uint32_t window)
{
    const VolkDeviceTable& table = device_.table();
    std::vector<bool> barriers = list.barriers();
    if (window > 0 && !barriers.empty()) barriers[0] = true; // the scratch is that of the window before
    table.vkCmdBindDescriptorSets(commands_, VK_PIPELINE_BIND_POINT_COMPUTE, device_.pipeline_layout(), 0, 1,
                                  &windows_[window].set, 0, nullptr);
    const uint32_t first_query = window * (launch_count_ + 1);
    if (queries_) {
        table.vkCmdResetQueryPool(commands_, queries_.get(), first_query, launch_count_ + 1);
        table.vkCmdWriteTimestamp(commands_, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, queries_.get(), first_query);
    }
    VkPipeline bound = VK_NULL_HANDLE;
    follower_ = 0;
    for (uint32_t i = 0; i < launch_count_; ++i) {
        const Launch& launch = list.launches()[i];
        if (barriers[i]) {
            barrier(VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, VK_ACCESS_SHADER_WRITE_BIT,
                    VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT);
        }
        const VkPipeline pipeline = device_.pipeline(launch.kernel);
        if (pipeline != bound) table.vkCmdBindPipeline(commands_, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline);
        bound = pipeline;
        dispatch(launch, window);
        if (queries_) {
            table.vkCmdWriteTimestamp(commands_, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, queries_.get(),
                                      first_query + i + 1);
        }
    }
}

void VulkanProgram::dispatch(const Launch& launch, uint32_t window)
{
    const VolkDeviceTable& table = device_.table();
    table.vkCmdPushConstants(commands_, device_.pipeline_layout(), VK_SHADER_STAGE_COMPUTE_BIT, 0,
                             4 * launch.push_words, launch.push.data());
    if (group_counts_ && launch.scale.follows()) {
        table.vkCmdDispatchIndirect(commands_, group_counts_->buffer(), group_counts_offset(window, follower_++));
    } else {
        table.vkCmdDispatch(commands_, launch.groups[0], launch.groups[1], launch.groups[2]);
    }
}

void VulkanProgram::submit()
{
    device_.check_alive();
    if (in_flight_) raise(Status::invalid_argument, "{}: submitted again before it was waited for", options_.name);
    const VkFence fence = fence_.get();
    vk_check(device_.table().vkResetFences(device_.handle(), 1, &fence), "vkResetFences");
    if (group_counts_) group_counts_->host_view()->flush({0, group_counts_->bytes()});
    for (const Window& window : windows_) {
        if (window.io && window.io->host_view()) window.io->host_view()->flush(options_.inputs);
    }
    device_.submit(commands_, fence);
    in_flight_ = true;
}

void VulkanProgram::wait()
{
    if (!in_flight_) return;
    device_.wait(fence_.get());
    in_flight_ = false;
    for (const Window& window : windows_) {
        if (window.io && window.io->host_view()) window.io->host_view()->invalidate(options_.outputs);
    }
}

std::vector<double> VulkanProgram::launch_ns()
{
    if (!queries_) return {};
    const auto stride = launch_count_ + 1;
    const auto count = static_cast<uint32_t>(windows_.size()) * stride;
    std::vector<uint64_t> stamps(count);
    vk_check(device_.table().vkGetQueryPoolResults(device_.handle(), queries_.get(), 0, count, stamps.size() * 8,
                                                   stamps.data(), 8, VK_QUERY_RESULT_64_BIT | VK_QUERY_RESULT_WAIT_BIT),
             "vkGetQueryPoolResults");
    std::vector<double> spent(launch_count_);
    for (size_t window = 0; window < windows_.size(); ++window) {
        for (uint32_t i = 0; i < launch_count_; ++i) {
            const uint64_t ticks = stamps[window * stride + i + 1] - stamps[window * stride + i];
            spent[i] += static_cast<double>(ticks) * device_.caps().timestamp_ns;
        }
    }
    return spent;
}

} // namespace

std::unique_ptr<Program> VulkanDevice::compile(const LaunchList& list, std::span<const Arenas> windows,
                                               const ProgramOptions& options)
{
    std::unique_ptr<Program> program = std::make_unique<VulkanProgram>(*this, list, windows, options);
    instance_->raise_validation_message();
    return program;
}

} // namespace gramian
