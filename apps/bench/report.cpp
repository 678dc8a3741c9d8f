#include "../common/html.hpp"
#include "bench.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fmt/format.h>
#include <fstream>
#include <limits>
#include <map>
#include <numeric>

namespace gramian::bench {
namespace {

template <class Value>
Json or_null(const std::optional<Value>& value)
{
    return value ? Json(*value) : Json();
}

std::string text_or_dash(const std::optional<double>& value)
{
    return value ? fmt::format("{:.2f}", *value) : "-";
}

constexpr const char* kHead = R"page(<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<link rel="icon" href="data:,"><title>Gramian bench</title><style>
body{font:15px/1.5 system-ui,sans-serif;max-width:64rem;margin:2rem auto;padding:0 1rem;color:#17202b;background:#fff}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}th,td{text-align:left;padding:.25rem .8rem .25rem 0;
border-bottom:1px solid #dfe5ec}th{color:#5b6877;font-size:.85rem}.n{text-align:right;white-space:nowrap}
.bar{display:block;height:.7rem;border-radius:3px;background:#4a7fb5}.bad{color:#b3261e;font-weight:600}.soft{color:#5b6877}
@media(prefers-color-scheme:dark){body{color:#dde4ec;background:#10151a}th,td{border-color:#2b343f}}
</style></head><body>
)page";

} // namespace

void set_times(Row& row, std::vector<double> us)
{
    std::sort(us.begin(), us.end());
    const auto count = static_cast<double>(us.size());
    const double mean = std::accumulate(us.begin(), us.end(), 0.0) / count;
    double squares = 0;
    for (const double one : us) squares += (one - mean) * (one - mean);
    row.median_us = us[us.size() / 2];
    row.min_us = us.front();
    row.cv = std::sqrt(squares / count) / mean;
}

float noise(uint64_t index, uint64_t seed)
{
    uint64_t x = index + (seed + 1) * 0x9E37'79B9'7F4A'7C15U;
    x = (x ^ (x >> 30U)) * 0xBF58'476D'1CE4'E5B9U;
    x = (x ^ (x >> 27U)) * 0x94D0'49BB'1331'11EBU;
    return static_cast<float>(x >> 40U) / static_cast<float>(1U << 23U) - 1;
}

Json json_of(const Row& row)
{
    Json json{{"name", row.name},
              {"params", row.params},
              {"correct", or_null(row.is_correct)},
              {"median_us", row.median_us},
              {"min_us", row.min_us},
              {"cv", row.cv},
              {"roofline_fraction", or_null(row.fraction)},
              {"texel_fraction", or_null(row.texel_fraction)},
              {"storage_ratio", or_null(row.storage_ratio)},
              {"stream_us", or_null(row.stream_us)},
              {"empty_us", or_null(row.empty_us)},
              {"bytes", or_null(row.bytes)},
              {"dispatches", or_null(row.dispatches)},
              {"submissions", or_null(row.submissions)},
              {"host_ratio", or_null(row.host_ratio)},
              {"eigen_ratio", or_null(row.eigen_ratio)},
              {"naive_ratio", or_null(row.naive_ratio)},
              {"resolve_ratio", or_null(row.resolve_ratio)},
              {"first_us", or_null(row.first_us)}};
    if (!row.reason.empty()) json["reason"] = row.reason;
    return json;
}

void print_row(const Row& row)
{
    fmt::print("{:<32} {:>10.1f} {:>10.1f} {:>7.2f} {:>9} {:>9} {:>9} {:>9} {:>9}  {}\n", row.name, row.median_us,
               row.min_us, row.cv, text_or_dash(row.fraction), text_or_dash(row.host_ratio),
               text_or_dash(row.eigen_ratio), text_or_dash(row.naive_ratio), text_or_dash(row.resolve_ratio),
               !row.is_correct   ? "not checked"
               : *row.is_correct ? "correct"
                                 : "WRONG: " + row.reason);
    std::fflush(stdout);
}

Json crossovers_of(const std::vector<Row>& rows)
{
    std::map<std::string, std::map<uint32_t, std::pair<double, double>>> layers; // by tokens: loop, best chunk
    for (const Row& row : rows) {
        if (!row.params.contains("chunk")) continue;
        const auto none = std::pair{0.0, std::numeric_limits<double>::infinity()};
        auto& times = layers[row.params["layer"]].try_emplace(row.params["tokens"], none).first->second;
        if (row.params["chunk"] == 0)
            times.first = row.median_us;
        else
            times.second = std::min(times.second, row.median_us);
    }
    Json found = Json::array();
    for (const auto& [layer, by_tokens] : layers) {
        const auto first = std::find_if(by_tokens.begin(), by_tokens.end(),
                                        [](const auto& at) { return at.second.second < at.second.first; });
        found.push_back({{"layer", layer},
                         {"tokens", first == by_tokens.end() ? Json() : Json(first->first)},
                         {"measured_to", by_tokens.rbegin()->first}});
    }
    return found;
}

std::vector<std::string> compare_with(const std::string& path, const std::vector<Row>& rows)
{
    std::ifstream file(path, std::ios::binary);
    if (!file) throw std::runtime_error(path + ": cannot read");
    const Json earlier = Json::parse(file, nullptr, false);
    if (earlier.is_discarded() || !earlier.contains("cases")) throw std::runtime_error(path + ": not a bench report");
    std::vector<std::string> lines;
    for (const Row& row : rows) {
        for (const Json& before : earlier["cases"]) {
            if (before.value("name", "") != row.name) continue;
            // Fractions of the same run's roofline compare between machines and hours; microseconds do not.
            const auto fraction = before.find("roofline_fraction");
            if (row.fraction && fraction != before.end() && fraction->is_number()) {
                lines.push_back(fmt::format("{:<32} roofline fraction {:.2f}, before {:.2f}", row.name, *row.fraction,
                                            fraction->get<double>()));
            } else {
                lines.push_back(fmt::format("{:<32} {:.1f} us, before {:.1f} us", row.name, row.median_us,
                                            before.value("median_us", 0.0)));
            }
        }
    }
    return lines;
}

void write_page(const std::string& path, const Json& report)
{
    std::string page = kHead;
    page +=
        fmt::format("<h1>{}</h1>\n<p class=soft>{} · load average {:.1f} · fraction: time of scaling as many bytes in "
                    "place, over the case's time, both with their submission, in the same run</p>\n<table><tr><th>case"
                    "<th class=n>median, us<th class=n>fraction<th><th class=n>host / device<th>\n",
                    escaped(report["device"].get<std::string>()), escaped(report["driver"].get<std::string>()),
                    report["load_average"].get<double>());
    for (const Json& row : report["cases"]) {
        const bool has_fraction = row["roofline_fraction"].is_number();
        const double fraction = has_fraction ? row["roofline_fraction"].get<double>() : 0;
        const bool is_wrong = row["correct"].is_boolean() && !row["correct"].get<bool>();
        page += fmt::format(
            "<tr><td><code>{}</code><td class=n>{:.1f}<td class=n>{}<td style=\"width:35%\"><span class=bar "
            "style=\"width:{:.1f}%\"></span><td class=n>{}<td class=bad>{}\n",
            escaped(row["name"].get<std::string>()), row["median_us"].get<double>(),
            has_fraction ? fmt::format("{:.2f}", fraction) : "", 100 * std::min(fraction, 1.0),
            row["host_ratio"].is_number() ? fmt::format("{:.2f}", row["host_ratio"].get<double>()) : "",
            is_wrong ? "wrong" : "");
    }
    std::ofstream file(path, std::ios::binary);
    file << page << "</table></body></html>\n" << std::flush;
    if (!file) throw std::runtime_error(path + ": cannot write");
}

} // namespace gramian::bench
