// The device passport: whether the engine can be trusted on this device, at a glance, and then why.
#include "passport.hpp"

#include "passport_style.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace gramian::conformance {
namespace {

struct Tally {
    size_t passed = 0;
    size_t failed = 0;
    size_t unsupported = 0;
    size_t waived = 0;
    double seconds = 0;
    double worst = 0; // share of its tolerance that a passing case used
};

Tally tally_of(const std::vector<Record>& records)
{
    Tally tally;
    for (const Record& record : records) {
        tally.passed += record.outcome == Outcome::pass;
        tally.failed += is_failure(record.outcome);
        tally.unsupported += record.outcome == Outcome::unsupported;
        tally.waived += record.outcome == Outcome::waived;
        tally.seconds += record.us / 1e6;
        if (record.outcome == Outcome::pass) tally.worst = std::max(tally.worst, used_tolerance(record));
    }
    return tally;
}

/// The sentence that a person reads first, and its colour.
std::pair<const char*, std::string> verdict_of(const Tally& tally)
{
    if (tally.failed > 0) {
        return {"bad", fmt::format("Do not trust this device yet: {} of {} cases failed.", tally.failed,
                                   tally.passed + tally.failed)};
    }
    if (tally.passed == 0) return {"hold", "Nothing was shown: no case passed."};
    if (tally.waived > 0) {
        return {"hold",
                fmt::format("Trusted apart from {} waived cases: the other {} passed.", tally.waived, tally.passed)};
    }
    return {"good", fmt::format("Trusted: all {} cases that this device supports passed.", tally.passed)};
}

std::string tile(size_t number, const char* what, const char* style)
{
    return fmt::format("<div><b class=\"{}\">{}</b>{}</div>", number > 0 ? style : "off", number, what);
}

std::string text_of(const Json& header, const char* key)
{
    const auto found = header.find(key);
    if (found == header.end()) return "unknown";
    return escaped(found->is_string() ? found->get<std::string>() : found->dump());
}

std::string version_of(const Json& header)
{
    const uint32_t packed = header.value("api_version", 0U); // as VK_MAKE_API_VERSION packs it
    return packed == 0 ? "no Vulkan"
                       : fmt::format("Vulkan {}.{}.{}", packed >> 22U & 0x7fU, packed >> 12U & 0x3ffU, packed & 0xfffU);
}

std::string head_part(const Report& report)
{
    const Tally tally = tally_of(report.records);
    const auto [style, sentence] = verdict_of(tally);
    const Json& header = report.header;
    std::string page =
        fmt::format("<section class=\"verdict {}\"><p class=soft>Gramian device passport</p>\n<h1>{}</h1>\n"
                    "<p><strong>{}</strong></p>\n",
                    style, text_of(header, "device"), sentence);
    page += "<div class=tiles>" + tile(tally.passed, "passed", "pass") + tile(tally.failed, "failed", "fail") +
            tile(tally.unsupported, "not supported", "unsupported") + tile(tally.waived, "waived", "waived");
    page += fmt::format("<div><b>{:.0f} %</b>of its tolerance, the worst</div><div><b>{:.1f} s</b>on the device</div>"
                        "</div></section>\n",
                        100 * tally.worst, tally.seconds);
    page += fmt::format("<p class=soft>{} · {} · subgroup size {} · limits assumed: {} · Gramian {} ({}) · kernels "
                        "<code>{}</code> · seed {}</p>\n",
                        text_of(header, "driver"), version_of(header), text_of(header, "subgroup_size"),
                        header.contains("limits") ? text_of(header["limits"], "assumed") : "unknown",
                        text_of(header, "engine_version"), text_of(header, "git_revision"),
                        text_of(header, "spirv_hash"), text_of(header, "seed"));
    return page;
}

/// A bench of another device says nothing about this one.
bool is_of(const Json& bench, const Json& header)
{
    return bench.is_object() && bench.value("device", "") == header.value("device", "?");
}

std::string report_part(const Report& report, const Json& bench)
{
    const std::vector<Record>& records = report.records;
    std::string page = head_part(report);
    page += reasons_part(records, "Failures", is_failure);
    page += "<div class=two>" + families_part(records) + "<div>" + limits_part(report.header) + slowest_part(records) +
            "</div></div>\n";
    page += heat_part(records) + kernels_part(report.header);
    if (is_of(bench, report.header)) page += bench_part(bench);
    page += reasons_part(records, "Waived", [](Outcome outcome) { return outcome == Outcome::waived; });
    page += reasons_part(records, "Not supported", [](Outcome outcome) { return outcome == Outcome::unsupported; });
    return page + cases_part(records);
}

} // namespace

void write_passport(const std::string& path, const std::vector<Report>& reports, const Json& bench)
{
    std::string page(kPassportHead);
    for (const Report& report : reports) page += report_part(report, bench);
    page += kPassportFoot;
    write_text(path, page);
}

} // namespace gramian::conformance
