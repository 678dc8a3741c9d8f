// The C API: devices, what they are and whether they can be trusted.
#include "api/guard.hpp"
#include "ops/kernels.hpp"
#include "ops/self_test.hpp"

#include <algorithm>
#include <cstring>

using namespace gramian;

namespace {

gramian_device_info info_of(const Caps& caps)
{
    gramian_device_info info{};
    info.size = sizeof info;
    info.is_host = caps.is_host;
    copy_text(info.name, sizeof info.name, caps.name);
    copy_text(info.driver, sizeof info.driver, caps.driver);
    copy_text(info.kind, sizeof info.kind, caps.kind);
    info.api_version = caps.api_version;
    info.vendor_id = caps.vendor_id;
    info.device_id = caps.device_id;
    info.driver_version = caps.driver_version;
    info.subgroup_size = caps.subgroup_size;
    info.max_workgroup_invocations = caps.max_workgroup_invocations;
    info.max_shared_bytes = caps.max_shared_bytes;
    info.max_push_bytes = caps.max_push_bytes;
    info.max_storage_bytes = caps.max_storage_bytes;
    info.max_memory_bytes = caps.max_memory_bytes;
    return info;
}

std::string kernels_json(const Caps& caps)
{
    Json table = Json::array();
    for (const KernelChoice& choice : kernel_choices(caps)) {
        table.push_back({{"kernel", choice.shader->name}, {"picked", choice.is_picked}, {"when", choice.when}});
    }
    return table.dump();
}

} // namespace

gramian_device_options gramian_device_options_default(void)
{
    gramian_device_options options{};
    options.size = sizeof options;
    options.selector = "auto";
    options.timeout_ns = DeviceOptions{}.timeout_ns;
    return options;
}

gramian_status gramian_device_list(gramian_device_info* infos, uint32_t* count)
{
    return guard([&] {
        require_pointer(count, "count");
        const std::vector<Caps> found = list_devices();
        const uint32_t room = infos ? *count : 0;
        for (uint32_t i = 0; i < std::min<uint32_t>(room, static_cast<uint32_t>(found.size())); ++i) {
            write_entry(infos, i, info_of(found[i]));
        }
        *count = static_cast<uint32_t>(found.size());
    });
}

gramian_status gramian_device_open(const gramian_device_options* options, gramian_device** device)
{
    return guard([&] {
        require_pointer(device, "device");
        const gramian_device_options given = read_struct(options, gramian_device_options_default());
        DeviceOptions chosen;
        chosen.selector = given.selector ? given.selector : "auto";
        if (given.limits > GRAMIAN_LIMITS_MINIMUM)
            raise(Status::invalid_argument, "limits {} is unknown", given.limits);
        chosen.limits = static_cast<Limits>(given.limits);
        chosen.validation = given.validation != 0;
        chosen.timeout_ns = given.timeout_ns;
        if (given.pipeline_cache) {
            const auto* bytes = static_cast<const std::byte*>(given.pipeline_cache);
            chosen.pipeline_cache.assign(bytes, bytes + given.pipeline_cache_bytes);
        }
        std::shared_ptr<Device> opened = open_device(chosen);
        std::string verdict;
        if (given.verdict) verdict = apply_verdict(*opened, gramian_version(), given.verdict);
        const std::string kernels = kernels_json(opened->caps());
        *device = new gramian_device{std::move(opened), kernels, std::move(verdict)};
    });
}

gramian_status gramian_device_get_info(const gramian_device* device, gramian_device_info* info)
{
    return guard([&] {
        require_pointer(device, "device");
        write_struct(info, info_of(device->device->caps()));
    });
}

gramian_status gramian_device_pipeline_cache(gramian_device* device, void* data, size_t* bytes)
{
    return guard([&] {
        require_pointer(device, "device");
        require_pointer(bytes, "bytes");
        const std::vector<std::byte> blob = device->device->pipeline_cache();
        if (data) std::memcpy(data, blob.data(), std::min(*bytes, blob.size()));
        *bytes = blob.size();
    });
}

gramian_status gramian_device_self_test(gramian_device* device, const char** verdict)
{
    return guard([&] {
        require_pointer(device, "device");
        device->verdict = self_test(*device->device, gramian_version()).dump();
        device->kernels = kernels_json(device->device->caps());
        if (verdict) *verdict = device->verdict.c_str();
    });
}

const char* gramian_device_verdict_json(const gramian_device* device)
{
    return device && !device->verdict.empty() ? device->verdict.c_str() : nullptr;
}

const char* gramian_device_kernels_json(gramian_device* device)
{
    return device ? device->kernels.c_str() : "[]";
}

void gramian_device_destroy(gramian_device* device)
{
    delete device;
}
