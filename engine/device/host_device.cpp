// The host executor: the same launch lists, run through their host functions. Touches no Vulkan loader.
#include "base/error.hpp"
#include "device/device.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <new>
#include <unistd.h>

namespace gramian {
namespace {

class HostMemory final : public Memory {
public:
    HostMemory(uint64_t bytes, const std::string& name) : bytes_(bytes)
    {
        // 64-byte alignment: whole cache lines and any vector width.
        data_.reset(static_cast<std::byte*>(::operator new (bytes, std::align_val_t{64}, std::nothrow)));
        if (!data_) raise(Status::out_of_memory, "{}: no {} bytes of memory on the host", name, bytes);
        std::memset(data_.get(), 0, bytes);
    }
    [[nodiscard]] uint64_t bytes() const override { return bytes_; }
    [[nodiscard]] std::byte* mapped() override { return data_.get(); }
    void write(uint64_t offset, std::span<const std::byte> bytes) override
    {
        if (!bytes.empty()) std::memcpy(data_.get() + offset, bytes.data(), bytes.size());
    }
    void read(uint64_t offset, std::span<std::byte> bytes) override
    {
        if (!bytes.empty()) std::memcpy(bytes.data(), data_.get() + offset, bytes.size());
    }
    void fill_zero(uint64_t offset, uint64_t bytes) override { std::memset(data_.get() + offset, 0, bytes); }

private:
    struct Free {
        void operator()(std::byte* data) const { ::operator delete (data, std::align_val_t{64}); }
    };
    uint64_t bytes_;
    std::unique_ptr<std::byte, Free> data_;
};

class HostProgram final : public Program {
public:
    HostProgram(const LaunchList& list, std::span<const Arenas> windows, const ProgramOptions& options)
        : launches_(list.launches()), name_(options.name), profile_(options.profile)
    {
        for (const Arenas& arenas : windows) {
            Window& window = windows_.emplace_back();
            window.slots = options.slots;
            for (uint32_t i = 0; i < kArenaCount; ++i) {
                window.arenas[i] = arenas.memory[i] ? arenas.memory[i]->mapped() : nullptr;
            }
        }
    }
    void set_slots(uint32_t window, uint32_t slots) override { windows_[window].slots = slots; }
    void submit() override
    {
        if (is_submitted_) raise(Status::invalid_argument, "{}: submitted again before it was waited for", name_);
        is_submitted_ = true;
        launch_ns_.assign(profile_ ? launches_.size() : 0, 0.0);
        for (const Window& window : windows_) {
            for (size_t i = 0; i < launches_.size(); ++i) {
                const auto start = std::chrono::steady_clock::now();
                run(launches_[i], window);
                if (!profile_) continue;
                const std::chrono::duration<double, std::nano> spent = std::chrono::steady_clock::now() - start;
                launch_ns_[i] += spent.count();
            }
        }
    }
    void wait() override { is_submitted_ = false; }
    [[nodiscard]] std::vector<double> launch_ns() override { return launch_ns_; }

private:
    struct Window {
        std::array<std::byte*, kArenaCount> arenas{};
        uint32_t slots = 0; // at work
    };

    static void run(const Launch& launch, const Window& window)
    {
        HostLaunch call{window.arenas, launch.kernel.constants, launch.push.data(), launch.groups};
        if (launch.scale.follows()) {
            call.groups = launch.groups_for(window.slots);
            call.rows_at_work = launch.scale.rows(window.slots);
        }
        if (call.groups[0] > 0 && call.groups[1] > 0 && call.groups[2] > 0) launch.host(call);
    }

    std::vector<Launch> launches_;
    std::vector<Window> windows_;
    std::vector<double> launch_ns_;
    std::string name_;
    bool profile_;
    bool is_submitted_ = false;
};

class HostDevice final : public Device {
public:
    HostDevice()
    {
        caps_.name = "host";
        caps_.driver = "host executor";
        caps_.kind = "host";
        caps_.is_host = true;
        caps_.max_storage_bytes = uint64_t{1} << 33; // element offsets have 31 bits
        caps_.max_memory_bytes = caps_.max_storage_bytes;
        caps_.heap_bytes =
            static_cast<uint64_t>(::sysconf(_SC_PHYS_PAGES)) * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
        caps_.offset_alignment = 64;
    }
    [[nodiscard]] const Caps& caps() const override { return caps_; }
    [[nodiscard]] std::unique_ptr<Memory> allocate(MemoryKind, uint64_t bytes, const std::string& name) override
    {
        if (bytes > caps_.max_storage_bytes) {
            raise(Status::out_of_memory, "{}: {} bytes in one buffer, and host allows {}", name, bytes,
                  caps_.max_storage_bytes);
        }
        return std::make_unique<HostMemory>(std::max<uint64_t>(bytes, 64), name);
    }
    [[nodiscard]] std::unique_ptr<Program> compile(const LaunchList& list, std::span<const Arenas> windows,
                                                   const ProgramOptions& options) override
    {
        return std::make_unique<HostProgram>(list, windows, options);
    }
    using Device::compile;
    [[nodiscard]] std::vector<std::byte> pipeline_cache() override { return {}; }
    void refuse(std::vector<Refusal>) override {} // it has no kernels

private:
    Caps caps_;
};

} // namespace

std::unique_ptr<Device> open_host_device()
{
    return std::make_unique<HostDevice>();
}

} // namespace gramian
