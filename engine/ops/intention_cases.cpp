// Cases of `intention`: y = Q (K^T W K + diag(ridge) + alpha I)^-1 K^T W V.
#include "ops/cases.hpp"
#include "ops/intention_twin.hpp"

#include <cmath>

namespace gramian {
namespace {

/// What a case has beside k, v and q.
enum Extras : uint32_t { kPlain = 0, kBeta = 1, kDecay = 2, kRidge = 4, kState = 8, kAll = 15 };

struct IntentionRow {
    const char* name;
    uint32_t batch;
    uint32_t tokens;
    uint32_t queries;
    uint32_t heads;
    uint32_t width;
    uint32_t columns;
    uint32_t extras = kPlain;
    double alpha = 1e-4;
    bool is_relative = true;
    double forget = 1;
    double scale = 1; // of k, v and q
    bool is_quick = true;
};

// Errors are measured against the rms of all answers, so that where E = 1 a few queries must share the case: a single
// answer may happen to be near 0.
constexpr IntentionRow kRows[] = {
    {"n1_d1_e1", 1, 1, 1, 1, 1, 1},
    {"n13_h3_d5_e7", 2, 13, 4, 3, 5, 7},
    {"n100_d64_e1", 1, 100, 20, 1, 64, 1}, // a policy's head
    {"n100_d64_e1_b16", 16, 100, 2, 1, 64, 1, kPlain, 1e-2},
    {"n129_d63_e2", 1, 129, 20, 1, 63, 2, kPlain, 1e-4, true, 1, 1, false},
    {"n200_d65_e65", 1, 200, 2, 1, 65, 65},
    {"n31_d32_e32", 2, 31, 5, 1, 32, 32, kPlain, 1e-4, true, 1, 1, false}, // one token less than a tile
    {"n33_d33_e31", 1, 33, 3, 2, 33, 31, kPlain, 0.1, false, 1, 1, false},
    {"n300_d128_e1", 1, 300, 20, 1, 128, 1, kPlain, 1e-3},
    {"n300_d128_e256", 1, 300, 1, 1, 128, 256, kPlain, 1e-3, true, 1, 1, false},
    {"beta_n40_h2_d8_e3", 2, 40, 3, 2, 8, 3, kBeta},
    {"decay_n40_h2_d8_e3", 2, 40, 3, 2, 8, 3, kDecay},
    {"forget_n60_d8_e3", 2, 60, 3, 1, 8, 3, kPlain, 1e-4, true, 0.95},
    {"ridge_n40_h2_d8_e3", 2, 40, 3, 2, 8, 3, kRidge, 0, true},
    {"state_n5_h2_d8_e3", 2, 5, 3, 2, 8, 3, kState},
    {"all_n37_h2_d8_e3", 2, 37, 3, 2, 8, 3, kAll, 0.01, false, 0.98},
    {"underdetermined_n5_d8_e3", 1, 5, 3, 1, 8, 3, kPlain, 1e-2},
    {"scale1e-9_n40_d8_e3", 1, 40, 3, 1, 8, 3, kPlain, 1e-4, true, 1, 1e-9},
    {"scale1e8_n40_d8_e3", 1, 40, 3, 1, 8, 3, kPlain, 1e-4, true, 1, 1e8},
    {"m65537_n3_d1_e1", 1, 3, 65537, 1, 1, 1, kPlain, 1e-4, true, 1, 1, false}, // more queries than a launch holds
};

Json attributes_of(const IntentionRow& row)
{
    Json attributes{{row.is_relative ? "alpha_relative" : "alpha", row.alpha}};
    if (row.forget != 1) attributes["forget"] = row.forget;
    return attributes;
}

/// Symmetric positive definite, as a sum of outer products is.
void draw_state(Problem& problem, const IntentionRow& row)
{
    const uint32_t d = row.width;
    std::vector<float>& g = problem.input("state_g", {row.batch, row.heads, d, d});
    for (size_t head = 0; head < size_t{row.batch} * row.heads; ++head) {
        for (uint32_t i = 0; i < d; ++i) {
            for (uint32_t j = 0; j <= i; ++j) {
                const double entry = i == j ? d + problem.random().uniform(0, 2) : problem.random().uniform(-0.5, 0.5);
                g[(head * d + i) * d + j] = static_cast<float>(entry);
                g[(head * d + j) * d + i] = static_cast<float>(entry);
            }
        }
    }
    problem.normal("state_s", {row.batch, row.heads, d, row.columns});
}

void draw(Problem& problem, const IntentionRow& row)
{
    problem.normal("k", {row.batch, row.tokens, row.heads, row.width}, row.scale);
    problem.normal("v", {row.batch, row.tokens, row.heads, row.columns}, row.scale);
    problem.normal("q", {row.batch, row.queries, row.heads, row.width}, row.scale);
    if (row.extras & kBeta) problem.uniform("beta", {row.batch, row.tokens, row.heads}, 0, 2);
    if (row.extras & kDecay) problem.uniform("decay", {row.batch, row.tokens, row.heads}, -0.1, 0);
    if (row.extras & kRidge) problem.uniform("ridge", {row.heads, row.width}, 0.01, 1);
    if (row.extras & kState) draw_state(problem, row);
}

/// What the reference gives for all heads, [B, H, …] flattened, and the worst condition number among them.
struct Reference {
    std::vector<double> y;
    std::vector<double> g;
    std::vector<double> s;
    std::array<std::vector<double>, 5> report;
    double condition = 1;
};

std::vector<double> optional(const Problem& problem, const char* name, size_t count, double otherwise)
{
    return problem.has(name) ? problem.doubles(name) : std::vector<double>(count, otherwise);
}

void refer_head(Reference& reference, const Problem& problem, const IntentionRow& row, uint32_t b, uint32_t head)
{
    const uint32_t d = row.width;
    const uint32_t e = row.columns;
    const size_t tokens = size_t{row.batch} * row.tokens * row.heads;
    const size_t problem_index = size_t{b} * row.heads + head;
    const std::vector<double> k = problem.doubles("k");
    const std::vector<double> v = problem.doubles("v");
    const std::vector<double> q = problem.doubles("q");
    const std::vector<double> beta = optional(problem, "beta", tokens, 1);
    const std::vector<double> decay = optional(problem, "decay", tokens, 0);
    const std::vector<double> ridges = optional(problem, "ridge", size_t{row.heads} * d, 0);
    const double* ridge = problem.has("ridge") ? &ridges[size_t{head} * d] : nullptr;
    const auto token = [&](uint32_t t) { return (size_t{b} * row.tokens + t) * row.heads + head; };
    const auto query = [&](uint32_t m) { return (size_t{b} * row.queries + m) * row.heads + head; };
    double* g = &reference.g[problem_index * d * d];
    const double forget = static_cast<float>(row.forget);
    std::vector<double> y(size_t{row.queries} * e);
    const twin::SolveReport<double> report = twin::intention(
        {row.tokens, row.queries, d, e}, [&](uint32_t t) { return &k[token(t) * d]; },
        [&](uint32_t t) { return &v[token(t) * e]; }, [&](uint32_t m) { return &q[query(m) * d]; },
        [&](uint32_t t) { return beta[token(t)]; }, [&](uint32_t t) { return forget * std::exp(decay[token(t)]); },
        ridge, double{static_cast<float>(row.alpha)}, row.is_relative, g, &reference.s[problem_index * d * e],
        y.data());
    for (uint32_t m = 0; m < row.queries; ++m) {
        std::copy_n(&y[size_t{m} * e], e, &reference.y[query(m) * e]);
    }
    const double fields[] = {report.min_pivot, report.alpha, report.retries, report.residual,
                             static_cast<double>(static_cast<uint32_t>(report.status))};
    for (size_t i = 0; i < 5; ++i) reference.report[i].push_back(fields[i]);
    if (report.status == SolveStatus::solved) {
        reference.condition = std::max(reference.condition, condition_number(g, ridge, report.alpha, d));
    }
}

/// The sums of N products round like sqrt(N) * 2^-24; with weights that are all positive, a few times that.
Tolerance sum_tolerance(uint32_t tokens)
{
    return tokens > 10'000 ? Tolerance{1e-5, 5e-5} : Tolerance{2e-6, 1e-5};
}

void refer(Problem& problem, const IntentionRow& row)
{
    const uint32_t d = row.width;
    const uint32_t e = row.columns;
    const size_t heads = size_t{row.batch} * row.heads;
    Reference reference;
    reference.y.resize(heads * row.queries * e);
    reference.g = optional(problem, "state_g", heads * d * d, 0);
    reference.s = optional(problem, "state_s", heads * d * e, 0);
    for (uint32_t b = 0; b < row.batch; ++b) {
        for (uint32_t head = 0; head < row.heads; ++head) refer_head(reference, problem, row, b, head);
    }
    const double retries = *std::max_element(reference.report[2].begin(), reference.report[2].end());
    // No more tokens than unknowns, or a ridge that had to be raised: rounding of the sums meets the smallest
    // eigenvalues undiluted.
    const bool is_deficient = retries > 0 || (row.tokens <= d && !(row.extras & kState));
    Tolerance tolerance = solve_tolerance(is_deficient ? 10 * reference.condition : reference.condition);
    // Equal keys leave a null space that equal queries do not see: 2e-4 was measured for that.
    if (retries > 0) tolerance = {2e-4, 1e-3};
    const double pivot = std::max(1e-5, std::ldexp(reference.condition, -24));
    const Shape shape{row.batch, row.heads};
    problem.expect("y", {row.batch, row.queries, row.heads, e}, tolerance) = reference.y;
    problem.expect("state_g", {row.batch, row.heads, d, d}, sum_tolerance(row.tokens)) = reference.g;
    problem.expect("state_s", {row.batch, row.heads, d, e}, sum_tolerance(row.tokens)) = reference.s;
    problem.expect("min_pivot", shape, {pivot, pivot}) = reference.report[0]; // what cancellation left of an entry
    problem.expect("alpha", shape, {1e-5, 1e-5}) = reference.report[1];
    problem.expect("retries", shape, kExact) = reference.report[2];
    problem.expect("residual", shape, {0, 0, 2 * pivot}) = reference.report[3]; // 0 but for rounding
    problem.expect("status", shape, kExact) = reference.report[4];
}

void add_case(std::vector<Case>& cases, const IntentionRow& row, void (*spoil)(Problem&, const IntentionRow&))
{
    cases.push_back({fmt::format("intention.{}.f32", row.name), "intention", attributes_of(row),
                     [row, spoil](Problem& problem) {
                         spoil(problem, row);
                         refer(problem, row);
                     },
                     row.is_quick});
}

/// Every pair of key columns is equal, in small integers that fp32 sums exactly; so are those of the queries.
void draw_duplicates(Problem& problem, const IntentionRow& row)
{
    for (const auto& [name, count] : {std::pair{"k", row.tokens}, std::pair{"q", row.queries}}) {
        std::vector<float>& values = problem.input(name, {1, count, 1, row.width});
        for (size_t i = 0; i < values.size(); ++i) {
            const bool is_own = i % row.width / 2 == i / row.width % (row.width / 2); // one pair of columns a token
            values[i] = is_own ? 2.0F : 0.0F;
        }
    }
    problem.normal("v", {1, row.tokens, 1, row.columns});
}

void draw_nothing(Problem& problem, const IntentionRow& row)
{
    draw(problem, row);
    problem.input("beta", {row.batch, row.tokens, row.heads}); // zeros: seen, but of no weight
}

/// The most tokens that one launch takes, and one more. Drivers exist that stop a loop silently after 65,535 trips;
/// keys that grow with time make the sums show it.
void draw_longest(Problem& problem, const IntentionRow& row)
{
    problem.ramp("k", {1, row.tokens, 1, row.width}, 0.5, 2);
    problem.normal("v", {1, row.tokens, 1, row.columns}, 0.5, 1);
    problem.normal("q", {1, row.queries, 1, row.width});
}

} // namespace

void add_intention_cases(std::vector<Case>& cases)
{
    for (const IntentionRow& row : kRows) add_case(cases, row, draw);
    add_case(cases, {"duplicate_columns_n16_d8_e3", 1, 16, 4, 1, 8, 3, kPlain, 0, false}, draw_duplicates);
    add_case(cases, {"no_data_n12_d8_e3", 2, 12, 3, 2, 8, 3}, draw_nothing);
    for (const auto& [name, tokens] : {std::pair{"n26000_d1_e1", 26'000U}, {"n26001_d1_e1", 26'001U}}) {
        add_case(cases, {name, 1, tokens, 1, 1, 1, 1}, draw_longest);
    }
}

} // namespace gramian
