// Cases of causal `intention` at the edge of what 32 bits can solve: each has an outcome that is defined.
#include "ops/intention_causal_cases.hpp"
#include "ops/intention_twin.hpp"

#include <cmath>

namespace gramian {
namespace {

/// Inputs of a hazard: everything has B = H = 1.
using Draw = void (*)(Problem&, const CausalRow&);

void draw_plain(Problem& problem, const CausalRow& row, double key_scale, double value_scale)
{
    problem.normal("k", {1, row.tokens, 1, row.width}, key_scale);
    problem.normal("v", {1, row.tokens, 1, row.columns}, value_scale);
    problem.normal("q", {1, row.tokens, 1, row.width}, key_scale);
}

/// Rows of `name` in the span of half as many axes as there are channels.
void draw_in_span(Problem& problem, const char* name, const CausalRow& row, const std::vector<double>& axes)
{
    std::vector<float>& rows = problem.input(name, {1, row.tokens, 1, row.width});
    std::vector<double> parts(row.width / 2);
    for (size_t t = 0; t < row.tokens; ++t) {
        for (double& part : parts) part = problem.random().normal();
        for (uint32_t i = 0; i < row.width; ++i) {
            double sum = 0;
            for (size_t axis = 0; axis < parts.size(); ++axis) sum += parts[axis] * axes[axis * row.width + i];
            rows[t * row.width + i] = static_cast<float>(sum);
        }
    }
}

std::vector<double> draw_axes(Problem& problem, const CausalRow& row)
{
    std::vector<double> axes(size_t{row.width} / 2 * row.width);
    for (double& value : axes) value = problem.random().normal() / std::sqrt(row.width);
    return axes;
}

/// Keys that excite half of the directions only, and queries like them.
void draw_windup(Problem& problem, const CausalRow& row)
{
    const std::vector<double> axes = draw_axes(problem, row);
    draw_in_span(problem, "k", row, axes);
    draw_in_span(problem, "q", row, axes);
    problem.normal("v", {1, row.tokens, 1, row.columns});
}

/// The same, and queries in any direction: 1 / alpha times the rounding of the sums.
void draw_windup_asked(Problem& problem, const CausalRow& row)
{
    draw_in_span(problem, "k", row, draw_axes(problem, row));
    problem.normal("q", {1, row.tokens, 1, row.width});
    problem.normal("v", {1, row.tokens, 1, row.columns});
}

/// Keys that are strong in one direction and a hundred times weaker in the last, none of them an axis.
void draw_rotated(Problem& problem, const CausalRow& row)
{
    std::vector<double> axis(row.width); // of a reflection, which turns the weak channels into mixtures
    double length = 0;
    for (double& value : axis) {
        value = problem.random().normal();
        length += value * value;
    }
    for (const char* name : {"k", "q"}) {
        std::vector<float>& rows = problem.normal(name, {1, row.tokens, 1, row.width});
        for (size_t t = 0; t < row.tokens; ++t) {
            float* key = &rows[t * row.width];
            double along = 0;
            for (uint32_t i = 0; i < row.width; ++i) {
                key[i] *= static_cast<float>(std::pow(0.01, static_cast<double>(i) / (row.width - 1)));
                along += axis[i] * key[i];
            }
            for (uint32_t i = 0; i < row.width; ++i) key[i] -= static_cast<float>(2 * along / length * axis[i]);
        }
    }
    problem.normal("v", {1, row.tokens, 1, row.columns});
}

/// One pair of equal channels a token, in small integers that fp32 sums exactly; queries have the same pairs.
void draw_duplicates(Problem& problem, const CausalRow& row)
{
    for (const char* name : {"k", "q"}) {
        std::vector<float>& values = problem.input(name, {1, row.tokens, 1, row.width});
        for (size_t i = 0; i < values.size(); ++i) {
            const size_t token = i / row.width;
            const size_t pair = name[0] == 'q' ? 0 : token % (row.width / 2); // a query asks what was shown first
            values[i] = i % row.width / 2 == pair ? 2.0F : 0.0F;
        }
    }
    problem.normal("v", {1, row.tokens, 1, row.columns});
}

void draw_zeros(Problem& problem, const CausalRow& row)
{
    problem.input("k", {1, row.tokens, 1, row.width});
    problem.normal("v", {1, row.tokens, 1, row.columns});
    problem.normal("q", {1, row.tokens, 1, row.width});
}

void draw_unweighted(Problem& problem, const CausalRow& row)
{
    draw_plain(problem, row, 1, 1);
    problem.input("beta", {1, row.tokens, 1}); // zeros: seen, but of no weight
}

void draw_vanishing(Problem& problem, const CausalRow& row)
{
    draw_plain(problem, row, 1e-21, 1);
}
void draw_tiny(Problem& problem, const CausalRow& row)
{
    draw_plain(problem, row, 1e-10, 1e-20);
}
void draw_huge(Problem& problem, const CausalRow& row)
{
    draw_plain(problem, row, 1e15, 1e15);
}
struct Hazard {
    CausalRow row;
    Draw draw;
    Tolerance tolerance;
};

// Forgetting: the table of the tolerances. Equal columns: 2e-4 was measured for context. Magnitudes change nothing.
constexpr Tolerance kForgetting{2e-5, 5e-5};
constexpr Tolerance kEqual{2e-4, 1e-3};
constexpr Tolerance kOrdinary{5e-5, 2e-4};
constexpr Tolerance kRotated{5e-3, 2e-2}; // 2^-24 D / alpha: the first tokens do not span all directions either
constexpr Tolerance kRotatedRoot{1e-5, 5e-5};
constexpr Tolerance kByCondition{}; // 2^-24 times the condition number: what does not span all directions

const Hazard kHazards[] = {
    {{"windup_n300_d8_e3", R"({"alpha":0.01,"forget":0.97})", 1, 300, 1, 8, 3}, draw_windup, kForgetting},
    {{"windup_qr_n120_d8_e3", R"({"alpha":0.01,"forget":0.97,"solver":"qr"})", 1, 120, 1, 8, 3},
     draw_windup,
     kForgetting},
    {{"windup_cg_n300_d8_e3", R"({"alpha":0.01,"forget":0.97,"solver":"cg"})", 1, 300, 1, 8, 3},
     draw_windup,
     kForgetting},
    {{"windup_asked_n300_d8_e3", R"({"alpha":0.01,"forget":0.97})", 1, 300, 1, 8, 3}, draw_windup_asked, kByCondition},
    {{"ill_conditioned_n30_d8_e3", R"({"alpha_relative":1e-4})", 1, 30, 1, 8, 3}, draw_rotated, kRotated},
    {{"ill_conditioned_cg_n30_d8_e3", R"({"alpha_relative":1e-4,"solver":"cg","iterations":200})", 1, 30, 1, 8, 3},
     draw_rotated,
     kRotated},
    {{"ill_conditioned_qr_n30_d8_e3", R"({"alpha_relative":1e-4,"solver":"qr"})", 1, 30, 1, 8, 3},
     draw_rotated,
     kRotatedRoot},
    {{"duplicate_columns_n12_d8_e3", R"({"alpha":0})", 1, 12, 1, 8, 3}, draw_duplicates, kEqual},
    {{"zero_keys_n5_d6_e2", R"({"alpha_relative":0.01})", 1, 5, 1, 6, 2}, draw_zeros, kExact},
    {{"zero_keys_cg_n5_d6_e2", R"({"alpha_relative":0.01,"solver":"cg"})", 1, 5, 1, 6, 2}, draw_zeros, kExact},
    {{"zero_keys_qr_n5_d6_e2", R"({"alpha":0.01,"solver":"qr"})", 1, 5, 1, 6, 2}, draw_zeros, kExact},
    {{"zero_keys_rls_n5_d6_e2", R"({"alpha":0.01,"solver":"rls"})", 1, 5, 1, 6, 2}, draw_zeros, kExact},
    {{"no_weight_n5_d6_e2", R"({"alpha":0.01})", 1, 5, 1, 6, 2}, draw_unweighted, kExact},
    {{"no_weight_rls_n5_d6_e2", R"({"alpha":0.01,"solver":"rls"})", 1, 5, 1, 6, 2}, draw_unweighted, kExact},
    {{"vanishing_n5_d6_e2", R"({"alpha_relative":0.01})", 1, 5, 1, 6, 2}, draw_vanishing, kExact},
    {{"tiny_n20_d6_e2", R"({"alpha_relative":0.01})", 1, 20, 1, 6, 2}, draw_tiny, kOrdinary},
    {{"tiny_cg_n20_d6_e2", R"({"alpha_relative":0.01,"solver":"cg"})", 1, 20, 1, 6, 2}, draw_tiny, kOrdinary},
    {{"tiny_qr_n20_d6_e2", R"({"alpha_relative":0.01,"solver":"qr"})", 1, 20, 1, 6, 2}, draw_tiny, kOrdinary},
    {{"huge_n20_d6_e2", R"({"alpha_relative":0.01})", 1, 20, 1, 6, 2}, draw_huge, kOrdinary},
    {{"huge_cg_n20_d6_e2", R"({"alpha_relative":0.01,"solver":"cg"})", 1, 20, 1, 6, 2}, draw_huge, kOrdinary},
    {{"huge_qr_n20_d6_e2", R"({"alpha_relative":0.01,"solver":"qr"})", 1, 20, 1, 6, 2}, draw_huge, kOrdinary},
    {{"huge_rls_n20_d6_e2", R"({"alpha":1e28,"solver":"rls"})", 1, 20, 1, 6, 2}, draw_huge, kOrdinary},
};

void prepare(Problem& problem, const Hazard& hazard)
{
    const CausalRow& row = hazard.row;
    hazard.draw(problem, row);
    const CausalReference reference = causal_reference(problem, row);
    const bool is_known = hazard.tolerance.rms > 0 || hazard.draw != draw_windup_asked;
    const Tolerance tolerance = is_known ? hazard.tolerance : solve_tolerance(10 * reference.condition);
    problem.expect("y", {1, row.tokens, 1, row.columns}, tolerance) = reference.y;
    problem.expect("status", {1, row.tokens, 1}, kExact) = reference.status;
    problem.expect("retries", {1, row.tokens, 1}, kExact) = reference.retries;
}

/// A million tokens that excite half of the directions, forgotten at 1 % each: nothing may drift, wind up or turn NaN.
/// Over a context: a million answers of the causal form take a software driver a minute.
void prepare_soak(Problem& problem, const CausalRow& row)
{
    const std::vector<double> axes = draw_axes(problem, row);
    draw_in_span(problem, "k", row, axes);
    CausalRow queries = row;
    queries.tokens = 50;
    draw_in_span(problem, "q", queries, axes);
    problem.normal("v", {1, row.tokens, 1, row.columns});
    const uint32_t d = row.width;
    const uint32_t e = row.columns;
    const std::vector<double> k = problem.doubles("k");
    const std::vector<double> v = problem.doubles("v");
    const std::vector<double> q = problem.doubles("q");
    const double forget = 0.99F;
    std::vector<double> g(size_t{d} * d);
    std::vector<double> s(size_t{d} * e);
    for (size_t t = 0; t < row.tokens; ++t) {
        for (uint32_t i = 0; i < d; ++i) {
            for (uint32_t j = 0; j < d; ++j) g[i * d + j] = forget * g[i * d + j] + k[t * d + i] * k[t * d + j];
            for (uint32_t j = 0; j < e; ++j) s[i * e + j] = forget * s[i * e + j] + k[t * d + i] * v[t * e + j];
        }
    }
    std::vector<double> w(size_t{d} * e);
    twin::ridge_solve<double>(g.data(), nullptr, s.data(), w.data(), d, e, double{0.01F}, false);
    std::vector<double>& y = problem.expect("y", {1, queries.tokens, 1, e}, kForgetting);
    for (size_t m = 0; m < queries.tokens; ++m) {
        for (uint32_t i = 0; i < d; ++i) {
            for (uint32_t j = 0; j < e; ++j) y[m * e + j] += q[m * d + i] * w[i * e + j];
        }
    }
    problem.expect("state_g", {1, 1, d, d}, {5e-6, 2e-5}) = g;
    problem.expect("state_s", {1, 1, d, e}, {2e-5, 5e-5}) = s; // sums that cancel
}

void add_case(std::vector<Case>& cases, const CausalRow& row, bool is_causal,
              std::function<void(Problem&)> prepare_case)
{
    Json attributes = Json::parse(row.attributes);
    attributes["causal"] = is_causal;
    cases.push_back({fmt::format("intention.hazard_{}.f32", row.name), "intention", attributes, std::move(prepare_case),
                     row.is_quick});
}

} // namespace

void add_intention_hazards(std::vector<Case>& cases)
{
    for (const Hazard& hazard : kHazards) {
        add_case(cases, hazard.row, true, [&hazard](Problem& problem) { prepare(problem, hazard); });
    }
    static const CausalRow soak{
        "soak_n1000000_d8_e2", R"({"alpha":0.01,"forget":0.99})", 1, 1'000'000, 1, 8, 2, 0, false};
    add_case(cases, soak, false, [](Problem& problem) { prepare_soak(problem, soak); });
}

} // namespace gramian
