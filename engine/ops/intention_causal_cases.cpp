// Cases of causal `intention`: every query against the least squares of what was shown up to its own token.
#include "ops/intention_causal_cases.hpp"
#include "ops/intention_twin.hpp"
#include "ops/query_solve_twin.hpp"

#include <cmath>

namespace gramian {
namespace {

/// What a case has beside k, v and q.
enum Extras : uint32_t { kPlain = 0, kBeta = 1, kDecay = 2, kRidge = 4, kState = 8, kMesa = 15 };

constexpr CausalRow kRows[] = {
    {"n1_d1_e1", R"({"alpha":0.5})", 1, 1, 1, 1, 1},
    {"n13_h3_d5_e7", R"({"alpha":0.3})", 2, 13, 3, 5, 7},
    {"n40_d16_e1", R"({"alpha_relative":0.01})", 1, 40, 1, 16, 1},
    {"n17_d63_e2", R"({"alpha_relative":0.01})", 1, 17, 1, 63, 2, kPlain, false},
    {"n17_d64_e64", R"({"alpha_relative":0.01})", 1, 17, 1, 64, 64},
    {"n9_d65_e65", R"({"alpha_relative":0.01})", 1, 9, 2, 65, 65, kPlain, false},
    {"n6_d128_e3", R"({"alpha":1})", 2, 6, 1, 128, 3},                // the factor lies in a buffer
    {"n4_d256_e1", R"({"alpha":1})", 1, 4, 1, 256, 1, kPlain, false}, // the largest
    {"mesa_n30_h2_d8_e8", R"({})", 2, 30, 2, 8, 8, kMesa},
    {"mesa_cg_n30_h2_d8_e8", R"({"solver":"cg"})", 2, 30, 2, 8, 8, kMesa},
    {"mesa_cg_n11_d64_e64", R"({"solver":"cg","iterations":200})", 1, 11, 1, 64, 64, kMesa, false},
    {"cg_n12_d65_e2", R"({"solver":"cg","alpha":1,"iterations":100})", 1, 12, 1, 65, 2},
    {"qr_n13_h3_d5_e7", R"({"solver":"qr","alpha":0.3})", 2, 13, 3, 5, 7},
    {"qr_mesa_n20_h2_d8_e8", R"({"solver":"qr"})", 2, 20, 2, 8, 8, kMesa},
    {"qr_n9_d65_e65", R"({"solver":"qr","alpha_relative":0.01})", 1, 9, 2, 65, 65, kPlain, false},
    {"rls_n13_h3_d5_e7", R"({"solver":"rls","alpha":0.3})", 2, 13, 3, 5, 7, kBeta},
    {"rls_n9_h2_d36_e13", R"({"solver":"rls","alpha":1})", 2, 9, 2, 36, 13,
     kBeta | kRidge | kState}, // two sweeps of rows of P, of W^T
    {"rls_n9_h2_d64_e64", R"({"solver":"rls","alpha":1})", 1, 9, 2, 64, 64, kPlain, false},
    {"rls_n9_h2_d65_e65", R"({"solver":"rls","alpha":1})", 1, 9, 2, 65, 65, kRidge | kState, false},
    {"rls_n5_d128_e3", R"({"solver":"rls","alpha":1})", 1, 5, 1, 128, 3, kState, false},
    {"forget_n90_d8_e3", R"({"forget":0.95,"alpha":0.1})", 1, 90, 1, 8, 3},
    {"state_n5_h2_d8_e3", R"({"alpha":0.1})", 2, 5, 2, 8, 3, kState},
    {"n4100_d1_e1", R"({"alpha":1})", 1, 4100, 1, 1, 1, kPlain, false}, // more tokens than one pass takes
};

/// Symmetric positive definite, as a sum of outer products is.
void draw_state(Problem& problem, const CausalRow& row)
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

void draw(Problem& problem, const CausalRow& row)
{
    problem.normal("k", {row.batch, row.tokens, row.heads, row.width});
    problem.normal("v", {row.batch, row.tokens, row.heads, row.columns});
    problem.normal("q", {row.batch, row.tokens, row.heads, row.width});
    if (row.extras & kBeta) problem.uniform("beta", {row.batch, row.tokens, row.heads}, 0, 2);
    if (row.extras & kDecay) problem.uniform("decay", {row.batch, row.tokens, row.heads}, -0.1, 0);
    if (row.extras & kRidge) problem.uniform("ridge", {row.heads, row.width}, 0.25, 1);
    if (row.extras & kState) draw_state(problem, row);
}

std::vector<double> optional(const Problem& problem, const char* name, size_t count, double otherwise)
{
    return problem.has(name) ? problem.doubles(name) : std::vector<double>(count, otherwise);
}

/// One batch and head: the context form over each prefix.
class Head {
public:
    Head(const Problem& problem, const CausalRow& row)
        : row_(row), k_(problem.doubles("k")), v_(problem.doubles("v")), q_(problem.doubles("q"))
    {
        const Json attributes = Json::parse(row.attributes);
        const size_t tokens = size_t{row.batch} * row.tokens * row.heads;
        beta_ = optional(problem, "beta", tokens, 1);
        decay_ = optional(problem, "decay", tokens, 0);
        ridge_ = optional(problem, "ridge", size_t{row.heads} * row.width, 0);
        g_ = optional(problem, "state_g", size_t{row.batch} * row.heads * row.width * row.width, 0);
        s_ = optional(problem, "state_s", size_t{row.batch} * row.heads * row.width * row.columns, 0);
        is_relative_ = !attributes.contains("alpha");
        alpha_ = static_cast<float>(attributes.value(is_relative_ ? "alpha_relative" : "alpha", 0.0));
        forget_ = static_cast<float>(attributes.value("forget", 1.0));
    }

    void run(uint32_t b, uint32_t head, CausalReference& reference) const
    {
        const uint32_t d = row_.width;
        const uint32_t e = row_.columns;
        const size_t at = size_t{b} * row_.heads + head;
        const auto token = [&](uint32_t t) { return (size_t{b} * row_.tokens + t) * row_.heads + head; };
        for (uint32_t t = 0; t < row_.tokens; ++t) {
            std::vector<double> g(&g_[at * d * d], &g_[at * d * d] + size_t{d} * d);
            std::vector<double> s(&s_[at * d * e], &s_[at * d * e] + size_t{d} * e);
            const double* q = &q_[token(t) * d];
            const auto report = twin::intention(
                {t + 1, 1, d, e}, [&](uint32_t n) { return &k_[token(n) * d]; },
                [&](uint32_t n) { return &v_[token(n) * e]; }, [&](uint32_t) { return q; },
                [&](uint32_t n) { return beta_[token(n)]; },
                [&](uint32_t n) { return forget_ * std::exp(decay_[token(n)]); }, &ridge_[size_t{head} * d], alpha_,
                is_relative_, g.data(), s.data(), &reference.y[token(t) * e]);
            std::vector<double> x(d);
            const auto query =
                twin::query_solve(g.data(), &ridge_[size_t{head} * d], q, x.data(), reference.variance[token(t)], d,
                                  alpha_, is_relative_, QuerySolver::cholesky, 0);
            reference.retries[token(t)] = query.retries;
            reference.status[token(t)] = static_cast<double>(query.status);
            if (query.status == SolveStatus::no_data) std::fill_n(&reference.y[token(t) * e], e, 0.0);
            if (t + 1 < row_.tokens && t % 8 > 0) continue;
            if (query.status == SolveStatus::solved) {
                const double condition = condition_number(g.data(), &ridge_[size_t{head} * d], report.alpha, d);
                reference.condition = std::max(reference.condition, condition);
            }
            std::copy(g.begin(), g.end(), &reference.g[at * d * d]);
            std::copy(s.begin(), s.end(), &reference.s[at * d * e]);
        }
    }

private:
    const CausalRow& row_;
    std::vector<double> k_, v_, q_, beta_, decay_, ridge_, g_, s_;
    double alpha_ = 0;
    double forget_ = 1;
    bool is_relative_ = false;
};

void refer(Problem& problem, const CausalRow& row)
{
    const CausalReference reference = causal_reference(problem, row);
    // The first tokens are fewer than the unknowns: rounding meets the smallest eigenvalues undiluted. Where the last
    // ones are too, most of a query meets the ridge alone, and little of it makes the answer.
    const double spread = std::sqrt(std::max(1.0, static_cast<double>(row.width) / row.tokens));
    const Tolerance tolerance = solve_tolerance(10 * spread * reference.condition);
    const Tolerance sums = row.tokens > 1000 ? Tolerance{1e-5, 5e-5} : Tolerance{2e-6, 1e-5};
    const Shape by_head{row.batch, row.tokens, row.heads};
    problem.expect("y", {row.batch, row.tokens, row.heads, row.columns}, tolerance) = reference.y;
    problem.expect("variance", by_head, tolerance) = reference.variance;
    problem.expect("state_g", {row.batch, row.heads, row.width, row.width}, sums) = reference.g;
    problem.expect("state_s", {row.batch, row.heads, row.width, row.columns}, sums) = reference.s;
    problem.expect("retries", by_head, kExact) = reference.retries;
    problem.expect("status", by_head, kExact) = reference.status;
}

} // namespace

CausalReference causal_reference(const Problem& problem, const CausalRow& row)
{
    const size_t tokens = size_t{row.batch} * row.tokens * row.heads;
    const size_t heads = size_t{row.batch} * row.heads;
    CausalReference reference;
    reference.y.resize(tokens * row.columns);
    for (auto* by_token : {&reference.variance, &reference.retries, &reference.status}) by_token->resize(tokens);
    reference.g.resize(heads * row.width * row.width);
    reference.s.resize(heads * row.width * row.columns);
    const Head head(problem, row);
    for (uint32_t b = 0; b < row.batch; ++b) {
        for (uint32_t h = 0; h < row.heads; ++h) head.run(b, h, reference);
    }
    return reference;
}

void add_causal_intention_cases(std::vector<Case>& cases)
{
    for (const CausalRow& row : kRows) {
        Json attributes = Json::parse(row.attributes);
        attributes["causal"] = true;
        cases.push_back({fmt::format("intention.causal_{}.f32", row.name), "intention", attributes,
                         [&row](Problem& problem) {
                             draw(problem, row);
                             refer(problem, row);
                         },
                         row.is_quick});
    }
}

} // namespace gramian
