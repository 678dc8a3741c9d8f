// The seam of the engine: recording an op appends plain `Launch` records, and a device turns the list into commands
// (Vulkan) or plain calls (host). From the same records come the barriers and the bytes moved.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace gramian {

/// The four buffers that every kernel sees, in the order of their descriptor bindings.
enum class Arena : uint8_t { weights = 0, state = 1, activations = 2, io = 3 };
inline constexpr uint32_t kArenaCount = 4;

/// A byte range of an arena.
struct Slice {
    Arena arena;
    uint64_t offset;
    uint64_t bytes;
    uint32_t pair_columns = 0; // rows of as many exponents and then sums (shaders/common/scaled_sum.glsl); 0: plain
};

/// SPIR-V of one kernel variant, embedded at build time.
struct Shader {
    std::string_view name;
    std::span<const uint32_t> words;
};

/// A kernel: SPIR-V plus the values of its specialisation constants, ids 0, 1, 2 … in order.
struct Kernel {
    const Shader* shader = nullptr;
    std::vector<uint32_t> constants;

    friend bool operator==(const Kernel&, const Kernel&) = default;
};

/// How the groups of a launch follow the slots at work in a program that was recorded for more of them. Every slot has
/// equally many rows (tokens, elements), and a group of this dimension takes `rows_per_group` of them.
struct SlotScale {
    static constexpr uint32_t kNoDimension = 3;
    uint32_t dimension = kNoDimension; // none: the launch runs whole, whatever is at work
    uint32_t rows_per_slot = 0;
    uint32_t rows_per_group = 1;
    uint32_t first = 0; // rows that earlier launches take

    [[nodiscard]] bool follows() const { return dimension != kNoDimension; }
    /// Rows of this launch when the first `slots` slots are at work.
    [[nodiscard]] uint64_t rows(uint32_t slots) const
    {
        const uint64_t all = uint64_t{rows_per_slot} * slots;
        return all > first ? all - first : 0;
    }
};

/// What a host function works on: the mapped arenas and the push words of its launch.
struct HostLaunch {
    std::array<std::byte*, kArenaCount> arenas;
    std::span<const uint32_t> constants;
    const uint32_t* push;
    std::array<uint32_t, 3> groups;
    uint64_t rows_at_work = UINT64_MAX; // of this launch, where it follows the slots

    /// How many of `recorded` rows this run has to take.
    [[nodiscard]] uint32_t rows(uint32_t recorded) const
    {
        return rows_at_work < recorded ? static_cast<uint32_t>(rows_at_work) : recorded;
    }
    template <class Parameters>
    [[nodiscard]] Parameters parameters() const
    {
        Parameters parameters;
        std::memcpy(&parameters, push, sizeof parameters);
        return parameters;
    }
    /// The floats of an arena from an element offset on.
    [[nodiscard]] float* floats(Arena arena, uint32_t offset) const
    {
        return reinterpret_cast<float*>(arenas[static_cast<size_t>(arena)]) + offset;
    }
    [[nodiscard]] float* floats(uint32_t arena, uint32_t offset) const
    {
        return reinterpret_cast<float*>(arenas[arena]) + offset;
    }
};
using HostFunction = void (*)(const HostLaunch&);

struct Launch {
    static constexpr uint32_t kMaxPushWords = 32; // 128 bytes: all that Vulkan promises

    Kernel kernel;
    std::array<uint32_t, kMaxPushWords> push{};
    uint32_t push_words = 0;
    std::array<uint32_t, 3> groups{1, 1, 1};
    SlotScale scale;
    std::vector<Slice> reads;
    std::vector<Slice> writes;
    HostFunction host = nullptr; // does the same on the host executor
    uint32_t label = 0;          // index into LaunchList::labels, for profiles and debug names

    /// The groups that `slots` slots need, at most those that were recorded.
    [[nodiscard]] std::array<uint32_t, 3> groups_for(uint32_t slots) const;

    template <class Parameters>
    void set_push(const Parameters& parameters)
    {
        static_assert(std::is_trivially_copyable_v<Parameters> && sizeof(Parameters) <= 4 * kMaxPushWords);
        static_assert(sizeof(Parameters) % 4 == 0);
        std::memcpy(push.data(), &parameters, sizeof parameters);
        push_words = sizeof(Parameters) / 4;
    }
};

/// An ordered list of launches. A later launch sees what an earlier one wrote.
class LaunchList {
public:
    /// Launches appended from here on belong to this label (a node's name).
    void set_label(std::string label) { labels_.push_back(std::move(label)); }
    /// Groups must fit 65,535 a dimension; the op splits what does not. An empty launch is dropped.
    void append(Launch launch);
    [[nodiscard]] const std::vector<Launch>& launches() const { return launches_; }
    [[nodiscard]] const std::string& label(const Launch& launch) const { return labels_[launch.label]; }
    /// One flag a launch: whether a memory barrier must stand before it. Launches between two barriers never overlap.
    [[nodiscard]] std::vector<bool> barriers() const;
    /// Bytes that all launches together read and write.
    [[nodiscard]] uint64_t bytes_moved() const;

private:
    std::vector<Launch> launches_;
    std::vector<std::string> labels_{""};
};

} // namespace gramian
