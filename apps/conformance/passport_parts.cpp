#include "passport.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <map>

namespace gramian::conformance {
namespace {

constexpr size_t kSlowest = 12;

/// 1234567 as "1 234 567".
std::string grouped(uint64_t number)
{
    return number < 1000 ? std::to_string(number) : fmt::format("{} {:03}", grouped(number / 1000), number % 1000);
}

std::string quantity(uint64_t number, std::string_view limit)
{
    if (limit.substr(0, 5) != "bytes") return grouped(number);
    if (number >= uint64_t{1} << 20U) return grouped(number >> 20U) + " MiB";
    return number >= 1024 ? grouped(number >> 10U) + " KiB" : grouped(number);
}

/// 0 to 4: passing, by the share of the tolerance that was used; 5: not passed.
const char* heat_of(const Record& record)
{
    if (is_failure(record.outcome)) return "h5";
    const double used = used_tolerance(record);
    if (record.outcome != Outcome::pass || used < 0) return "hn";
    return used < 0.05 ? "h0" : used < 0.2 ? "h1" : used < 0.5 ? "h2" : used < 0.8 ? "h3" : "h4";
}

std::string segment(size_t count, size_t all, const char* style)
{
    if (count == 0) return {};
    return fmt::format("<i class=\"{}\" style=\"width:{:.2f}%\"></i>", style,
                       100.0 * static_cast<double>(count) / static_cast<double>(all));
}

} // namespace

double used_tolerance(const Record& record)
{
    double used = -1;
    if (record.tolerance_rms > 0) used = std::max(used, record.rms / record.tolerance_rms);
    if (record.tolerance_max > 0) used = std::max(used, record.max / record.tolerance_max);
    // Within the absolute bound a case passes whatever its ratios are.
    return record.outcome == Outcome::pass ? std::min(used, 1.0) : used;
}

std::string limits_part(const Json& header)
{
    std::string page =
        "<section><h2>Limits against what the engine counts on</h2>\n<div class=scroll><table><tr><th>limit"
        "<th class=n>needs<th class=n>offers<th>\n";
    for (const Json& row : header.value("requirements", Json::array())) {
        const auto needs = row.value("needs", uint64_t{0}), offers = row.value("offers", uint64_t{0});
        const std::string limit = row.value("limit", "");
        page += fmt::format("<tr><td>{}<td class=n>{}<td class=n>{}<td class=\"{}\">{}\n", escaped(limit),
                            quantity(needs, limit), quantity(offers, limit), offers < needs ? "fail" : "pass",
                            offers < needs ? "too little" : "ok");
    }
    return page + "</table></div></section>\n";
}

std::string kernels_part(const Json& header)
{
    std::string page = "<section><h2>Kernel variants, and why</h2>\n<div class=scroll><table><tr><th>kernel<th>picked"
                       "<th>when\n";
    for (const Json& row : header.value("kernels", Json::array())) {
        const bool is_picked = row.value("picked", false);
        page += fmt::format("<tr{}><td><code>{}</code><td>{}<td>{}\n", is_picked ? "" : " class=off",
                            escaped(row.value("kernel", "")), is_picked ? "yes" : "no", escaped(row.value("when", "")));
    }
    return page + "</table></div></section>\n";
}

std::string families_part(const std::vector<Record>& records)
{
    struct Row {
        size_t all = 0, passed = 0, failed = 0;
    };
    std::map<std::string, Row> families;
    for (const Record& record : records) {
        Row& row = families[record.family];
        ++row.all;
        row.passed += record.outcome == Outcome::pass;
        row.failed += is_failure(record.outcome);
    }
    std::string page = "<section><h2>By family</h2>\n<div class=scroll><table><tr><th>family<th class=n>passed<th>\n";
    for (const auto& [family, row] : families) {
        page += fmt::format("<tr><td>{}<td class=n>{} of {}<td><span class=stack>{}{}{}</span>\n", escaped(family),
                            row.passed, row.all, segment(row.passed, row.all, "i-pass"),
                            segment(row.failed, row.all, "i-fail"),
                            segment(row.all - row.passed - row.failed, row.all, "i-none"));
    }
    return page + "</table></div></section>\n";
}

std::string heat_part(const std::vector<Record>& records)
{
    std::map<std::string, std::string> rows;
    std::map<std::string, double> worst;
    for (const Record& record : records) {
        const double used = used_tolerance(record);
        const std::string what =
            used < 0 ? std::string(outcome_name(record.outcome))
                     : fmt::format("{}, {:.1f} % of its tolerance", outcome_name(record.outcome), 100 * used);
        rows[record.op] +=
            fmt::format("<i class={} title=\"{}: {}\"></i>", heat_of(record), escaped(record.name), what);
        worst[record.op] = std::max(worst[record.op], used);
    }
    std::string page =
        "<section><h2>Error observed over error allowed, a square a case</h2>\n<p class=soft>none<span class=scale>"
        "<i class=hn></i></span> below 5 %<span class=scale><i class=h0></i><i class=h1></i><i class=h2></i><i "
        "class=h3></i><i class=h4></i></span>above 80 %, not passed<span class=scale><i class=h5></i></span> A "
        "square's "
        "name shows when pointed at.</p>\n<div class=scroll><table>\n";
    for (const auto& [op, squares] : rows) {
        page += fmt::format("<tr><td><code>{}</code><td class=n>{:.0f} %<td><div class=heat>{}</div>\n", escaped(op),
                            100 * worst[op], squares);
    }
    return page + "</table></div></section>\n";
}

std::string slowest_part(const std::vector<Record>& records)
{
    std::vector<const Record*> order;
    for (const Record& record : records) order.push_back(&record);
    std::stable_sort(order.begin(), order.end(), [](const Record* a, const Record* b) { return a->us > b->us; });
    order.resize(std::min(order.size(), kSlowest));
    std::string page = "<section><h2>Slowest cases</h2>\n<p class=soft>Submit to finished; a kernel's first run may "
                       "include the driver compiling it.</p>\n"
                       "<div class=scroll><table>\n";
    for (const Record* record : order) {
        page += fmt::format("<tr><td><code>{}</code><td class=n>{:.2f} ms<td style=\"width:8rem\"><span class=bar "
                            "style=\"width:{:.1f}%\"></span>\n",
                            escaped(record->name), record->us / 1e3, 100 * record->us / std::max(order[0]->us, 1e-9));
    }
    return page + "</table></div></section>\n";
}

std::string reasons_part(const std::vector<Record>& records, const char* title, bool (*is_wanted)(Outcome))
{
    std::string rows;
    size_t count = 0;
    for (const Record& record : records) {
        if (!is_wanted(record.outcome)) continue;
        ++count;
        rows += fmt::format("<tr><td><code>{}</code><td class=\"{}\">{}<td>{}\n", escaped(record.name),
                            outcome_name(record.outcome), outcome_name(record.outcome), escaped(record.reason));
    }
    if (count == 0) return {};
    return fmt::format("<section><details{}><summary>{}: {}</summary>\n<div class=scroll><table>\n{}</table></div>"
                       "</details></section>\n",
                       count <= 20 ? " open" : "", title, count, rows);
}

std::string bench_part(const Json& bench)
{
    std::string page = "<section><h2>Speed as a fraction of the roofline</h2>\n<p class=soft>In-place streaming of the "
                       "same bytes in the same run, over the kernel's time.</p>\n<div class=scroll><table>\n";
    size_t count = 0;
    for (const Json& row : bench.value("cases", Json::array())) {
        const auto fraction = row.find("roofline_fraction");
        if (fraction == row.end() || !fraction->is_number()) continue;
        ++count;
        page += fmt::format("<tr><td><code>{}</code><td class=n>{:.2f}<td style=\"width:45%\"><span class=bar "
                            "style=\"width:{:.1f}%\"></span>\n",
                            escaped(row.value("name", "")), fraction->get<double>(),
                            100 * std::clamp(fraction->get<double>(), 0.0, 1.0));
    }
    return count == 0 ? std::string() : page + "</table></div></section>\n";
}

std::string cases_part(const std::vector<Record>& records)
{
    std::string page = fmt::format("<section><details><summary>All {} cases</summary>\n<div class=scroll><table><tr>"
                                   "<th>case<th>status<th class=n>rms<th class=n>max<th class=n>us<th>reason\n",
                                   records.size());
    for (const Record& record : records) {
        page += fmt::format("<tr><td><code>{}</code><td class=\"{}\">{}<td class=n>{:.2g}<td class=n>{:.2g}<td class=n>"
                            "{:.0f}<td>{}\n",
                            escaped(record.name), outcome_name(record.outcome), outcome_name(record.outcome),
                            record.rms, record.max, record.us, escaped(record.reason));
    }
    return page + "</table></div></details></section>\n";
}

} // namespace gramian::conformance
