// What a device can do, decided once when it is opened. Ops ask these values and nothing else.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace gramian {

enum class Limits : uint32_t {
    device = 0,  // what the device offers
    minimum = 1, // pretend that it offers what Vulkan 1.1 promises and no more, and stage all transfers
};

/// A kernel that this device does not run, though it should: what the self-test found wrong.
struct Refusal {
    std::string kernel;
    std::string reason;
};

struct Caps {
    std::string name;         // "llvmpipe (LLVM 15.0.6, 256 bits)"
    std::string driver;       // "llvmpipe 22.3.6"
    std::string kind;         // "cpu", "integrated gpu", "discrete gpu", "virtual gpu", "other", "host"
    uint32_t api_version = 0; // VK_API_VERSION
    uint32_t vendor_id = 0;
    uint32_t device_id = 0;
    uint32_t driver_version = 0;
    bool is_host = false;     // the host executor: no kernels, host functions only
    bool is_software = false; // a driver that runs shaders on the processor
    bool stages_transfers = false;

    uint32_t subgroup_size = 1;
    bool has_subgroup_operations = false; // ballot and arithmetic, in compute kernels
    uint32_t max_workgroup_invocations = 128;
    uint32_t max_shared_bytes = 16384;
    uint32_t max_push_bytes = 128;
    uint32_t max_groups = 65535;                      // a dimension
    uint64_t max_storage_bytes = uint64_t{128} << 20; // one binding
    bool has_state_texels = false;                    // the state arena is a texel buffer too: see VulkanDevice
    uint64_t offset_alignment = 256;
    uint64_t non_coherent_atom = 256;
    uint64_t max_memory_bytes = 0; // largest single allocation
    uint64_t heap_bytes = 0;       // all that the device has for its buffers
    double timestamp_ns = 0;       // 0: none
    std::vector<Refusal> refused;  // kernels that the choice of variants passes over

    [[nodiscard]] bool refuses(std::string_view kernel) const
    {
        return std::any_of(refused.begin(), refused.end(),
                           [&](const Refusal& refusal) { return refusal.kernel == kernel; });
    }

    /// Pretends to be a device with Vulkan 1.1's guaranteed minimum.
    void reduce_to_minimum()
    {
        stages_transfers = true;
        has_subgroup_operations = false;
        max_workgroup_invocations = 128;
        max_shared_bytes = 16384;
        max_push_bytes = 128;
        max_groups = 65535;
        max_storage_bytes = uint64_t{128} << 20;
        has_state_texels = false;
        offset_alignment = 256;
        non_coherent_atom = 256;
    }
};

} // namespace gramian
