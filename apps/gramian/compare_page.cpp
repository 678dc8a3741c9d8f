#include "compare_page.hpp"
#include "../common/html.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

namespace gramian::app {
namespace {

constexpr const char* kHead = R"page(<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<link rel="icon" href="data:,">
<title>Attention, priced</title>
<style>
:root{--ink:#17202b;--soft:#5b6877;--line:#dfe5ec;--card:#fff;--page:#f3f5f8;--a:#1f6fb2;--b:#b3541e;--c:#1a7f4b;--d:#7a4fb0}
@media(prefers-color-scheme:dark){:root{--ink:#dde4ec;--soft:#95a3b3;--line:#2b343f;--card:#181e25;--page:#10151a;
--a:#6ea3d8;--b:#e59a6a;--c:#5ecb92;--d:#b79be0}}
*{box-sizing:border-box}body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--page);margin:0}
main{max-width:76rem;margin:0 auto;padding:1.5rem 1rem 4rem}h1{font-size:1.5rem;margin:0}h2{font-size:1.05rem;margin:0 0 .4rem}
section{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:1rem 1.25rem;margin:1rem 0}
.soft{color:var(--soft)}p{margin:.3rem 0}code{font:.9em ui-monospace,monospace}
.two{display:grid;grid-template-columns:repeat(auto-fit,minmax(30rem,1fr));gap:1rem}.two section{margin:0}
.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th{font-weight:600;color:var(--soft);font-size:.85rem}th,td{text-align:left;padding:.25rem .8rem .25rem 0;
border-bottom:1px solid var(--line)}tr:last-child td{border-bottom:0}.n{text-align:right;white-space:nowrap}
svg{width:100%;height:auto;display:block}svg text{font:11px system-ui,sans-serif;fill:var(--ink)}
svg .axis{fill:var(--soft)}svg line{stroke:var(--line)}
</style>
</head>
<body>
<main>
)page";

struct Point {
    double x;
    double y;
    std::string label;
    const char* color = "var(--a)";
};

/// A logarithmic or linear axis from its points' extremes.
struct Axis {
    double low;
    double high;
    bool is_log;

    Axis(std::vector<double> values, bool log) : is_log(log)
    {
        std::sort(values.begin(), values.end());
        low = values.front();
        high = values.back();
        if (is_log) {
            low = std::pow(10.0, std::floor(std::log10(low)));
            high = std::pow(10.0, std::ceil(std::log10(high) + 1e-9));
        } else {
            low = std::min(low, 0.0);
            high = std::max(high, low + 1e-9) * 1.05;
        }
    }
    [[nodiscard]] double place(double value) const
    {
        return is_log ? std::log(value / low) / std::log(high / low) : (value - low) / (high - low);
    }
    [[nodiscard]] std::vector<double> ticks() const
    {
        std::vector<double> marks;
        if (is_log) {
            for (double mark = low; mark <= high * 1.001; mark *= 10) marks.push_back(mark);
        } else {
            for (int i = 0; i <= 4; ++i) marks.push_back(low + (high - low) * i / 4);
        }
        return marks;
    }
};

/// Labels stand in a column, in the order of their points' heights, none over another.
std::vector<double> label_heights(const std::vector<std::pair<double, double>>& places, double bottom)
{
    constexpr double kLine = 13;
    std::vector<size_t> order(places.size());
    for (size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return places[a].second < places[b].second; });
    std::vector<double> heights(places.size());
    double least = 0;
    for (const size_t i : order) {
        heights[i] = std::max(places[i].second, least);
        least = heights[i] + kLine;
    }
    double most = bottom;
    for (auto i = order.rbegin(); i != order.rend(); ++i) { // what was pushed over the edge comes back up
        heights[*i] = std::min(heights[*i], most);
        most = heights[*i] - kLine;
    }
    return heights;
}

std::string plot(const std::vector<Point>& points, const char* x_name, const char* y_name, bool log_x, bool log_y)
{
    constexpr double kWidth = 620, kHeight = 380, kLeft = 56, kRight = 210, kTop = 26, kBottom = 40;
    std::vector<double> xs, ys;
    for (const Point& point : points) {
        xs.push_back(point.x);
        ys.push_back(point.y);
    }
    const Axis x(xs, log_x), y(ys, log_y);
    const auto px = [&](double value) { return kLeft + x.place(value) * (kWidth - kLeft - kRight); };
    const auto py = [&](double value) { return kHeight - kBottom - y.place(value) * (kHeight - kTop - kBottom); };
    std::string svg = fmt::format("<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{} against {}\">\n", kWidth,
                                  kHeight, y_name, x_name);
    for (const double mark : x.ticks()) {
        svg += fmt::format("<line x1={0:.1f} x2={0:.1f} y1={1} y2={2} /><text class=axis x={0:.1f} y={3} "
                           "text-anchor=middle>{4:.3g}</text>\n",
                           px(mark), kTop, kHeight - kBottom, kHeight - kBottom + 15, mark);
    }
    for (const double mark : y.ticks()) {
        svg += fmt::format("<line x1={0} x2={1} y1={2:.1f} y2={2:.1f} /><text class=axis x={3} y={4:.1f} "
                           "text-anchor=end>{5:.2g}</text>\n",
                           kLeft, kWidth - kRight, py(mark), kLeft - 6, py(mark) + 4, mark);
    }
    std::vector<std::pair<double, double>> places;
    for (const Point& point : points) places.emplace_back(px(point.x), py(point.y));
    const std::vector<double> heights = label_heights(places, kHeight - kBottom);
    for (size_t i = 0; i < points.size(); ++i) {
        const auto [at_x, at_y] = places[i];
        const double column = kWidth - kRight + 14;
        svg +=
            fmt::format("<path d=\"M{:.1f} {:.1f}L{:.1f} {:.1f}\" style=\"stroke:{};stroke-width:.6;opacity:.5\"/>\n",
                        at_x + 4, at_y, column - 3, heights[i], points[i].color);
        svg += fmt::format("<circle cx={:.1f} cy={:.1f} r=4 style=\"fill:{}\"/><text x={:.1f} y={:.1f}>{}</text>\n",
                           at_x, at_y, points[i].color, column, heights[i] + 4, escaped(points[i].label));
    }
    svg += fmt::format(
        "<text class=axis x={:.0f} y={} text-anchor=middle>{}</text><text class=axis x={} y={}>{}</text></svg>\n",
        kLeft + (kWidth - kLeft - kRight) / 2, kHeight - 6, x_name, 4, kTop - 13, y_name);
    return svg;
}

std::string price_plot(const std::vector<PriceRow>& rows, const char* title, const char* x_name,
                       double (*x)(const PriceRow&))
{
    std::vector<Point> points;
    for (const PriceRow& row : rows) {
        if (!row.refusal.empty() || x(row) <= 0) continue;
        points.push_back({x(row), std::max(row.error, 1e-7), row.name});
    }
    if (points.empty()) return {};
    return fmt::format("<section><h2>{}</h2>\n{}</section>\n", title,
                       plot(points, x_name, "error of the output", true, true));
}

std::string price_table(const std::vector<PriceRow>& rows)
{
    std::string page =
        "<section><h2>Price list</h2>\n<p class=soft>Error: of the output, values included, against exact causal "
        "softmax attention, relative to its Frobenius norm; worst token: relative to the norm of a "
        "middling token; weights: sum of |w - p| over a token's keys, on average over the first 256 tokens. LARA has "
        "no "
        "causal form: its error is against attention over all keys, and it keeps no state. None of these operators was "
        "trained to imitate softmax attention on this trace.</p>\n<div class=scroll><table><tr><th>operator<th "
        "class=n>error<th class=n>worst token<th class=n>weights<th class=n>state, bytes<th class=n>bytes a token<th "
        "class=n>us a token<th>setting\n";
    for (const PriceRow& row : rows) {
        if (!row.refusal.empty()) {
            page += fmt::format("<tr><td>{}<td colspan=6 class=soft>not run: {}<td><code>{}</code>\n",
                                escaped(row.name), escaped(row.refusal), escaped(row.op));
            continue;
        }
        page += fmt::format("<tr><td>{}<td class=n>{:.3g}<td class=n>{:.3g}<td class=n>{}<td class=n>{}<td "
                            "class=n>{:.0f}<td class=n>{:.1f}"
                            "<td><code>{}</code>\n",
                            escaped(row.name), row.error, row.worst_token,
                            row.weight_error ? fmt::format("{:.3g}", *row.weight_error) : "-", row.state_bytes,
                            row.bytes, row.us, escaped(row.op));
    }
    return page + "</table></div></section>\n";
}

const char* method_color(std::string_view method)
{
    return method == "topk_refit" ? "var(--b)" : method == "frank_wolfe" ? "var(--c)" : "var(--d)";
}

std::string sparse_part(const SparseStudy& study)
{
    if (!study.refusal.empty()) {
        return fmt::format("<section><h2>Value-aware sparsity</h2><p class=soft>Not run: {}</p></section>\n",
                           escaped(study.refusal));
    }
    std::vector<Point> points;
    std::string table;
    for (const SparseRow& row : study.rows) {
        const auto skew = std::find_if(study.skew.begin(), study.skew.end(),
                                       [&](const auto& entry) { return entry.first == row.kernel; });
        table += fmt::format(
            "<tr><td><code>{}</code><td>{}<td class=n>{:.2f}<td class=n>{:.3g}<td class=n>{:.3g}<td class=n>"
            "{:.3g}<td class=n>{:.0f} %<td class=n>{:.0f}\n",
            kernel_name(row.kernel), escaped(row.method), skew->second, row.error, row.worst_token, row.weight_error,
            100 * row.gain, row.us);
        if (row.method == "oblivious") continue;
        points.push_back({skew->second, 100 * row.gain, fmt::format("{}, {}", row.method, kernel_name(row.kernel)),
                          method_color(row.method)});
    }
    return fmt::format(
        "<section><h2>Value-aware sparsity: {} keys instead of all</h2>\n<p class=soft>On {} sampled tokens. The "
        "value-oblivious choice keeps the {} largest weights and scales them to sum 1; its row is what the same budget "
        "costs without looking at the values. Whether flatter kernels gain more, this trace shows below.</p>\n{}<div "
        "class=scroll><table><tr><th>kernel<th>method<th "
        "class=n>"
        "weight on the largest<th class=n>error<th class=n>worst token<th class=n>error of the weights<th "
        "class=n>gain<th "
        "class=n>us a token\n{}</table></div></section>\n",
        study.budget, study.tokens.size(), study.budget,
        plot(points, "share of the weight on the largest keys", "gain over the value-oblivious choice, %", false,
             false),
        table);
}

} // namespace

std::string comparison_page(const std::vector<Comparison>& comparisons, const std::string& file,
                            const std::string& device)
{
    std::string page = kHead;
    page +=
        fmt::format("<h1>What approximate attention costs</h1>\n<p class=soft>{} · {} · times are of this device and "
                    "this run</p>\n",
                    escaped(file), escaped(device));
    for (const Comparison& one : comparisons) {
        const AttentionTrace& trace = one.trace;
        if (!trace.name.empty()) page += fmt::format("<h2>{}</h2>\n", escaped(trace.name));
        page += fmt::format("<p class=soft>{} sequences of {} tokens, {} heads, keys of {}, values of {}</p>\n",
                            trace.batch, trace.tokens, trace.heads, trace.width, trace.columns);
        page += price_table(one.rows) + "<div class=two>";
        page += price_plot(one.rows, "Error against state", "state, bytes",
                           [](const PriceRow& row) { return static_cast<double>(row.state_bytes); });
        page += price_plot(one.rows, "Error against time", "us a token", [](const PriceRow& row) { return row.us; });
        page += "</div>\n" + sparse_part(one.sparse);
    }
    return page + "</main>\n</body>\n</html>\n";
}

} // namespace gramian::app
