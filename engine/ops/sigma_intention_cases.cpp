// Cases of `sigma_intention`, in both forms.
#include "ops/cases.hpp"
#include "ops/query_solve_twin.hpp"
#include "ops/sigma_intention_twin.hpp"

namespace gramian {
namespace {

struct SigmaRow {
    const char* name;
    const char* attributes;
    uint32_t batch;
    uint32_t keys;
    uint32_t queries;
    uint32_t heads;
    uint32_t width;
    uint32_t columns;
    bool is_quick = true;
};

constexpr SigmaRow kRows[] = {
    {"score_n1_d1_e1", R"({"alpha":0.5})", 1, 1, 1, 1, 1, 1},
    {"score_n20_h3_d5_e7", R"({"alpha":1})", 2, 20, 4, 3, 5, 7},
    {"score_n70_d64_e65", R"({"alpha":5,"score_scale":2})", 1, 70, 3, 1, 64, 65},
    {"score_causal_n20_h3_d5_e7", R"({"alpha":1,"causal":true})", 2, 20, 20, 3, 5, 7},
    {"score_causal_n9_d100_e2", R"({"alpha":5,"causal":true})", 1, 9, 9, 1, 100, 2, false}, // the factor in a buffer
    {"kernel_n1_d1_e1", R"({"form":"kernel","alpha":0.5})", 1, 1, 1, 1, 1, 1},
    {"kernel_n20_h3_d5_e7", R"({"form":"kernel","alpha":0.2})", 2, 20, 33, 3, 5, 7}, // more queries than share a system
    {"kernel_n63_d8_e65", R"({"form":"kernel","alpha":0.2})", 1, 63, 2, 1, 8, 65},
    {"kernel_large_scores_n20_d8_e3", R"({"form":"kernel","alpha":0.2,"score_scale":20})", 1, 20, 2, 1, 8, 3}, // e^400
    {"kernel_n65_d8_e3", R"({"form":"kernel","alpha_relative":0.5})", 1, 65, 2, 1, 8, 3},
    {"kernel_n256_d4_e2", R"({"form":"kernel","alpha":0.3})", 1, 256, 3, 1, 4, 2, false}, // the most
    {"kernel_causal_n20_h3_d5_e7", R"({"form":"kernel","alpha":0.3,"causal":true})", 2, 20, 20, 3, 5, 7},
    {"kernel_causal_n130_d4_e2", R"({"form":"kernel","alpha":0.3,"causal":true})", 1, 130, 130, 1, 4, 2, false},
};

struct Settings {
    bool is_kernel, is_causal, is_relative;
    double alpha, scale;

    explicit Settings(const Json& json)
        : is_kernel(json.value("form", "score") == "kernel"), is_causal(json.value("causal", false)),
          is_relative(!json.contains("alpha")),
          alpha(static_cast<float>(json.value(is_relative ? "alpha_relative" : "alpha", 1e-4))),
          scale(static_cast<float>(json.value("score_scale", 1.0)))
    {
    }
};

/// The score form of one query over its first n keys.
template <class Key, class Value>
void answer_score(const Settings& settings, const SigmaRow& row, const double* q, Key key, Value value, uint32_t n,
                  double* y)
{
    const uint32_t d = row.width;
    std::vector<double> g(size_t{d} * d);
    for (uint32_t t = 0; t < n; ++t) {
        for (uint32_t i = 0; i < d * d; ++i) g[i] += key(t)[i / d] * key(t)[i % d];
    }
    std::vector<double> x(d);
    double variance = 0;
    twin::query_solve<double>(g.data(), nullptr, q, x.data(), variance, d, settings.alpha, settings.is_relative,
                              QuerySolver::cholesky, 0);
    const std::vector<double> p = twin::softmax_scores(x.data(), key, n, d, settings.scale);
    for (uint32_t t = 0; t < n; ++t) {
        for (uint32_t c = 0; c < row.columns; ++c) y[c] += p[t] * value(t)[c];
    }
}

void prepare(Problem& problem, const SigmaRow& row)
{
    const Settings settings(Json::parse(row.attributes));
    problem.normal("k", {row.batch, row.keys, row.heads, row.width});
    problem.normal("v", {row.batch, row.keys, row.heads, row.columns});
    problem.normal("q", {row.batch, row.queries, row.heads, row.width});
    const std::vector<double> k = problem.doubles("k");
    const std::vector<double> v = problem.doubles("v");
    const std::vector<double> q = problem.doubles("q");
    // alpha bounds the condition numbers by some 1e3, and a score is at most some 10: exp(10 * 2^-22) off.
    std::vector<double>& y = problem.expect("y", {row.batch, row.queries, row.heads, row.columns}, {5e-5, 2e-4});
    for (uint32_t b = 0; b < row.batch; ++b) {
        for (uint32_t m = 0; m < row.queries; ++m) {
            for (uint32_t h = 0; h < row.heads; ++h) {
                const auto at = [&](uint32_t t) { return (size_t{b} * row.keys + t) * row.heads + h; };
                const auto key = [&](uint32_t t) { return &k[at(t) * row.width]; };
                const auto value = [&](uint32_t t) { return &v[at(t) * row.columns]; };
                const size_t query = (size_t{b} * row.queries + m) * row.heads + h;
                const uint32_t n = settings.is_causal ? m + 1 : row.keys;
                double* out = &y[query * row.columns];
                if (settings.is_kernel) {
                    twin::kernel_intention(&q[query * row.width], key, value, n, row.width, row.columns, settings.scale,
                                           settings.alpha, settings.is_relative, out);
                } else {
                    answer_score(settings, row, &q[query * row.width], key, value, n, out);
                }
            }
        }
    }
    const Shape queries{row.batch, row.queries, row.heads};
    problem.expect("retries", queries, kExact);
    problem.expect("status", queries, kExact);
    problem.expect("residual", queries, {0, 0, 1e-4}); // 0 but for rounding times the condition number
}

} // namespace

void add_sigma_intention_cases(std::vector<Case>& cases)
{
    for (const SigmaRow& row : kRows) {
        cases.push_back({fmt::format("sigma_intention.{}.f32", row.name), "sigma_intention",
                         Json::parse(row.attributes), [&row](Problem& problem) { prepare(problem, row); },
                         row.is_quick});
    }
}

} // namespace gramian
