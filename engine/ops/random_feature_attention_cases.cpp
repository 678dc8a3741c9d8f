// Cases of `random_feature_attention`: favor and rfa over a context and in causal order, and what 1e5 tokens do to the
// sums and to the running stabiliser.
#include "ops/cases.hpp"
#include "ops/linear_recurrence_twin.hpp"
#include "ops/random_feature_attention_twin.hpp"

#include <cmath>

namespace gramian {
namespace {

struct RandomFeatureRow {
    const char* name;
    bool is_rfa;
    bool is_causal;
    uint32_t batch;
    uint32_t queries; // T where causal
    uint32_t keys;
    uint32_t heads;
    uint32_t width;
    uint32_t features; // M
    uint32_t columns;
    double epsilon = 0;
    double denominator_min = 0;
    double growth = 1; // the last key is so many times as long as the first: the stabiliser keeps rising
    bool is_quick = true;
};

constexpr bool kFavor = false;
constexpr bool kRfa = true;
constexpr bool kContext = false;
constexpr bool kCausal = true;

constexpr RandomFeatureRow kRows[] = {
    {"favor.context.n1_d1_m1_e1", kFavor, kContext, 1, 1, 1, 1, 1, 1, 1},
    {"favor.context.n13_d5_m7_e3", kFavor, kContext, 2, 5, 13, 3, 5, 7, 3, 1e-4, 1e-2},
    {"favor.context.n64_d16_m64_e16", kFavor, kContext, 1, 9, 64, 2, 16, 64, 16, 1e-4, 1e-2},
    {"favor.context.n65_d64_m65_e65", kFavor, kContext, 1, 3, 65, 1, 64, 65, 65},
    {"favor.causal.t1_d1_m1_e1", kFavor, kCausal, 1, 1, 1, 1, 1, 1, 1},
    {"favor.causal.t13_d5_m7_e3", kFavor, kCausal, 2, 13, 13, 3, 5, 7, 3, 0, 1e-2},
    {"favor.causal.t64_d16_m64_e16", kFavor, kCausal, 1, 64, 64, 2, 16, 64, 16},
    {"favor.causal.t130_d8_m63_e65", kFavor, kCausal, 1, 130, 130, 1, 8, 63, 65},
    {"favor.causal.rising_t130", kFavor, kCausal, 2, 130, 130, 2, 6, 16, 4, 0, 0, 40},
    {"favor.drift.t100000", kFavor, kCausal, 1, 100'000, 100'000, 1, 4, 16, 2, 0, 0, 1, false},
    {"favor.drift.rising_t100000", kFavor, kCausal, 1, 100'000, 100'000, 1, 4, 16, 2, 0, 0, 40, false},
    {"rfa.context.n1_d1_m1_e1", kRfa, kContext, 1, 1, 1, 1, 1, 1, 1},
    {"rfa.context.n13_d5_m7_e3", kRfa, kContext, 2, 5, 13, 3, 5, 7, 3, 0, 1e-2},
    {"rfa.context.n65_d16_m33_e16", kRfa, kContext, 1, 9, 65, 2, 16, 33, 16, 0, 1e-2},
    {"rfa.causal.t13_d5_m7_e3", kRfa, kCausal, 2, 13, 13, 3, 5, 7, 3, 0, 1e-2},
    {"rfa.causal.t130_d16_m32_e65", kRfa, kCausal, 1, 130, 130, 1, 16, 32, 65, 0, 1e-2},
    {"rfa.drift.t100000", kRfa, kCausal, 1, 100'000, 100'000, 1, 4, 16, 2, 0, 1e-2, 1, false},
};

/// A feature is e^x or a sine, off by 2^-23 or so, and its logarithm by 2^-24 of some ten; both are averaged over the
/// features and keys.
constexpr Tolerance kTolerance{5e-6, 2e-5};
/// Key 130 is 40 times as long as key 1: logarithms of some hundred round to 1e-5, and so are the weights of the keys.
constexpr Tolerance kRisingTolerance{2e-5, 1e-4};
/// The features themselves; where |w.x' - |x'|^2 / 2| is large the smallest of them are lost, relatively.
constexpr Tolerance kFeatureTolerance{5e-6, 2e-5, 1e-7};
/// 1e5 numbers near 1, one added after the other to sums that round to 2^-24 of themselves: 5e-6 measured in such sums
/// (linear attention without decay), twice for numerator and denominator, four times that at worst.
constexpr Tolerance kDriftTolerance{2e-5, 1e-4};

Tolerance tolerance_of(const RandomFeatureRow& row)
{
    if (row.growth > 1) return kRisingTolerance;
    return row.keys >= 100'000 ? kDriftTolerance : kTolerance;
}

class Reference {
public:
    Reference(const Problem& problem, const RandomFeatureRow& row)
        : row_(row), q_(problem.doubles("q")), k_(problem.doubles("k")), v_(problem.doubles("v")),
          projection_(problem.doubles("projection"))
    {
    }

    [[nodiscard]] uint32_t width() const { return row_.features * (row_.is_rfa ? 2 : 1); }

    /// One head of one batch: outputs and features go to where they belong in [B, T, H, …].
    void run(uint32_t batch, uint32_t head, std::vector<double>& o, std::vector<double>* phi_q,
             std::vector<double>* phi_k) const
    {
        std::vector<double> peaks;
        std::vector<double> queries = features_of(q_, batch, head, row_.queries, nullptr);
        std::vector<double> keys = features_of(k_, batch, head, row_.keys, &peaks);
        if (row_.is_causal)
            go_along(batch, head, queries, keys, peaks, o);
        else
            go_over(batch, head, queries, keys, peaks, o);
        if (phi_q) give(queries, batch, head, row_.queries, *phi_q);
        if (phi_k) give(keys, batch, head, row_.keys, *phi_k);
    }

private:
    [[nodiscard]] size_t at(uint32_t batch, uint32_t t, uint32_t tokens, uint32_t head) const
    {
        return (size_t{batch} * tokens + t) * row_.heads + head;
    }
    void give(const std::vector<double>& rows, uint32_t batch, uint32_t head, uint32_t tokens,
              std::vector<double>& out) const
    {
        for (uint32_t t = 0; t < tokens; ++t) {
            std::copy_n(&rows[size_t{t} * width()], width(), &out[at(batch, t, tokens, head) * width()]);
        }
    }

    /// Features [T, F] of one head; for favor those of queries are stabilised, those of keys (with `peaks`) logarithms.
    [[nodiscard]] std::vector<double> features_of(const std::vector<double>& x, uint32_t batch, uint32_t head,
                                                  uint32_t tokens, std::vector<double>* peaks) const
    {
        std::vector<double> features(size_t{tokens} * width());
        const double* w = &projection_[size_t{head} * row_.features * row_.width];
        for (uint32_t t = 0; t < tokens; ++t) {
            const double* row = &x[at(batch, t, tokens, head) * row_.width];
            double* y = &features[size_t{t} * width()];
            if (row_.is_rfa) {
                twin::rfa_features(row, w, y, row_.width, row_.features);
                continue;
            }
            const double peak = twin::favor_logarithms(row, w, y, row_.width, row_.features);
            if (peaks)
                peaks->push_back(peak);
            else
                stabilize(y, peak);
        }
        return features;
    }
    void stabilize(double* y, double stabilizer) const
    {
        for (uint32_t j = 0; j < row_.features; ++j) {
            y[j] = std::exp(y[j] - stabilizer) / std::sqrt(static_cast<double>(row_.features)) +
                   static_cast<float>(row_.epsilon);
        }
    }

    /// All keys at once: sum after sum, without a state.
    void go_over(uint32_t batch, uint32_t head, const std::vector<double>& queries, std::vector<double>& keys,
                 const std::vector<double>& peaks, std::vector<double>& o) const
    {
        const double most = row_.is_rfa ? 0 : *std::max_element(peaks.begin(), peaks.end());
        for (uint32_t s = 0; s < row_.keys && !row_.is_rfa; ++s) stabilize(&keys[size_t{s} * width()], most);
        for (uint32_t t = 0; t < row_.queries; ++t) {
            twin::kernel_average(
                &queries[size_t{t} * width()], keys,
                [&](uint32_t s) { return &v_[at(batch, s, row_.keys, head) * row_.columns]; },
                &o[at(batch, t, row_.queries, head) * row_.columns], row_.keys, width(), row_.columns,
                static_cast<double>(static_cast<float>(row_.denominator_min)));
        }
    }

    /// Key by key, with the running stabiliser of the paper's authors in recurrent form.
    void go_along(uint32_t batch, uint32_t head, const std::vector<double>& queries, std::vector<double>& keys,
                  const std::vector<double>& peaks, std::vector<double>& o) const
    {
        twin::RecurrenceRule rule;
        rule.width = width();
        rule.columns = row_.columns;
        std::vector<double> s(size_t{width()} * row_.columns), z(width());
        double most = -INFINITY;
        for (uint32_t t = 0; t < row_.keys; ++t) {
            double decay = 0;
            double* key = &keys[size_t{t} * width()];
            if (!row_.is_rfa) {
                decay = t == 0 ? 0 : std::min(0.0, most - peaks[t]);
                most = std::max(most, peaks[t]);
                stabilize(key, most);
            }
            const double* value = &v_[at(batch, t, row_.keys, head) * row_.columns];
            const twin::RecurrenceToken<double> token{
                &queries[size_t{t} * width()], key, value, &decay, nullptr, nullptr, nullptr, nullptr, nullptr, 1.0};
            twin::recurrence_step(rule, token, s.data(), z.data(), &o[at(batch, t, row_.queries, head) * row_.columns],
                                  1.0, 0.0, static_cast<double>(static_cast<float>(row_.denominator_min)));
        }
    }

    const RandomFeatureRow& row_;
    std::vector<double> q_, k_, v_, projection_;
};

void prepare(Problem& problem, const RandomFeatureRow& row)
{
    // Queries and keys around a common direction: rfa's signed features then sum up to denominators far from 0. Values
    // around 1: an average of very many is then no small difference of large sums.
    const double unit = 1 / std::sqrt(std::sqrt(static_cast<double>(row.width)));
    problem.normal("q", {row.batch, row.queries, row.heads, row.width}, 0.7 * unit, 0.7 * unit);
    std::vector<float>& k = problem.normal("k", {row.batch, row.keys, row.heads, row.width}, 0.7 * unit, 0.7 * unit);
    for (size_t i = 0; i < k.size() && row.growth > 1; ++i) {
        const double t = static_cast<double>(i / (row.heads * row.width) % row.keys) / (row.keys - 1);
        k[i] *= static_cast<float>(0.1 * std::pow(row.growth, t));
    }
    problem.normal("v", {row.batch, row.keys, row.heads, row.columns}, 1, 1);
    problem.normal("projection", {row.heads, row.features, row.width}, row.is_rfa ? 0.7 : 1);
    const Reference reference(problem, row);
    const Shape phi_q{row.batch, row.queries, row.heads, reference.width()};
    const Shape phi_k{row.batch, row.keys, row.heads, reference.width()};
    const Shape answers{row.batch, row.queries, row.heads, row.columns};
    const bool has_features = !row.is_causal || row.is_rfa;
    std::vector<double> o(answers.element_count()), queries(phi_q.element_count()), keys(phi_k.element_count());
    for (uint32_t b = 0; b < row.batch; ++b) {
        for (uint32_t h = 0; h < row.heads; ++h) {
            reference.run(b, h, o, has_features ? &queries : nullptr, has_features ? &keys : nullptr);
        }
    }
    problem.expect("o", answers, tolerance_of(row)) = o;
    if (!has_features) return;
    problem.expect("phi_q", phi_q, kFeatureTolerance) = queries;
    problem.expect("phi_k", phi_k, kFeatureTolerance) = keys;
}

Json attributes_of(const RandomFeatureRow& row)
{
    Json attributes{{"features", row.is_rfa ? "rfa" : "favor"}, {"causal", row.is_causal}};
    if (row.epsilon > 0) attributes["epsilon"] = row.epsilon;
    if (row.denominator_min > 0) attributes["denominator_min"] = row.denominator_min;
    return attributes;
}

} // namespace

void add_random_feature_attention_cases(std::vector<Case>& cases)
{
    for (const RandomFeatureRow& row : kRows) {
        cases.push_back({fmt::format("random_feature_attention.{}.f32", row.name), "random_feature_attention",
                         attributes_of(row), [&row](Problem& problem) { prepare(problem, row); }, row.is_quick});
    }
}

} // namespace gramian
