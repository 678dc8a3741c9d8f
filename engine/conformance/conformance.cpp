// The C API of conformance.h: every function is one guarded call.
#include "build_stamp.h"
#include "conformance/boundary.hpp"
#include "conformance/hostile_cases.hpp"
#include "conformance/run_case.hpp"
#include "conformance/vectors.hpp"
#include "ops/kernels.hpp"

using namespace gramian;

struct gramian_conformance {
    uint64_t seed = 0;
    std::vector<Case> cases;
    std::unique_ptr<Device> device;
    DeviceOptions opened_with;
    std::string header;
};

namespace {

/// What --quick runs of the properties and of hostile numbers, by the first letters of the names: what needs no
/// pipeline.
constexpr std::string_view kQuick[] = {
    "file.malformed_model.",
    "file.safetensors.",
};

std::vector<Case> all_cases()
{
    std::vector<Case> cases = catalogue();
    add_hostile_cases(cases);
    for (Case& test : property_cases()) cases.push_back(std::move(test));
    for (Case& test : cases) {
        test.is_quick = test.is_quick || std::ranges::any_of(kQuick, [&](std::string_view start) {
                            return test.name.starts_with(start);
                        });
    }
    return cases;
}

const Case& case_at(const gramian_conformance* conformance, uint32_t index)
{
    require_pointer(conformance, "conformance");
    if (index >= conformance->cases.size()) {
        raise(Status::invalid_argument, "case {}: there are {}", index, conformance->cases.size());
    }
    return conformance->cases[index];
}

gramian_case_result result_of(const CaseResult& found)
{
    gramian_case_result result{};
    result.size = sizeof result;
    result.status = static_cast<uint32_t>(found.status);
    result.tolerance_rms = found.tolerance.rms;
    result.tolerance_max = found.tolerance.max;
    result.tolerance_abs = found.tolerance.abs;
    result.rms = found.rms;
    result.max = found.max;
    result.worst_index = found.worst_index;
    result.microseconds = found.us;
    copy_text(result.reason, sizeof result.reason, found.reason);
    return result;
}

/// What the engine counts on, beside what the device offers: the least that Vulkan 1.1 promises.
Json requirements_of(const Caps& caps)
{
    Caps least;
    least.reduce_to_minimum();
    const auto row = [](const char* limit, uint64_t needs, uint64_t offers) {
        return Json{{"limit", limit}, {"needs", needs}, {"offers", offers}};
    };
    return {row("invocations of a workgroup", least.max_workgroup_invocations, caps.max_workgroup_invocations),
            row("bytes of shared memory", least.max_shared_bytes, caps.max_shared_bytes),
            row("bytes of push constants", least.max_push_bytes, caps.max_push_bytes),
            row("workgroups in a dimension", least.max_groups, caps.max_groups),
            row("bytes of a storage buffer", least.max_storage_bytes, caps.max_storage_bytes)};
}

Json kernels_of(const Caps& caps)
{
    Json kernels = Json::array();
    for (const KernelChoice& choice : kernel_choices(caps)) {
        kernels.push_back({{"kernel", choice.shader->name}, {"picked", choice.is_picked}, {"when", choice.when}});
    }
    return kernels;
}

Json header_of(const gramian_conformance& conformance)
{
    Json header{{"engine_version",
                 fmt::format("{}.{}.{}", GRAMIAN_VERSION_MAJOR, GRAMIAN_VERSION_MINOR, GRAMIAN_VERSION_PATCH)},
                {"git_revision", GRAMIAN_GIT_REVISION},
                {"spirv_hash", GRAMIAN_SPIRV_HASH},
                {"seed", conformance.seed}};
    if (!conformance.device) return header;
    const Caps& caps = conformance.device->caps();
    header.update({{"device", caps.name},
                   {"driver", caps.driver},
                   {"driver_version", caps.driver_version},
                   {"vendor_id", caps.vendor_id},
                   {"device_id", caps.device_id},
                   {"kind", caps.kind},
                   {"api_version", caps.api_version},
                   {"subgroup_size", caps.subgroup_size},
                   {"limits",
                    {{"assumed", conformance.opened_with.limits == Limits::minimum ? "minimum" : "device"},
                     {"max_workgroup_invocations", caps.max_workgroup_invocations},
                     {"max_shared_bytes", caps.max_shared_bytes},
                     {"max_push_bytes", caps.max_push_bytes},
                     {"max_groups", caps.max_groups},
                     {"max_storage_bytes", caps.max_storage_bytes},
                     {"offset_alignment", caps.offset_alignment},
                     {"max_memory_bytes", caps.max_memory_bytes}}},
                   {"requirements", requirements_of(caps)},
                   {"kernels", kernels_of(caps)}});
    return header;
}

} // namespace

std::string& gramian::last_boundary_error()
{
    thread_local std::string text;
    return text;
}

DeviceOptions gramian::device_options(const gramian_device_options& given)
{
    DeviceOptions options;
    if (given.limits > GRAMIAN_LIMITS_MINIMUM) raise(Status::invalid_argument, "limits {}: unknown", given.limits);
    if (given.selector) options.selector = given.selector;
    options.limits = static_cast<Limits>(given.limits);
    options.validation = given.validation != 0;
    if (given.timeout_ns) options.timeout_ns = given.timeout_ns;
    if (given.pipeline_cache) {
        const auto* bytes = static_cast<const std::byte*>(given.pipeline_cache);
        options.pipeline_cache.assign(bytes, bytes + given.pipeline_cache_bytes);
    }
    return options;
}

const char* gramian_conformance_last_error(void)
{
    return last_boundary_error().c_str();
}

gramian_status gramian_conformance_create(const gramian_conformance_options* options, gramian_conformance** conformance)
{
    return guard([&] {
        require_pointer(conformance, "conformance");
        const gramian_conformance_options chosen = read_struct(options, {});
        auto created = std::make_unique<gramian_conformance>();
        created->seed = chosen.seed;
        created->cases = chosen.vectors ? vector_cases(chosen.vectors) : all_cases();
        *conformance = created.release();
    });
}

void gramian_conformance_destroy(gramian_conformance* conformance)
{
    delete conformance;
}

uint32_t gramian_conformance_count(const gramian_conformance* conformance)
{
    return conformance ? static_cast<uint32_t>(conformance->cases.size()) : 0;
}

gramian_status gramian_conformance_get_case(const gramian_conformance* conformance, uint32_t index,
                                            gramian_conformance_case* info)
{
    return guard([&] {
        const Case& test = case_at(conformance, index);
        write_struct(info,
                     {sizeof *info, test.is_quick ? 1U : 0U, test.name.c_str(), test.family.c_str(), test.op.c_str()});
    });
}

gramian_status gramian_conformance_open_device(gramian_conformance* conformance, const gramian_device_options* options)
{
    return guard([&] {
        require_pointer(conformance, "conformance");
        const DeviceOptions chosen = device_options(read_struct(options, {}));
        conformance->device.reset();
        conformance->device = open_device(chosen);
        conformance->opened_with = chosen;
    });
}

gramian_status gramian_conformance_run(gramian_conformance* conformance, uint32_t index, uint32_t repeat,
                                       gramian_case_result* result)
{
    return guard([&] {
        const Case& test = case_at(conformance, index);
        if (!conformance->device) raise(Status::invalid_argument, "no device: open one first");
        gramian_case_result found =
            result_of(run_case(*conformance->device, conformance->opened_with, test, conformance->seed, repeat));
        found.pipelines = conformance->device->pipeline_count();
        write_struct(result, found);
    });
}

const char* gramian_conformance_header_json(gramian_conformance* conformance)
{
    const gramian_status status = guard([&] {
        require_pointer(conformance, "conformance");
        conformance->header = header_of(*conformance).dump();
    });
    return status == GRAMIAN_OK ? conformance->header.c_str() : nullptr;
}

const char* gramian_conformance_devices_json(void)
{
    thread_local std::string text;
    const gramian_status status = guard([&] {
        Json devices = Json::array();
        for (const Caps& caps : list_devices()) {
            devices.push_back({{"name", caps.name}, {"driver", caps.driver}, {"kind", caps.kind}});
        }
        text = devices.dump();
    });
    return status == GRAMIAN_OK ? text.c_str() : nullptr;
}
