// Cases of `eva`: a window and the summaries of all chunks in one softmax.
#include "ops/cases.hpp"
#include "ops/eva_settings.hpp"
#include "ops/eva_twin.hpp"

#include <cmath>

namespace gramian {
namespace {

struct EvaRow {
    const char* name;
    uint32_t batch;
    uint32_t tokens;
    uint32_t heads;
    uint32_t width;
    const char* attributes;
    double scale = 1; // of queries and keys
    bool is_quick = true;
    bool has_ramp = false; // values and keys that rise with the token: what is dropped at the end shows
};

constexpr EvaRow kRows[] = {
    {"t1_d1", 1, 1, 1, 1, R"({"window":1,"chunk":1})"},
    {"t5_d1_w8", 1, 5, 1, 1, R"({"window":8,"landmarks":2})"},
    {"t24_h3_d5", 2, 24, 3, 5, R"({"window":6,"chunk":4})"}, // chunks that windows cut through
    {"t21_d7_ragged", 2, 21, 2, 7, R"({"window":4,"landmarks":6})"},
    {"t13_d4_overlap_ragged", 2, 13, 2, 4, R"({"window":4,"chunk":2,"overlap":true})"},
    {"t9_d8_padding_chunk", 1, 9, 2, 8, R"({"window":8,"chunk":4,"overlap":true,"exclude_local":true})"},
    {"t33_d16_t5", 1, 33, 2, 16, R"({"window":11,"landmarks":3,"relative":"t5","projection":"no_ln"})"},
    {"t12_d4_t5_w3_overlap", 1, 12, 1, 4, R"({"window":3,"chunk":3,"overlap":true,"relative":"t5"})"},
    {"t70_d63_table", 1, 70, 1, 63, R"({"window":10,"chunk":7,"overlap":true,"relative":"table"})"},
    {"t64_d64_none", 1, 64, 2, 64, R"({"window":16,"landmarks":8,"projection":"none"})"},
    {"t130_d65", 1, 130, 1, 65, R"({"window":65,"chunk":65})"}, // a key, and a column, more than a workgroup has
    {"t66_d9_exclude_local", 2, 66, 2, 9, R"({"window":6,"chunk":3,"exclude_local":true})"},
    {"grid6x8_d5_table", 1, 48, 2, 5, R"({"grid":[6,8],"window":2,"chunk":1,"relative":"table"})"},
    {"grid4x12_d8_exclude_local", 2, 48, 1, 8, R"({"grid":[4,12],"window":4,"chunk":2,"exclude_local":true})"},
    {"grid9x9_d16_landmarks", 1, 81, 1, 16, R"({"grid":[9,9],"window":3,"landmarks":9})"},
    {"causal_t1_d3", 1, 1, 1, 3, R"({"causal":true,"window":4,"chunk":2})"},
    {"causal_t33_h2_d5_chunk1", 2, 33, 2, 5, R"({"causal":true,"window":8,"chunk":1})"},
    {"causal_t65_d16_t5", 1, 65, 2, 16, R"({"causal":true,"window":32,"chunk":8,"relative":"t5"})"},
    {"causal_t50_d7_overlap_t5", 2, 50, 1, 7,
     R"({"causal":true,"window":9,"chunk":3,"overlap":true,"relative":"t5","projection":"no_ln"})"},
    {"causal_t61_d8_overlap_exclude_local", 1, 61, 2, 8,
     R"({"causal":true,"window":8,"chunk":4,"overlap":true,"exclude_local":true})"},
    {"causal_t300_d64", 1, 300, 1, 64, R"({"causal":true,"window":128,"chunk":8,"relative":"t5"})", 1, false},
    {"large_scores_t40_d16", 1, 40, 2, 16, R"({"window":8,"chunk":4})", 6},
    {"causal_large_scores_t40_d16", 1, 40, 2, 16, R"({"causal":true,"window":8,"chunk":4})", 6},
    {"equal_keys_t24_d6", 1, 24, 1, 6, R"({"window":6,"chunk":3})", 0}, // variance 0 in every layer norm
    // The longest chunk of width 1 that 60,000 loop trips can average: drivers exist that stop silently after 65,535.
    {"t29900_d1_longest_chunk", 1, 29900, 1, 1, R"({"window":1,"chunk":29900,"projection":"no_ln"})", 0.1, false, true},
    {"b65537_t1_d1", 65537, 1, 1, 1, R"({"window":1,"chunk":1,"projection":"no_ln"})", 1, false},
};

/// Measured with fp32 loops: 1e-7 to 6e-7 (rms) and 7e-7 (max); ten times that for another order of sums and a device's
/// exponentials.
constexpr Tolerance kTolerance{5e-6, 2e-5};
/// A lane adds 29,900 tokens one after the other: 2^-24 * sqrt(29900) on average, several times that at worst.
constexpr Tolerance kLongTolerance{3e-5, 1e-4};
/// Scores of some hundred are themselves rounded by 300 * 2^-24, and so are then their weights, relatively.
constexpr Tolerance kLargeTolerance{5e-5, 2e-4};

twin::EvaSets sets_of(const EvaSettings& s, uint32_t tokens)
{
    twin::EvaSets sets;
    sets.tokens = tokens;
    sets.padded = s.chunking.grid > 0 ? tokens : ceil_div(tokens, s.window) * s.window;
    sets.chunks = s.chunking.count;
    sets.window = s.window;
    sets.window_overlap = s.window_overlap;
    sets.chunk = s.chunking.side;
    sets.chunk_overlap = s.chunking.overlap;
    sets.grid = s.chunking.grid;
    sets.is_causal = s.is_causal;
    sets.excludes_local = s.excludes_local;
    return sets;
}

/// The added bias of a pair, in the terms of the published code: the table by the places of query and key in the
/// window (the key's counted from the overlap on), the buckets by their difference.
double bias_of(const EvaSettings& s, const std::vector<double>& table, uint32_t heads, uint32_t head, uint32_t t,
               uint32_t key, double scale)
{
    if (s.relative == EvaBias::none) return 0;
    const uint32_t w = s.window;
    if (s.chunking.grid > 0) {
        const uint32_t across = s.chunking.grid;
        const uint32_t dy = t / across + w - 1 - key / across;
        const uint32_t dx = t % across + w - 1 - key % across;
        return table[size_t{dy * w + dx} * heads + head];
    }
    const uint32_t i = t % w;
    const uint32_t j = key + s.window_overlap - t / w * w;
    if (s.relative == EvaBias::table) return table[(size_t{head} * w + i) * (w + 2 * s.window_overlap) + j];
    const uint32_t bucket = eva_bucket(static_cast<int32_t>(j) - static_cast<int32_t>(i), s);
    const size_t columns = table.size() / eva_bucket_count(s);
    return scale * table[bucket * columns + (columns == 1 ? 0 : head)];
}

void draw(Problem& problem, const EvaRow& row, const EvaSettings& s)
{
    const Shape shape{row.batch, row.tokens, row.heads, row.width};
    problem.normal("q", shape, row.scale, row.scale == 0 ? 0.5 : 0);
    if (row.has_ramp) {
        problem.ramp("k", shape, 0, 1);
        problem.ramp("v", shape, 0, 2);
    } else {
        problem.normal("k", shape, row.scale, row.scale == 0 ? 0.5 : 0);
        problem.normal("v", shape);
    }
    for (const std::string name : {"mu_q", "mu_k"}) {
        if (name == "mu_q" && s.projection == EvaProjection::none) continue;
        const bool is_flat = row.scale == 0; // every channel of a mean alike, so that its variance is 0
        problem.normal(name + ".weight", {row.width, row.width}, is_flat ? 0 : 1 / std::sqrt(row.width));
        problem.normal(name + ".bias", {row.width}, is_flat ? 0 : 0.3);
        const bool has_norm =
            s.projection == EvaProjection::qk || (s.projection == EvaProjection::none && name == "mu_k");
        if (!has_norm) continue;
        problem.normal(name + ".norm.weight", {row.width}, 0.3, 1);
        problem.normal(name + ".norm.bias", {row.width}, 0.3);
    }
    const uint32_t w = s.window;
    if (s.relative == EvaBias::t5) problem.normal("relative.weight", {eva_bucket_count(s), row.heads});
    if (s.relative == EvaBias::table && s.chunking.grid == 0) {
        problem.normal("relative.weight", {row.heads, w, w + 2 * s.window_overlap});
    }
    if (s.relative == EvaBias::table && s.chunking.grid > 0) {
        problem.normal("relative.weight", {2 * (w - 1) * (w + 1) + 1, row.heads});
    }
}

/// The doubles of a map, and the pointers that the twin takes.
struct Map {
    Map(const Problem& problem, const std::string& name)
    {
        const char* const parts[] = {".weight", ".bias", ".norm.weight", ".norm.bias"};
        const double* at[4] = {};
        for (int i = 0; i < 4; ++i) {
            if (!problem.has(name + parts[i])) continue;
            values[i] = problem.doubles(name + parts[i]);
            at[i] = values[i].data();
        }
        map = {at[0], at[1], at[2], at[3]};
    }

    std::vector<double> values[4];
    twin::EvaMap<double> map;
};

void prepare(Problem& problem, const EvaRow& row)
{
    const EvaSettings s = eva_settings(Attributes(Json::parse(row.attributes), "eva"), row.tokens);
    draw(problem, row, s);
    const std::vector<double> q = problem.doubles("q");
    const std::vector<double> k = problem.doubles("k");
    const std::vector<double> v = problem.doubles("v");
    const auto table = s.relative == EvaBias::none ? std::vector<double>() : problem.doubles("relative.weight");
    const Map of_q(problem, "mu_q");
    const Map of_k(problem, "mu_k");
    const double scale = 1 / std::sqrt(static_cast<double>(row.width));
    const twin::EvaSets sets = sets_of(s, row.tokens);
    const Tolerance tolerance = row.has_ramp ? kLongTolerance : row.scale > 1 ? kLargeTolerance : kTolerance;
    auto& o = problem.expect("o", problem.shape("q"), tolerance);
    for (uint32_t b = 0; b < row.batch; ++b) {
        for (uint32_t head = 0; head < row.heads; ++head) {
            const auto at = [&](uint32_t t) { return ((size_t{b} * row.tokens + t) * row.heads + head) * row.width; };
            const auto rows_of = [&](const std::vector<double>& x) { return [&](uint32_t t) { return &x[at(t)]; }; };
            const std::function<const double*(uint32_t)> of[] = {rows_of(q), rows_of(k), rows_of(v)};
            twin::eva<double>(
                sets, of_q.map.weight ? &of_q.map : nullptr, of_k.map, of[0], of[1], of[2],
                [&](uint32_t t, uint32_t key) { return bias_of(s, table, row.heads, head, t, key, scale); },
                [&](uint32_t t) { return &o[at(t)]; }, row.width, scale);
        }
    }
}

} // namespace

void add_eva_cases(std::vector<Case>& cases)
{
    for (const EvaRow& row : kRows) {
        cases.push_back({fmt::format("eva.{}.f32", row.name), "eva", Json::parse(row.attributes),
                         [&row](Problem& problem) { prepare(problem, row); }, row.is_quick});
    }
}

} // namespace gramian
