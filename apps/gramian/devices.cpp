// `gramian devices`: what this machine can run on.
#include "command.hpp"
#include "verdicts.hpp"

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

/// What the last self-test found, of this run or an earlier one; null where the device was not tested.
Json self_test_of(const DeviceHandle& device, bool runs)
{
    if (runs) keep_verdict(device.self_test());
    const char* verdict = gramian_device_verdict_json(device.get());
    return verdict ? Json::parse(verdict) : Json();
}

void print_self_test(const Json& verdict)
{
    if (verdict.is_null()) {
        fmt::print("      self-test: not run yet (gramian devices --self-test)\n");
        return;
    }
    const Json& refused = verdict.at("refused");
    const size_t tested = verdict.at("kernels").size();
    fmt::print("      self-test: {} of {} kernels right, in {:.0f} ms\n", tested - refused.size(), tested,
               verdict.at("us").get<double>() / 1000);
    for (const Json& entry : refused) {
        fmt::print("      not used: {:<22} {}\n", entry.at("kernel").get<std::string>(),
                   entry.at("reason").get<std::string>());
    }
}

void print_kernels(const Json& table)
{
    for (const Json& row : table) {
        fmt::print("      {} {:<22} {}\n", row.at("picked").get<bool>() ? "+" : "-",
                   row.at("kernel").get<std::string>(), row.at("when").get<std::string>());
    }
}

Exit list_devices(const CommonOptions& options, bool with_kernels, bool tests)
{
    Json rows = Json::array();
    const std::vector<gramian_device_info> infos = device_list();
    for (size_t i = 0; i < infos.size(); ++i) {
        rows.push_back(device_row(infos[i], i));
        if (infos[i].is_host) continue;
        const DeviceHandle device = open_device(options, std::to_string(i));
        rows.back()["self_test"] = self_test_of(device, tests);
        if (with_kernels) rows.back()["kernels"] = Json::parse(gramian_device_kernels_json(device.get()));
    }
    if (options.json) fmt::print("{}\n", Json{{"devices", rows}}.dump());
    for (const Json& row : rows) {
        if (options.json) continue;
        print_row(row);
        if (row.contains("self_test")) print_self_test(row.at("self_test"));
        if (row.contains("kernels")) print_kernels(row.at("kernels"));
    }
    return Exit::done;
}

} // namespace

Command make_devices(CLI::App& parent)
{
    CLI::App* app = parent.add_subcommand("devices", "List the devices of this machine");
    app->footer("Example:\n  gramian devices --self-test --kernels");
    auto options = std::make_shared<CommonOptions>();
    auto with_kernels = std::make_shared<bool>(false);
    auto tests = std::make_shared<bool>(false);
    app->add_flag("--kernels", *with_kernels, "Which kernel variant each device gets, and why (+ picked, - not)");
    app->add_flag("--self-test", *tests,
                  "Test every kernel on every device; no command uses one that is wrong from then on");
    app->add_flag("--json", options->json, "One JSON object on standard output and nothing else");
    app->add_option("--limits", options->limits, "device, or minimum")->check(CLI::IsMember({"device", "minimum"}));
    options->timeout_ns = 300'000'000'000; // some drivers compile a kernel for long when it first runs
    return {app, [options, with_kernels, tests] { return list_devices(*options, *with_kernels, *tests); }};
}

} // namespace gramian::app
