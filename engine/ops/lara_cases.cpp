// Cases of `lara`: importance sampling from a few landmarks.
#include "ops/cases.hpp"
#include "ops/lara_twin.hpp"

namespace gramian {
namespace {

struct LaraRow {
    const char* name;
    uint32_t batch;
    uint32_t tokens;
    uint32_t heads;
    uint32_t width;
    uint32_t landmarks;
    double alpha = 1;
    double scale = 1; // of queries and keys
    bool is_quick = true;
    bool has_ramp = false; // values that rise with the token: what is dropped at the end shows
};

constexpr LaraRow kRows[] = {
    {"t1_d1_c1", 1, 1, 1, 1, 1},
    {"t15_h3_d5_c5", 2, 15, 3, 5, 5},
    {"t24_d7_c24", 1, 24, 2, 7, 24}, // a landmark a token
    {"t63_d16_c1_alpha3", 1, 63, 1, 16, 1, 3},
    {"t126_d64_c63", 1, 126, 1, 64, 63},
    {"t128_d63_c64_alpha0", 1, 128, 1, 63, 64, 0},
    {"t130_d65_c65_alpha2", 1, 130, 1, 65, 65, 2}, // one more than a workgroup has
    {"far_t32_d16_c8", 1, 32, 2, 16, 8, 1, 8},     // most landmarks weigh 1e-8 times nothing
    {"equal_t12_d6_c4", 1, 12, 1, 6, 4, 1, 0},     // all tokens alike
    // As many keys of this width as 60,000 loop trips take: drivers exist that stop silently after 65,535.
    {"t52000_d31_c4_longest", 1, 52000, 1, 31, 4, 1, 0.3, false, true},
    {"b66_t1000_d1_c4", 66, 1000, 1, 1, 4, 1, 1, false}, // more tokens than one launch holds
};

/// As EVA: measured 1e-7 to 6e-7 with fp32 loops, ten times that for other orders of sums and a device's functions.
constexpr Tolerance kTolerance{5e-6, 2e-5};
/// Scores of some hundred are themselves rounded by 300 * 2^-24, and so are then their weights, relatively.
constexpr Tolerance kLargeTolerance{5e-5, 2e-4};

/// A lane adds 800 weights one after the other, and a chunk's mean is a chain of 13,000 additions.
constexpr Tolerance kLongTolerance{2e-5, 1e-4};

void prepare(Problem& problem, const LaraRow& row)
{
    const Shape shape{row.batch, row.tokens, row.heads, row.width};
    const double mean = row.scale == 0 ? 0.5 : 0;
    problem.normal("q", shape, row.scale, mean);
    problem.normal("k", shape, row.scale, mean);
    if (row.has_ramp)
        problem.ramp("v", shape, 0, 2);
    else
        problem.normal("v", shape);
    std::vector<std::vector<double>> maps;
    for (const std::string name : {"mu_q", "mu_k"}) {
        problem.normal(name + ".weight", {row.width, row.width}, 1 / std::sqrt(row.width));
        problem.normal(name + ".bias", {row.width}, 0.3);
        problem.normal(name + ".norm.weight", {row.width}, 0.3, 1);
        problem.normal(name + ".norm.bias", {row.width}, 0.3);
        for (const char* part : {".weight", ".bias", ".norm.weight", ".norm.bias"}) {
            maps.push_back(problem.doubles(name + part));
        }
    }
    const std::vector<double> q = problem.doubles("q");
    const std::vector<double> k = problem.doubles("k");
    const std::vector<double> v = problem.doubles("v");
    const Tolerance tolerance = row.has_ramp ? kLongTolerance : row.scale > 1 ? kLargeTolerance : kTolerance;
    auto& o = problem.expect("o", shape, tolerance);
    for (uint32_t b = 0; b < row.batch; ++b) {
        for (uint32_t head = 0; head < row.heads; ++head) {
            const auto at = [&](size_t t) { return ((size_t{b} * row.tokens + t) * row.heads + head) * row.width; };
            const std::function<const double*(size_t)> of[] = {[&](size_t t) { return &q[at(t)]; },
                                                               [&](size_t t) { return &k[at(t)]; },
                                                               [&](size_t t) { return &v[at(t)]; }};
            twin::lara<double>(
                row.landmarks, static_cast<float>(row.alpha),
                {maps[0].data(), maps[1].data(), maps[2].data(), maps[3].data()},
                {maps[4].data(), maps[5].data(), maps[6].data(), maps[7].data()}, of[0], of[1], of[2],
                [&](size_t t) { return &o[at(t)]; }, row.tokens, row.width,
                1 / std::sqrt(static_cast<double>(row.width)));
        }
    }
}

} // namespace

void add_lara_cases(std::vector<Case>& cases)
{
    for (const LaraRow& row : kRows) {
        cases.push_back({fmt::format("lara.{}.f32", row.name), "lara",
                         Json{{"landmarks", row.landmarks}, {"alpha", row.alpha}},
                         [&row](Problem& problem) { prepare(problem, row); }, row.is_quick});
    }
}

} // namespace gramian
