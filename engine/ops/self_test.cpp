#include "ops/self_test.hpp"

#include "ops/kernels.hpp"

#include <chrono>

namespace gramian {
namespace {

constexpr const char* kVerdictNames[] = {"not tested", "right", "does not compile", "unstable", "wrong"};

/// What a verdict holds for.
Json key_of(const Caps& caps, std::string_view engine)
{
    return {{"device", caps.name},
            {"driver", caps.driver},
            {"driver_version", caps.driver_version},
            {"vendor_id", caps.vendor_id},
            {"device_id", caps.device_id},
            {"engine", engine},
            {"spirv_hash", fmt::format("{:016x}", spirv_hash())},
            {"abilities",
             {{"subgroup_size", caps.subgroup_size},
              {"has_subgroup_operations", caps.has_subgroup_operations},
              {"has_state_texels", caps.has_state_texels},
              {"max_shared_bytes", caps.max_shared_bytes},
              {"max_workgroup_invocations", caps.max_workgroup_invocations},
              {"stages_transfers", caps.stages_transfers}}}};
}

Json json_of(const Caps& caps, const Findings& findings)
{
    Json kernels = Json::array();
    for (const KernelChoice& choice : kernel_choices(caps)) {
        const auto found = findings.find(choice.shader->name);
        if (found == findings.end() && !choice.is_picked) continue; // another device's variant
        const Finding& finding = found == findings.end() ? Finding{} : found->second;
        kernels.push_back({{"kernel", choice.shader->name},
                           {"verdict", kVerdictNames[static_cast<size_t>(finding.verdict)]},
                           {"launches", finding.launches},
                           {"error", finding.error},
                           {"reason", finding.reason}});
    }
    return kernels;
}

} // namespace

Json self_test(Device& device, std::string_view engine)
{
    Json verdict = key_of(device.caps(), engine);
    const auto start = std::chrono::steady_clock::now();
    const std::vector<SelfTestCheck> checks = self_test_checks();
    std::vector<Refusal> refused;
    Findings all;
    device.refuse({});
    // A variant that is refused brings another one up, which has to be tested too.
    for (bool is_settled = device.caps().is_host; !is_settled;) {
        is_settled = true;
        for (auto& [kernel, finding] : run_checks(device, checks)) {
            if (device.caps().refuses(kernel)) continue; // it has no other variant
            if (finding.verdict > Verdict::right) {
                refused.push_back({kernel, finding.reason});
                is_settled = false;
            }
            all[kernel] = std::move(finding);
        }
        device.refuse(refused);
    }
    const std::chrono::duration<double, std::micro> spent = std::chrono::steady_clock::now() - start;
    verdict["us"] = spent.count();
    verdict["kernels"] = device.caps().is_host ? Json::array() : json_of(device.caps(), all);
    verdict["refused"] = Json::array();
    for (const Refusal& refusal : refused) {
        verdict["refused"].push_back({{"kernel", refusal.kernel}, {"reason", refusal.reason}});
    }
    return verdict;
}

std::string apply_verdict(Device& device, std::string_view engine, std::string_view text)
{
    try {
        const Json given = parse_json(text, "a verdict", Status::invalid_argument);
        const Json key = key_of(device.caps(), engine);
        for (const Json& verdict : given.is_array() ? given : Json::array({given})) {
            const auto fits = [&](const auto& entry) {
                return verdict.contains(entry.key()) && verdict.at(entry.key()) == entry.value();
            };
            if (!std::ranges::all_of(key.items(), fits)) continue;
            std::vector<Refusal> refused;
            for (const Json& entry : verdict.at("refused")) {
                refused.push_back({entry.at("kernel").get<std::string>(), entry.at("reason").get<std::string>()});
            }
            device.refuse(std::move(refused));
            return verdict.dump();
        }
    } catch (const std::exception&) { // damaged: as good as none
    }
    return {};
}

} // namespace gramian
