// A device runs launch lists: a Vulkan device or the host executor. No caller knows which one it has.
// This layer knows buffers, kernels, bytes and barriers; it never sees a shape.
#pragma once

#include "device/caps.hpp"
#include "device/launch.hpp"

#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace gramian {

enum class MemoryKind : uint8_t {
    device, // lives where kernels are fast; write and read may stage
    io,     // mapped: the host writes inputs and reads outputs in place
};

/// One arena: a buffer that outlives the programs recorded against it.
class Memory {
public:
    virtual ~Memory() = default;
    [[nodiscard]] virtual uint64_t bytes() const = 0;
    /// The host's view, or nullptr for MemoryKind::device. What is written here reaches the device with the next
    /// submit.
    [[nodiscard]] virtual std::byte* mapped() = 0;
    /// These wait until the transfer is done. No program that uses the arena may be in flight.
    virtual void write(uint64_t offset, std::span<const std::byte> bytes) = 0;
    virtual void read(uint64_t offset, std::span<std::byte> bytes) = 0;
    virtual void fill_zero(uint64_t offset, uint64_t bytes) = 0;
};

/// The arenas of a session or a single call, by binding. A null one is replaced by a small empty buffer.
struct Arenas {
    std::array<Memory*, kArenaCount> memory{};
};

/// A byte range of the io arena that a program moves to or from the host.
struct IoRange {
    uint64_t offset = 0;
    uint64_t bytes = 0;
};

struct ProgramOptions {
    std::string name;
    IoRange inputs;       // copied to the device before the first launch
    IoRange outputs;      // copied to the host after the last one
    bool profile = false; // time every launch
    uint32_t slots = 0;   // recorded for this many, of which set_slots chooses; 0: launches run as they are
};

/// A recorded launch list and what it keeps alive. Submitting allocates and records nothing. A program may run its list
/// several times, over windows: arenas of equal layout, one after the other.
class Program {
public:
    virtual ~Program() = default;
    /// From the next submit on, the launches that follow the slots run for the first `slots` slots of the window only.
    virtual void set_slots(uint32_t window, uint32_t slots) = 0;
    virtual void submit() = 0;
    /// Throws Error(timeout) when the device does not finish in time, Error(device_lost) when it is gone.
    virtual void wait() = 0;
    /// Nanoseconds of each launch in the last run; empty unless `profile` was asked for.
    [[nodiscard]] virtual std::vector<double> launch_ns() = 0;
    void run()
    {
        submit();
        wait();
    }
};

struct DeviceOptions {
    std::string selector = "auto"; // auto, an index, part of a name, or host
    Limits limits = Limits::device;
    bool validation = false; // Khronos validation layer; its messages become errors
    uint64_t timeout_ns = 20'000'000'000;
    std::vector<std::byte> pipeline_cache; // from an earlier Device::pipeline_cache()
};

class Device {
public:
    virtual ~Device() = default;
    [[nodiscard]] virtual const Caps& caps() const = 0;
    /// Throws Error(out_of_memory) with the numbers when it does not fit.
    [[nodiscard]] virtual std::unique_ptr<Memory> allocate(MemoryKind kind, uint64_t bytes,
                                                           const std::string& name) = 0;
    /// The io ranges of the options hold for every window.
    [[nodiscard]] virtual std::unique_ptr<Program> compile(const LaunchList& list, std::span<const Arenas> windows,
                                                           const ProgramOptions& options) = 0;
    [[nodiscard]] std::unique_ptr<Program> compile(const LaunchList& list, const Arenas& arenas,
                                                   const ProgramOptions& options)
    {
        return compile(list, std::span(&arenas, 1), options);
    }
    [[nodiscard]] virtual std::vector<std::byte> pipeline_cache() = 0;
    /// How many pipelines it has made.
    [[nodiscard]] virtual uint32_t pipeline_count() const { return 0; }
    /// From now on these kernels are passed over (Caps::refused); a list that needs one of them does not compile.
    /// Before anything is recorded that may hold them.
    virtual void refuse(std::vector<Refusal> kernels) = 0;
};

/// Opens the device that the selector names. Throws Error(no_device) listing what there is.
/// `auto` is the first Vulkan device, or the host executor where there is none.
std::unique_ptr<Device> open_device(const DeviceOptions& options);
std::unique_ptr<Device> open_host_device();
/// Opens a Vulkan device by selector; nullptr when there is no usable Vulkan device at all, with the reason.
std::unique_ptr<Device> open_vulkan_device(const DeviceOptions& options, std::string& reason);

/// Vulkan devices in the order of their indices, then the host executor.
std::vector<Caps> list_devices();

} // namespace gramian
