// Arenas on a Vulkan device, and the mapped buffers behind them. Used by VulkanDevice and VulkanProgram.
#pragma once

#include "device/vulkan_device.hpp"

#include <functional>
#include <optional>

namespace gramian {

/// A host-visible buffer, mapped for as long as it lives.
class MappedBuffer {
public:
    MappedBuffer(const VulkanDevice& device, Allocation allocation, uint64_t bytes);
    [[nodiscard]] VkBuffer buffer() const { return allocation_.buffer.get(); }
    [[nodiscard]] std::byte* data() const { return data_; }
    /// Makes the host's writes visible to the device, and the device's to the host: nothing on coherent memory.
    void flush(IoRange range) const;
    void invalidate(IoRange range) const;

private:
    [[nodiscard]] VkMappedMemoryRange whole_atoms(IoRange range) const;

    const VulkanDevice& device_;
    Allocation allocation_;
    uint64_t bytes_;
    std::byte* data_ = nullptr;
};

class VulkanMemory final : public Memory {
public:
    VulkanMemory(VulkanDevice& device, MemoryKind kind, uint64_t bytes, std::string name);
    [[nodiscard]] uint64_t bytes() const override { return bytes_; }
    [[nodiscard]] std::byte* mapped() override;
    void write(uint64_t offset, std::span<const std::byte> bytes) override;
    void read(uint64_t offset, std::span<std::byte> bytes) override;
    void fill_zero(uint64_t offset, uint64_t bytes) override;

    [[nodiscard]] VkBuffer buffer() const { return buffer_; }
    /// The host's copy of a staged io arena, or nullptr where the arena itself is mapped.
    [[nodiscard]] const MappedBuffer* staging() const { return staging_ ? &*staging_ : nullptr; }
    [[nodiscard]] const MappedBuffer* host_view() const
    {
        return staging_ ? &*staging_ : mapped_ ? &*mapped_ : nullptr;
    }

private:
    void transfer(uint64_t bytes, const std::function<void(MappedBuffer&, uint64_t done, uint64_t count)>& move);

    VulkanDevice& device_;
    MemoryKind kind_;
    uint64_t bytes_;
    std::string name_;
    VkBuffer buffer_ = VK_NULL_HANDLE;
    std::optional<MappedBuffer> mapped_;  // the arena itself, where the host can see it
    Allocation own_;                      // the arena, where it cannot
    std::optional<MappedBuffer> staging_; // the host's copy of an io arena then
};

} // namespace gramian
