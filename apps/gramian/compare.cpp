// `gramian compare`: every attention operator of the engine on a user's own q, k and v, with what it is off by and
// costs.
#include "compare_page.hpp"

#include <fmt/format.h>
#include <fstream>

namespace gramian::app {
namespace {

struct CompareOptions {
    CommonOptions common;
    std::string trace;
    std::string html;
    uint32_t budget = 16;
    uint32_t tokens = 1024;
};

Json json_of(const PriceRow& row)
{
    Json json{{"name", row.name}, {"operator", row.op}, {"setting", row.setting}};
    if (!row.refusal.empty()) {
        json["refused"] = row.refusal;
        return json;
    }
    json.update({{"causal", row.is_causal},
                 {"error", row.error},
                 {"worst_token", row.worst_token},
                 {"weight_error", row.weight_error ? Json(*row.weight_error) : Json()},
                 {"state_bytes", row.state_bytes},
                 {"bytes_per_token", row.bytes},
                 {"us_per_token", row.us}});
    return json;
}

Json json_of(const SparseStudy& study)
{
    Json json{{"budget", study.budget}, {"sampled_tokens", study.tokens}, {"rows", Json::array()}};
    if (!study.refusal.empty()) json["refused"] = study.refusal;
    for (const auto& [kernel, share] : study.skew) json["top_share"][kernel_name(kernel)] = share;
    for (const SparseRow& row : study.rows) {
        json["rows"].push_back({{"method", row.method},
                                {"kernel", kernel_name(row.kernel)},
                                {"error", row.error},
                                {"worst_token", row.worst_token},
                                {"weight_error", row.weight_error},
                                {"gain_over_oblivious", row.gain},
                                {"us_per_token", row.us}});
    }
    return json;
}

Json json_of(const Comparison& comparison)
{
    const AttentionTrace& trace = comparison.trace;
    Json json{{"node", trace.name},   {"batch", trace.batch},     {"tokens", trace.tokens},
              {"heads", trace.heads}, {"key_width", trace.width}, {"value_width", trace.columns},
              {"rows", Json::array()}};
    for (const PriceRow& row : comparison.rows) json["rows"].push_back(json_of(row));
    json["value_aware"] = json_of(comparison.sparse);
    return json;
}

void print(const Comparison& comparison)
{
    const AttentionTrace& trace = comparison.trace;
    fmt::print("{}{} sequences of {} tokens, {} heads, keys of {}, values of {}\n\n",
               trace.name.empty() ? "" : trace.name + ": ", trace.batch, trace.tokens, trace.heads, trace.width,
               trace.columns);
    fmt::print("  {:<30} {:>10} {:>12} {:>10} {:>14} {:>14} {:>11}\n", "operator", "error", "worst token", "weights",
               "state, bytes", "bytes a token", "us a token");
    for (const PriceRow& row : comparison.rows) {
        if (!row.refusal.empty()) {
            fmt::print("  {:<30} not run: {}\n", row.name, row.refusal);
            continue;
        }
        fmt::print("  {:<30} {:>10.3g} {:>12.3g} {:>10} {:>14} {:>14.0f} {:>11.1f}\n", row.name, row.error,
                   row.worst_token, row.weight_error ? fmt::format("{:.3g}", *row.weight_error) : "-", row.state_bytes,
                   row.bytes, row.us);
    }
    const SparseStudy& sparse = comparison.sparse;
    fmt::print("\nValue-aware sparsity, {} keys, on {} tokens\n", sparse.budget, sparse.tokens.size());
    if (!sparse.refusal.empty()) fmt::print("  not run: {}\n", sparse.refusal);
    for (const SparseRow& row : sparse.rows) {
        fmt::print("  {:<14} {:<12} error {:<9.3g} gain over oblivious {:>5.1f} %\n", kernel_name(row.kernel),
                   row.method, row.error, 100 * row.gain);
    }
    fmt::print("\n");
}

void write_page(const std::vector<Comparison>& comparisons, const CompareOptions& options, const std::string& device)
{
    std::ofstream file(options.html, std::ios::binary);
    file << comparison_page(comparisons, options.trace, device) << std::flush;
    if (!file) throw std::runtime_error(options.html + ": cannot write");
}

Exit compare(const CompareOptions& options)
{
    const DeviceHandle device = open_device(options.common, options.common.device);
    std::vector<Comparison> comparisons;
    for (AttentionTrace& trace : load_traces(options.trace, options.tokens)) {
        Comparison one;
        one.rows = price_operators(device, trace, exact_outputs(trace), options.budget);
        one.sparse = study_sparse(device, trace, options.budget);
        one.trace = std::move(trace);
        comparisons.push_back(std::move(one));
    }
    const std::string name = device.info().name;
    if (options.common.json) {
        Json json{{"trace", options.trace}, {"device", name}, {"budget", options.budget}, {"traces", Json::array()}};
        for (const Comparison& one : comparisons) json["traces"].push_back(json_of(one));
        // A trace of one node, as most are, has its rows at the top as well.
        if (comparisons.size() == 1) json.update(json_of(comparisons.front()));
        fmt::print("{}\n", json.dump(-1, ' ', false, Json::error_handler_t::replace));
    } else {
        for (const Comparison& one : comparisons) print(one);
    }
    if (!options.html.empty()) write_page(comparisons, options, name);
    return Exit::done;
}

} // namespace

Command make_compare(CLI::App& parent)
{
    CLI::App* app = parent.add_subcommand("compare", "The price list of attention operators on your own q, k and v");
    app->footer(
        R"(TRACE holds q, k [B, T, H, D] and v [B, T, H, E], or NODE.q, NODE.k, NODE.v for several nodes: `gramian trace` writes such
files. Every operator decodes it token by token; errors are against exact causal softmax attention, values included.
LARA has no causal form: it answers all tokens at once, against softmax attention over all keys, and keeps no state.
Weights: the sum of |w - p| over a token's keys, on average over the first 256 tokens; a dash where values decide them.

Example:
  gramian trace --generate --skew 2 --out trace.safetensors
  gramian compare trace.safetensors --budget 16 --html prices.html)");
    auto options = std::make_shared<CompareOptions>();
    app->add_option("trace", options->trace, "FILE.safetensors")->required();
    app->add_option("--budget", options->budget, "Keys that the sparse approximations may use")
        ->check(CLI::Range(1U, 1024U))
        ->capture_default_str();
    app->add_option("--tokens", options->tokens, "Of each sequence, at most the first of them")
        ->check(CLI::Range(1U, 65'536U))
        ->capture_default_str();
    app->add_option("--html", options->html, "Write a page with plots")->type_name("FILE");
    add_common_options(*app, options->common);
    return {app, [options] { return compare(*options); }};
}

} // namespace gramian::app
