// Cases of `short_conv`: a causal convolution of each channel.
#include "ops/cases.hpp"
#include "ops/short_conv_twin.hpp"

namespace gramian {
namespace {

struct ConvRow {
    const char* name;
    uint32_t batch;
    uint32_t tokens;
    uint32_t channels;
    uint32_t taps;
    Activation kind = Activation::identity;
    bool has_bias = true;
    bool has_state = false;
    bool is_quick = true;
};

constexpr ConvRow kRows[] = {
    {"b1_t1_c1_k1", 1, 1, 1, 1},
    {"b2_t7_c5_k3", 2, 7, 5, 3, Activation::identity, false},
    {"b3_t1_c63_k4_state", 3, 1, 63, 4, Activation::silu, true, true}, // a step
    {"b2_t2_c64_k4_state", 2, 2, 64, 4, Activation::silu, true, true}, // fewer tokens than the state holds
    {"b1_t3_c65_k4_state", 1, 3, 65, 4, Activation::silu, false, true},
    {"b1_t33_c128_k32", 1, 33, 128, 32, Activation::relu},
    {"b1_t15000_c3_k4_state", 1, 15'000, 3, 4, Activation::tanh, true, true, false}, // more than one launch may loop
    {"b300_t2_c17_k2_state", 300, 2, 17, 2, Activation::identity, true, true},
};

/// A sum of K products rounds like sqrt(K) * 2^-24; Vulkan promises the exponentials of silu and tanh to some 1e-6.
constexpr Tolerance kTolerance{2e-6, 1e-5};

void prepare(Problem& problem, const ConvRow& row)
{
    const uint32_t before = row.taps - 1;
    problem.normal("x", {row.batch, row.tokens, row.channels});
    problem.normal("weight", {row.channels, row.taps}, 0.5);
    if (row.has_bias) problem.normal("bias", {row.channels});
    if (row.has_state) problem.normal("state", {row.batch, before, row.channels});
    const std::vector<double> x = problem.doubles("x");
    const std::vector<double> weight = problem.doubles("weight");
    const std::vector<double> bias = row.has_bias ? problem.doubles("bias") : std::vector<double>();
    const std::vector<double> initial = row.has_state ? problem.doubles("state") : std::vector<double>();
    std::vector<double>& y = problem.expect("y", {row.batch, row.tokens, row.channels}, kTolerance);
    std::vector<double> none;
    std::vector<double>& state = before > 0 ? problem.expect("state", {row.batch, before, row.channels}, kExact) : none;
    for (uint32_t b = 0; b < row.batch; ++b) {
        const size_t at = size_t{b} * row.tokens * row.channels;
        const size_t kept = size_t{b} * before * row.channels;
        twin::short_conv<double>(&x[at], weight.data(), row.has_bias ? bias.data() : nullptr,
                                 row.has_state ? &initial[kept] : nullptr, before > 0 ? &state[kept] : nullptr, &y[at],
                                 row.tokens, row.channels, row.taps, row.kind);
    }
}

} // namespace

void add_short_conv_cases(std::vector<Case>& cases)
{
    for (const ConvRow& row : kRows) {
        const auto kind = kActivationNames[static_cast<size_t>(row.kind)];
        cases.push_back({fmt::format("short_conv.{}.f32", row.name), "short_conv", Json{{"kind", kind}},
                         [&row](Problem& problem) { prepare(problem, row); }, row.is_quick});
    }
}

} // namespace gramian
