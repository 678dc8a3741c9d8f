// `gramian devices`: what this machine can run on.
#include "command.hpp"

#include <fmt/format.h>

namespace gramian::app {
namespace {

std::string version_text(uint32_t version)
{
    return fmt::format("{}.{}.{}", (version >> 22) & 0x7fU, (version >> 12) & 0x3ffU, version & 0xfffU);
}

Json device_row(const gramian_device_info& info, size_t index)
{
    Json row;
    row["index"] = info.is_host ? Json("host") : Json(index);
    row["name"] = info.name;
    row["driver"] = info.driver;
    row["kind"] = info.kind;
    if (info.is_host) return row;
    row["vulkan"] = version_text(info.api_version);
    row["subgroup_size"] = info.subgroup_size;
    row["max_workgroup_invocations"] = info.max_workgroup_invocations;
    row["max_shared_bytes"] = info.max_shared_bytes;
    row["max_push_bytes"] = info.max_push_bytes;
    row["max_storage_bytes"] = info.max_storage_bytes;
    return row;
}

void print_row(const Json& row)
{
    const Json& index = row.at("index");
    fmt::print("{:>4}  {}  ({}, {})\n", index.is_string() ? index.get<std::string>() : index.dump(),
               row.at("name").get<std::string>(), row.at("kind").get<std::string>(),
               row.at("driver").get<std::string>());
    if (!row.contains("vulkan")) return;
    fmt::print("      Vulkan {}, subgroup {}, workgroup {}, shared memory {} KiB, storage binding {} MiB\n",
               row.at("vulkan").get<std::string>(), row.at("subgroup_size").get<uint32_t>(),
               row.at("max_workgroup_invocations").get<uint32_t>(), row.at("max_shared_bytes").get<uint32_t>() / 1024,
               row.at("max_storage_bytes").get<uint64_t>() >> 20);
}

/// The selection table of one device: kernel, whether some shape picks it, and for which shapes.
Json kernel_table(const CommonOptions& options, const gramian_device_info& info, size_t index)
{
    const DeviceHandle device = open_device(options, info.is_host ? "host" : std::to_string(index));
    return Json::parse(gramian_device_kernels_json(device.get()));
}

void print_kernels(const Json& table)
{
    for (const Json& row : table) {
        fmt::print("      {} {:<22} {}\n", row.at("picked").get<bool>() ? "+" : "-",
                   row.at("kernel").get<std::string>(), row.at("when").get<std::string>());
    }
}

Exit list_devices(const CommonOptions& options, bool with_kernels)
{
    Json rows = Json::array();
    const std::vector<gramian_device_info> infos = device_list();
    for (size_t i = 0; i < infos.size(); ++i) {
        rows.push_back(device_row(infos[i], i));
        if (with_kernels && !infos[i].is_host) rows.back()["kernels"] = kernel_table(options, infos[i], i);
    }
    if (options.json) fmt::print("{}\n", Json{{"devices", rows}}.dump());
    for (const Json& row : rows) {
        if (options.json) continue;
        print_row(row);
        if (row.contains("kernels")) print_kernels(row.at("kernels"));
    }
    return Exit::done;
}

} // namespace

Command make_devices(CLI::App& parent)
{
    CLI::App* app = parent.add_subcommand("devices", "List the devices of this machine");
    app->footer("Example:\n  gramian devices --kernels");
    auto options = std::make_shared<CommonOptions>();
    auto with_kernels = std::make_shared<bool>(false);
    app->add_flag("--kernels", *with_kernels, "Which kernel variant each device gets, and why (+ picked, - not)");
    app->add_flag("--json", options->json, "One JSON object on standard output and nothing else");
    app->add_option("--limits", options->limits, "device, or minimum")->check(CLI::IsMember({"device", "minimum"}));
    return {app, [options, with_kernels] { return list_devices(*options, *with_kernels); }};
}

} // namespace gramian::app
