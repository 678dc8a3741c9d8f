// What a conformance case is, if it is no property: an operator, its attributes, seeded inputs, and what the paper's
// equation gives for them in float64. Each <op>_cases.cpp is a table of shapes and one reference; catalogue.cpp
// collects them. None of this is in a shipped engine.
#pragma once

#include "base/json.hpp"
#include "base/random.hpp"
#include "ops/run_operator.hpp"

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace gramian {

/// An output passes when rms(x - ref) / rms(ref) <= rms and max|x - ref| / max|ref| <= max, or when
/// max|x - ref| <= abs. An infinity or NaN in the reference must be met exactly.
struct Tolerance {
    double rms = 0;
    double max = 0;
    double abs = 0;
};

/// For outputs that must be met to the bit: counts and status words.
inline constexpr Tolerance kExact{};

struct Expected {
    std::string name;
    Shape shape;
    std::vector<double> values;
    Tolerance tolerance;
};

/// Inputs and expected outputs of one case under construction. Its random numbers depend on the case's name and on
/// the seed of the run.
class Problem {
public:
    explicit Problem(uint64_t seed) : random_(seed) {}

    /// Adds an input of zeros to be filled; the references stay valid.
    std::vector<float>& input(std::string name, Shape shape);
    std::vector<float>& normal(std::string name, Shape shape, double scale = 1, double mean = 0);
    std::vector<float>& uniform(std::string name, Shape shape, double low, double high);
    /// From low to high, the first axis but one (tokens, rows) in even steps: what a kernel drops at the end shows.
    std::vector<float>& ramp(std::string name, Shape shape, double low, double high);
    /// Rounds an input to halves: a weight that the device then keeps as such.
    void round_to_half(std::string_view name);
    /// Adds an expected output of zeros to be filled.
    std::vector<double>& expect(std::string name, Shape shape, Tolerance tolerance);

    [[nodiscard]] bool has(std::string_view name) const;
    /// The values of an input as the operator sees them, in double.
    [[nodiscard]] std::vector<double> doubles(std::string_view name) const;
    [[nodiscard]] Shape shape(std::string_view name) const;

    [[nodiscard]] Random& random() { return random_; }
    [[nodiscard]] const std::vector<NamedArray>& inputs() const { return inputs_; }
    [[nodiscard]] const std::vector<Expected>& expected() const { return expected_; }

private:
    [[nodiscard]] const NamedArray* find(std::string_view name) const;

    Random random_;
    std::vector<NamedArray> inputs_;
    std::vector<Expected> expected_;
};

struct Case {
    std::string name;                      // "ridge_solve.p64_k1_b4.f32"
    std::string op;                        // of the table of operators; of a property, its family
    Json attributes = Json::object();      // as the operator takes them
    std::function<void(Problem&)> prepare; // draws the inputs and computes the reference
    bool is_quick = true;                  // part of the subset that every change runs
    uint32_t chunk = kNone;                // of a linear recurrence, as in Recorder
    std::string family = "kernels";        // as the contract lists them
    std::function<void()> property;        // instead of all that: conformance/property.hpp
};

/// Every case of the engine, families in the order of operators.cpp.
std::vector<Case> catalogue();

// One a file: add yours here and in catalogue.cpp.
void add_linear_cases(std::vector<Case>& cases);
void add_pointwise_cases(std::vector<Case>& cases);
void add_norm_cases(std::vector<Case>& cases);
void add_boolean_functions_cases(std::vector<Case>& cases);
void add_linear_attention_cases(std::vector<Case>& cases);
void add_log_attention_cases(std::vector<Case>& cases);
void add_ridge_solve_cases(std::vector<Case>& cases);
void add_ridge_solve_hazards(std::vector<Case>& cases);
void add_ridge_solve_solver_cases(std::vector<Case>& cases);
void add_factor_cases(std::vector<Case>& cases);
void add_causal_intention_cases(std::vector<Case>& cases);
void add_intention_cases(std::vector<Case>& cases);
void add_intention_hazards(std::vector<Case>& cases);
void add_categorical_cases(std::vector<Case>& cases);
void add_eva_cases(std::vector<Case>& cases);
void add_lara_cases(std::vector<Case>& cases);
void add_gated_cell_cases(std::vector<Case>& cases);
void add_random_feature_attention_cases(std::vector<Case>& cases);
void add_short_conv_cases(std::vector<Case>& cases);
void add_sigma_intention_cases(std::vector<Case>& cases);
void add_gate_synapse_cases(std::vector<Case>& cases);
void add_softmax_attention_cases(std::vector<Case>& cases);
void add_value_aware_cases(std::vector<Case>& cases);

/// rms 0.1 * 2^-24 * cond, at least 5e-6: the measured error of fp32 statistics with Cholesky is 0.002 to 0.2 times
/// 2^-24 * cond(A); the largest element of a solution is off by at most four times that in such measurements.
Tolerance solve_tolerance(double condition);
/// Ratio of the extreme eigenvalues of a + diag(ridge) + alpha I, by power iteration. a: [n, n] symmetric positive
/// definite with the diagonal added; ridge may be null. Infinity when a Cholesky factorisation fails.
double condition_number(const double* a, const double* ridge, double alpha, uint32_t n);

} // namespace gramian
