// Arenas on a Vulkan device: mapped where the memory allows it, staged where not or where staging is forced.
#include "device/vulkan_memory.hpp"

#include <algorithm>
#include <cstring>

namespace gramian {
namespace {

constexpr uint64_t kStagingBytes = uint64_t{16} << 20;
constexpr VkMemoryPropertyFlags kVisible = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT;
constexpr VkMemoryPropertyFlags kCoherent = VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
constexpr VkMemoryPropertyFlags kLocal = VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT;
constexpr uint32_t kNone = UINT32_MAX;

/// The first memory type that has all required and all preferred properties, or else all required ones.
uint32_t find_memory_type(const VkPhysicalDeviceMemoryProperties& types, uint32_t allowed,
                          VkMemoryPropertyFlags required, VkMemoryPropertyFlags preferred)
{
    for (const VkMemoryPropertyFlags wanted : {required | preferred, required}) {
        for (uint32_t i = 0; i < types.memoryTypeCount; ++i) {
            if ((allowed & (1U << i)) && (types.memoryTypes[i].propertyFlags & wanted) == wanted) return i;
        }
    }
    return kNone;
}

} // namespace

Allocation allocate_buffer(const VulkanDevice& device, uint64_t bytes, VkMemoryPropertyFlags required,
                           VkMemoryPropertyFlags preferred, const std::string& name)
{
    const VolkDeviceTable& table = device.table();
    Allocation made;
    VkBufferCreateInfo create{VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO};
    create.size = bytes;
    create.usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_INDIRECT_BUFFER_BIT |
                   VK_BUFFER_USAGE_UNIFORM_TEXEL_BUFFER_BIT | VK_BUFFER_USAGE_TRANSFER_SRC_BIT |
                   VK_BUFFER_USAGE_TRANSFER_DST_BIT;
    VkBuffer buffer = VK_NULL_HANDLE;
    vk_check(table.vkCreateBuffer(device.handle(), &create, nullptr, &buffer), "vkCreateBuffer");
    made.buffer = device.own<BufferHandle>(buffer);
    device.set_name(VK_OBJECT_TYPE_BUFFER, reinterpret_cast<uint64_t>(buffer), name);

    VkMemoryRequirements needs;
    table.vkGetBufferMemoryRequirements(device.handle(), buffer, &needs);
    const VkPhysicalDeviceMemoryProperties& types = device.memory_types();
    const uint32_t type = find_memory_type(types, needs.memoryTypeBits, required, preferred);
    if (type == kNone) raise(Status::unsupported, "{}: no memory type with properties {:#x}", name, required);
    const VkMemoryPropertyFlags flags = types.memoryTypes[type].propertyFlags;
    made.is_host_visible = flags & kVisible;
    made.is_coherent = flags & kCoherent;

    VkMemoryAllocateInfo allocate{VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO};
    allocate.allocationSize = needs.size;
    allocate.memoryTypeIndex = type;
    VkDeviceMemory memory = VK_NULL_HANDLE;
    const VkResult result = table.vkAllocateMemory(device.handle(), &allocate, nullptr, &memory);
    if (result != VK_SUCCESS) {
        raise(Status::out_of_memory, "{}: {} bytes were asked of {}, which has no room ({})", name, needs.size,
              device.caps().name, vk_result_name(result));
    }
    made.memory = device.own<MemoryHandle>(memory);
    vk_check(table.vkBindBufferMemory(device.handle(), buffer, memory, 0), "vkBindBufferMemory");
    return made;
}

MappedBuffer::MappedBuffer(const VulkanDevice& device, Allocation allocation, uint64_t bytes)
    : device_(device), allocation_(std::move(allocation)), bytes_(bytes)
{
    void* data = nullptr;
    vk_check(device.table().vkMapMemory(device.handle(), allocation_.memory.get(), 0, VK_WHOLE_SIZE, 0, &data),
             "vkMapMemory");
    data_ = static_cast<std::byte*>(data);
    std::memset(data_, 0, bytes);
    flush({0, bytes});
}

VkMappedMemoryRange MappedBuffer::whole_atoms(IoRange range) const
{
    const uint64_t atom = device_.caps().non_coherent_atom;
    VkMappedMemoryRange mapped{VK_STRUCTURE_TYPE_MAPPED_MEMORY_RANGE};
    mapped.memory = allocation_.memory.get();
    mapped.offset = range.offset / atom * atom;
    const uint64_t end = (range.offset + range.bytes + atom - 1) / atom * atom;
    mapped.size = end >= bytes_ ? VK_WHOLE_SIZE : end - mapped.offset;
    return mapped;
}

void MappedBuffer::flush(IoRange range) const
{
    // With forced staging the calls are made on coherent memory too, where they are legal and free.
    if (range.bytes == 0 || (allocation_.is_coherent && !device_.caps().stages_transfers)) return;
    const VkMappedMemoryRange mapped = whole_atoms(range);
    vk_check(device_.table().vkFlushMappedMemoryRanges(device_.handle(), 1, &mapped), "vkFlushMappedMemoryRanges");
}

void MappedBuffer::invalidate(IoRange range) const
{
    if (range.bytes == 0 || (allocation_.is_coherent && !device_.caps().stages_transfers)) return;
    const VkMappedMemoryRange mapped = whole_atoms(range);
    vk_check(device_.table().vkInvalidateMappedMemoryRanges(device_.handle(), 1, &mapped),
             "vkInvalidateMappedMemoryRanges");
}

VulkanMemory::VulkanMemory(VulkanDevice& device, MemoryKind kind, uint64_t bytes, std::string name)
    : device_(device), kind_(kind), bytes_(bytes), name_(std::move(name))
{
    const bool stages = device.caps().stages_transfers;
    const bool wants_mapping = !stages && kind == MemoryKind::io;
    Allocation allocation = allocate_buffer(device, bytes, wants_mapping ? kVisible : 0,
                                            wants_mapping ? kVisible | kCoherent | kLocal : kLocal, name_);
    buffer_ = allocation.buffer.get();
    if (allocation.is_host_visible && !stages) {
        mapped_.emplace(device, std::move(allocation), bytes);
    } else {
        own_ = std::move(allocation);
        if (kind == MemoryKind::io) {
            staging_.emplace(device, allocate_buffer(device, bytes, kVisible, kCoherent, name_ + " staging"), bytes);
        }
        fill_zero(0, bytes);
    }
}

std::byte* VulkanMemory::mapped()
{
    if (kind_ != MemoryKind::io) return nullptr;
    return staging_ ? staging_->data() : mapped_->data();
}

void VulkanMemory::write(uint64_t offset, std::span<const std::byte> bytes)
{
    if (mapped_) {
        if (!bytes.empty()) std::memcpy(mapped_->data() + offset, bytes.data(), bytes.size());
        mapped_->flush({offset, bytes.size()});
        return;
    }
    transfer(bytes.size(), [&](MappedBuffer& staging, uint64_t done, uint64_t count) {
        std::memcpy(staging.data(), bytes.data() + done, count);
        staging.flush({0, count});
        device_.run_once([&](VkCommandBuffer commands) {
            const VkBufferCopy copy{0, offset + done, count};
            device_.table().vkCmdCopyBuffer(commands, staging.buffer(), buffer_, 1, &copy);
        });
    });
}

void VulkanMemory::read(uint64_t offset, std::span<std::byte> bytes)
{
    if (mapped_) {
        mapped_->invalidate({offset, bytes.size()});
        if (!bytes.empty()) std::memcpy(bytes.data(), mapped_->data() + offset, bytes.size());
        return;
    }
    transfer(bytes.size(), [&](MappedBuffer& staging, uint64_t done, uint64_t count) {
        device_.run_once([&](VkCommandBuffer commands) {
            const VkBufferCopy copy{offset + done, 0, count};
            device_.table().vkCmdCopyBuffer(commands, buffer_, staging.buffer(), 1, &copy);
            const VkMemoryBarrier to_host{VK_STRUCTURE_TYPE_MEMORY_BARRIER, nullptr, VK_ACCESS_TRANSFER_WRITE_BIT,
                                          VK_ACCESS_HOST_READ_BIT};
            device_.table().vkCmdPipelineBarrier(commands, VK_PIPELINE_STAGE_TRANSFER_BIT, VK_PIPELINE_STAGE_HOST_BIT,
                                                 0, 1, &to_host, 0, nullptr, 0, nullptr);
        });
        staging.invalidate({0, count});
        std::memcpy(bytes.data() + done, staging.data(), count);
    });
}

void VulkanMemory::fill_zero(uint64_t offset, uint64_t bytes)
{
    if (bytes == 0) return;
    if (mapped_) {
        std::memset(mapped_->data() + offset, 0, bytes);
        mapped_->flush({offset, bytes});
        return;
    }
    device_.run_once([&](VkCommandBuffer commands) {
        device_.table().vkCmdFillBuffer(commands, buffer_, offset, bytes, 0); // both are multiples of 4
    });
}

void VulkanMemory::transfer(uint64_t bytes,
                            const std::function<void(MappedBuffer&, uint64_t done, uint64_t count)>& move)
{
    if (bytes == 0) return;
    const uint64_t size = std::min(bytes, kStagingBytes);
    MappedBuffer staging(device_, allocate_buffer(device_, size, kVisible, kCoherent, name_ + " transfer"), size);
    for (uint64_t done = 0; done < bytes; done += size) move(staging, done, std::min(size, bytes - done));
}

std::unique_ptr<Memory> VulkanDevice::allocate(MemoryKind kind, uint64_t bytes, const std::string& name)
{
    bytes = std::max<uint64_t>((bytes + 255) / 256 * 256, 256);
    const uint64_t most = std::min(caps_.max_storage_bytes, caps_.max_memory_bytes);
    if (bytes > most) {
        raise(Status::out_of_memory, "{}: {} bytes in one buffer, and {} allows {}{}", name, bytes, caps_.name, most,
              most == caps_.max_storage_bytes ? " in one storage binding" : " in one allocation");
    }
    return std::make_unique<VulkanMemory>(*this, kind, bytes, name);
}

} // namespace gramian
