#include "report.hpp"

#include <fmt/format.h>
#include <map>

namespace gramian::conformance {
namespace {

constexpr const char* kHead = R"(<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Gramian conformance</title>
<style>
body{font:14px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem;color:#1d2733;background:#fff}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:.2rem .6rem;border-bottom:1px solid #e3e8ee;vertical-align:top}
td.n,th.n{text-align:right;white-space:nowrap}
.pass{color:#1a7f4b}.unsupported,.waived{color:#8a6d00}.fail,.timeout,.crash,.device_lost{color:#b3261e;font-weight:600}
.bar{display:inline-block;height:.6em;background:#7aa7d9}
@media(prefers-color-scheme:dark){body{background:#14181d;color:#dbe2ea}th,td{border-color:#2b333d}.pass{color:#5ecb92}
.unsupported,.waived{color:#d9b64a}.fail,.timeout,.crash,.device_lost{color:#ff8a80}}
</style>
)";

std::string escaped(std::string_view text)
{
    std::string safe;
    for (const char letter : text) {
        if (letter == '&')
            safe += "&amp;";
        else if (letter == '<')
            safe += "&lt;";
        else if (letter == '"')
            safe += "&quot;";
        else
            safe += letter;
    }
    return safe;
}

void append_header(std::string& page, const Report& report)
{
    page += "<table>";
    for (const auto& [key, value] : report.header.items()) {
        const std::string text = value.is_string() ? value.get<std::string>() : value.dump();
        page += fmt::format("<tr><th>{}<td>{}\n", escaped(key), escaped(text));
    }
    page += "</table>\n";
}

/// The bar is the part of its tolerance that a case uses.
void append_case(std::string& page, const Record& record)
{
    const double part = record.tolerance_max > 0 ? std::min(record.max / record.tolerance_max, 1.0) : 0.0;
    page += fmt::format("<tr><td>{}<td class=\"{}\">{}<td class=n>{:.2g}<td class=n>{:.2g}<td>"
                        "<span class=bar style=\"width:{:.1f}em\"></span><td class=n>{:.0f}<td>{}\n",
                        escaped(record.name), outcome_name(record.outcome), outcome_name(record.outcome), record.rms,
                        record.max, 6 * part, record.us, escaped(record.reason));
}

void append_report(std::string& page, const Report& report)
{
    page += fmt::format("<h1>{}</h1>\n<p>", escaped(report.header.value("device", "no device")));
    std::map<std::string_view, uint32_t> counts;
    for (const Record& record : report.records) ++counts[outcome_name(record.outcome)];
    for (const auto& [name, count] : counts) page += fmt::format("<span class=\"{0}\">{1} {0}</span> ", name, count);
    append_header(page, report);
    page += "<h2>Cases</h2><table><tr><th>case<th>status<th class=n>rms<th class=n>max<th>of its tolerance"
            "<th class=n>us<th>reason\n";
    for (const Record& record : report.records) append_case(page, record);
    page += "</table>\n";
}

} // namespace

void write_html(const std::string& path, const std::vector<Report>& reports)
{
    std::string page = kHead;
    for (const Report& report : reports) append_report(page, report);
    write_text(path, page + "</html>\n");
}

} // namespace gramian::conformance
