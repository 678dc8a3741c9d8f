// Cases of `gru` and `lstm`.
#include "ops/cases.hpp"
#include "ops/gated_cell_twin.hpp"
#include "ops/linear_twin.hpp"

namespace gramian {
namespace {

struct CellRow {
    const char* name;
    uint32_t batch;
    uint32_t tokens;
    uint32_t channels;
    uint32_t width;
    bool has_bias = true;
    bool has_state = false;
    bool is_quick = true;
};

constexpr CellRow kRows[] = {
    {"b1_t1_c1_m1", 1, 1, 1, 1},
    {"b2_t7_c5_m7", 2, 7, 5, 7, false},
    {"b3_t1_c6_m63_state", 3, 1, 6, 63, true, true}, // a step
    {"b2_t5_c3_m64_state", 2, 5, 3, 64, true, true},
    {"b1_t9_c4_m65", 1, 9, 4, 65},
    {"b1_t3_c2_m257_state", 1, 3, 2, 257, true, true},
    {"b1_t5000_c1_m5_state", 1, 5'000, 1, 5, true, true, false}, // more than one launch may loop
};

constexpr CellRow kHalfRows[] = {
    {"b2_t7_c5_m7", 2, 7, 5, 7, true, true},
    {"b3_t1_c6_m63_state", 3, 1, 6, 63, true, true},
    {"b1_t9_c4_m65", 1, 9, 4, 65, false},
};

/// The cells contract, so a token's rounding (a sum of M products, and exponentials to some 1e-6) fades: MATH g's
/// figure for a recurrent layer.
constexpr Tolerance kTolerance{5e-6, 2e-5};

template <bool kLstm>
void prepare(Problem& problem, const CellRow& row, bool has_halves)
{
    const uint32_t rows = (kLstm ? 4 : 3) * row.width;
    const double scale = 1 / std::sqrt(static_cast<double>(row.width));
    problem.normal("x", {row.batch, row.tokens, row.channels});
    problem.normal("weight_ih", {rows, row.channels}, 0.5);
    problem.normal("weight_hh", {rows, row.width}, scale);
    if (has_halves) problem.round_to_half("weight_ih");
    if (has_halves) problem.round_to_half("weight_hh");
    if (row.has_bias) problem.normal("bias_ih", {rows}, 0.5);
    if (row.has_bias) problem.normal("bias_hh", {rows}, 0.5);
    if (row.has_state) problem.normal("state", {row.batch, row.width}, 0.5);
    if (row.has_state && kLstm) problem.normal("state_c", {row.batch, row.width}, 0.5);
    const auto given = [&](const char* name, size_t size) {
        return problem.has(name) ? problem.doubles(name) : std::vector<double>(size, 0.0);
    };
    const std::vector<double> x = problem.doubles("x");
    const std::vector<double> weight_ih = problem.doubles("weight_ih");
    const std::vector<double> weight_hh = problem.doubles("weight_hh");
    const std::vector<double> bias_ih = given("bias_ih", rows);
    const std::vector<double> bias_hh = given("bias_hh", rows);
    const size_t state_size = size_t{row.batch} * row.width;
    const std::vector<double> initial_h = given("state", state_size);
    const std::vector<double> initial_c = given("state_c", state_size);
    std::vector<double>& y = problem.expect("y", {row.batch, row.tokens, row.width}, kTolerance);
    std::vector<double>& h = problem.expect("state", {row.batch, row.width}, kTolerance);
    std::vector<double> no_c(state_size);
    std::vector<double>& c = kLstm ? problem.expect("state_c", {row.batch, row.width}, kTolerance) : no_c;
    h = initial_h;
    c = initial_c;
    std::vector<double> gates(rows);
    for (uint32_t token = 0; token < row.batch * row.tokens; ++token) {
        const size_t stream = size_t{token / row.tokens} * row.width;
        twin::linear(
            &x[size_t{token} * row.channels],
            [&](uint32_t column, uint32_t i) { return weight_ih[size_t{column} * row.channels + i]; }, bias_ih.data(),
            gates.data(), 1, row.channels, rows, Activation::identity);
        twin::gated_cell_step(
            gates.data(), [&](uint32_t r, uint32_t i) { return weight_hh[size_t{r} * row.width + i]; }, bias_hh.data(),
            &h[stream], kLstm ? &c[stream] : nullptr, row.width);
        std::copy_n(&h[stream], row.width, &y[size_t{token} * row.width]);
    }
}

} // namespace

void add_gated_cell_cases(std::vector<Case>& cases)
{
    for (const CellRow& row : kRows) {
        cases.push_back({fmt::format("gru.{}.f32", row.name), "gru", Json::object(),
                         [&row](Problem& problem) { prepare<false>(problem, row, false); }, row.is_quick});
        cases.push_back({fmt::format("lstm.{}.f32", row.name), "lstm", Json::object(),
                         [&row](Problem& problem) { prepare<true>(problem, row, false); }, row.is_quick});
    }
    for (const CellRow& row : kHalfRows) {
        cases.push_back({fmt::format("gru.{}.f16", row.name), "gru", Json::object(),
                         [&row](Problem& problem) { prepare<false>(problem, row, true); }});
        cases.push_back({fmt::format("lstm.{}.f16", row.name), "lstm", Json::object(),
                         [&row](Problem& problem) { prepare<true>(problem, row, true); }});
    }
}

} // namespace gramian
