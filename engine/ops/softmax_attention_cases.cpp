// Cases of `softmax_attention`: o = softmax(scale q K^T) V.
#include "ops/cases.hpp"
#include "ops/softmax_attention_twin.hpp"
#include "ops/value_aware_twin.hpp"

#include <cmath>

namespace gramian {
namespace {

struct SoftmaxRow {
    const char* name;
    uint32_t batch;
    uint32_t queries;
    uint32_t keys;
    uint32_t heads;
    uint32_t width;
    uint32_t columns;
    bool is_causal = false;
    uint32_t window = 0;
    double scale = 0; // 0: D^-1/2
    bool is_quick = true;
    uint32_t piece = 0;  // decoded over a ring, so many tokens at a time
    uint32_t budget = 0; // keys that an answer is made of; 0: all
    const char* method = nullptr;
};

constexpr SoftmaxRow kRows[] = {
    {"n1_d1_e1", 1, 1, 1, 1, 1, 1},
    {"n13_h3_d5_e7", 2, 13, 13, 3, 5, 7},
    {"n63_d16_e16", 1, 5, 63, 2, 16, 16},
    {"n64_d16_e16", 1, 5, 64, 2, 16, 16},
    {"n65_d16_e16", 1, 5, 65, 2, 16, 16},
    {"n129_d64_e64", 2, 3, 129, 1, 64, 64},
    {"n40_d128_e65", 1, 3, 40, 1, 128, 65}, // one column more than a workgroup
    {"n100_d64_e1", 4, 1, 100, 1, 64, 1},   // a policy's head
    {"causal_n1", 1, 1, 1, 1, 3, 3, true},
    {"causal_n65_d9_e5", 2, 65, 65, 2, 9, 5, true},
    {"causal_n130_d16_e16", 1, 130, 130, 1, 16, 16, true},
    {"window1_n9", 1, 9, 9, 2, 4, 4, false, 1},
    {"window5_n70", 1, 70, 70, 1, 8, 16, false, 5},
    {"window64_causal_n140", 1, 140, 140, 1, 8, 16, true, 64},
    {"scale0_n33", 1, 2, 33, 1, 8, 8, false, 0, 1e-30},     // a plain mean
    {"large_logits_n65", 1, 9, 65, 2, 16, 16, false, 0, 8}, // scores of some hundred: e^s overflows unshifted
    {"decode_n70_d16_e16", 1, 70, 70, 2, 16, 16, true, 0, 0, true, 1},
    {"decode_n65_d9_e5_b3", 3, 65, 65, 1, 9, 5, true, 0, 0, true, 1},
    {"decode_window1_n9", 2, 9, 9, 1, 4, 4, true, 1, 0, true, 1},
    {"decode_window33_n140", 1, 140, 140, 2, 8, 65, true, 33, 0, true, 1},
    {"prefill32_n100_d64_e64", 1, 100, 100, 2, 64, 64, true, 0, 0, true, 32},
    {"prefill50_window40_n130", 2, 130, 130, 1, 7, 6, true, 40, 0, true, 50},
    {"budget1_refit_n1", 1, 1, 1, 1, 3, 2, true, 0, 0, true, 0, 1, "topk_refit"},
    {"budget4_oblivious_n40_h2", 2, 40, 40, 2, 8, 6, true, 0, 0, true, 0, 4, "oblivious"},
    {"budget5_refit_m9_n30", 2, 9, 30, 2, 8, 6, false, 0, 0, true, 0, 5, "topk_refit"},
    {"budget4_refit_decode_n40", 2, 40, 40, 1, 8, 6, true, 0, 0, true, 1, 4, "topk_refit"},
    {"budget6_refit_window20_n70", 1, 70, 70, 2, 8, 16, true, 20, 0, true, 32, 6, "topk_refit"},
    {"budget7_exact_decode_n50", 1, 50, 50, 1, 8, 6, true, 0, 0, true, 1, 7, "exact"},
    {"budget17_exact_n100_e16", 1, 100, 100, 2, 16, 16, true, 0, 0, true, 0, 17, "exact"},
    {"m65537_n3_d1_e1", 1, 65537, 3, 1, 1, 1, false, 0, 0, false}, // more queries than one launch holds
};

/// exp(s - max) is off by (3 + 2|s - max|) * 2^-24 or so, and the sums by a few of these.
constexpr Tolerance kTolerance{5e-6, 2e-5};
/// Scores of some hundred are themselves rounded by 300 * 2^-24, and so are then their weights, relatively.
constexpr Tolerance kLargeTolerance{5e-5, 2e-4};
/// A lane adds 5,000 weights one after the other: 2^-24 * sqrt(5000) on average, several times that at worst.
constexpr Tolerance kLongTolerance{2e-5, 1e-4};

/// Few keys stand for all of them: their weights solve a least-squares problem of some hundred in condition.
constexpr Tolerance kSparseTolerance{5e-5, 2e-4};

/// The answer of a budget: the weights of the keys that are seen, a choice of them, and their values.
template <class Key, class Value>
void refer_sparse(const SoftmaxRow& row, twin::KeyRange seen, const double* q, Key key, Value value, double scale,
                  double* o)
{
    const uint32_t count = seen.end - seen.begin;
    std::vector<double> p(count), v;
    double largest = -INFINITY, sum = 0;
    for (uint32_t n = 0; n < count; ++n) {
        for (uint32_t i = 0; i < row.width; ++i) p[n] += scale * q[i] * key(seen.begin + n)[i];
        largest = std::max(largest, p[n]);
        v.insert(v.end(), value(seen.begin + n), value(seen.begin + n) + row.columns);
    }
    for (double& weight : p) sum += weight = std::exp(weight - largest);
    for (double& weight : p) weight /= sum;
    twin::ValueAware<double> sparse(p.data(), v.data(), count, row.columns, row.budget);
    const std::string_view method = row.method;
    sparse.solve(method == "exact"       ? SparseMethod::exact
                 : method == "oblivious" ? SparseMethod::oblivious
                                         : SparseMethod::topk_refit);
    for (uint32_t n = 0; n < count; ++n) {
        for (uint32_t j = 0; j < row.columns; ++j) o[j] += sparse.weights()[n] * v[size_t{n} * row.columns + j];
    }
}

void refer(Problem& problem, const SoftmaxRow& row, Tolerance tolerance)
{
    const std::vector<double> q = problem.doubles("q");
    const std::vector<double> k = problem.doubles("k");
    const std::vector<double> v = problem.doubles("v");
    const double scale = static_cast<float>(row.scale != 0 ? row.scale : 1 / std::sqrt(static_cast<double>(row.width)));
    std::vector<double>& o = problem.expect("o", {row.batch, row.queries, row.heads, row.columns}, tolerance);
    for (uint32_t query = 0; query < row.batch * row.queries; ++query) {
        for (uint32_t head = 0; head < row.heads; ++head) {
            const size_t first = size_t{query / row.queries} * row.keys;
            const size_t at = size_t{query} * row.heads + head;
            const auto key = [&](uint32_t s) { return &k[((first + s) * row.heads + head) * row.width]; };
            const auto value = [&](uint32_t s) { return &v[((first + s) * row.heads + head) * row.columns]; };
            const twin::KeyRange seen = twin::visible_keys(query % row.queries, row.keys, row.is_causal, row.window);
            if (row.budget > 0) {
                refer_sparse(row, seen, &q[at * row.width], key, value, scale, &o[at * row.columns]);
                continue;
            }
            twin::softmax_attention(seen, &q[at * row.width], key, value, &o[at * row.columns], row.width, row.columns,
                                    scale);
        }
    }
}

Json attributes_of(const SoftmaxRow& row)
{
    Json attributes = Json::object();
    if (row.is_causal) attributes["causal"] = true;
    if (row.window) attributes["window"] = row.window;
    if (row.scale != 0) attributes["scale"] = row.scale;
    if (row.budget > 0) attributes.update({{"budget", row.budget}, {"method", row.method}});
    for (uint32_t done = 0; row.piece > 0 && done < row.keys; done += row.piece) {
        attributes["chunks"].push_back(std::min(row.piece, row.keys - done));
    }
    return attributes;
}

/// The most keys of width 1 that fit 60,000 loop trips, twelve for 64 keys. Drivers exist that stop silently after
/// 65,535; values that rise with the key make the mean show it.
void add_longest(std::vector<Case>& cases)
{
    const SoftmaxRow row{"n320000_d1_e1", 1, 1, 320000, 1, 1, 1};
    cases.push_back({fmt::format("softmax_attention.{}.f32", row.name), "softmax_attention", Json::object(),
                     [row](Problem& problem) {
                         problem.normal("q", {1, 1, 1, 1}, 0.1);
                         problem.normal("k", {1, row.keys, 1, 1});
                         problem.ramp("v", {1, row.keys, 1, 1}, 0, 2);
                         refer(problem, row, kLongTolerance);
                     }});
}

} // namespace

void add_softmax_attention_cases(std::vector<Case>& cases)
{
    for (const SoftmaxRow& row : kRows) {
        cases.push_back(
            {fmt::format("softmax_attention.{}.f32", row.name), "softmax_attention", attributes_of(row),
             [&row](Problem& problem) {
                 problem.normal("q", {row.batch, row.queries, row.heads, row.width});
                 problem.normal("k", {row.batch, row.keys, row.heads, row.width});
                 problem.normal("v", {row.batch, row.keys, row.heads, row.columns});
                 refer(problem, row, row.budget > 0 ? kSparseTolerance : row.scale > 1 ? kLargeTolerance : kTolerance);
             },
             row.is_quick});
    }
    add_longest(cases);
}

} // namespace gramian
