// All cases, in the order of the table of operators.
#include "ops/cases.hpp"

#include <algorithm>

namespace gramian {
namespace {

/// What --quick runs, by the first letters of the names: every kernel that a device may pick, with at most 80 pipelines
/// between them. Cases that share their pipelines cost microseconds, but some software drivers take seconds to compile
/// one; what takes longest (frank_wolfe, forward) is left to the whole suite.
constexpr std::string_view kQuick[] = {
    "activation.tanh_",
    "add.",
    "argmax.",
    "cholesky.lower_p33",
    "cholesky_update.p33_r9_k3",
    "concat.",
    "embedding.",
    "eva.causal_t50",
    "gate_synapse.",
    "gated_functions.and_n2",
    "gru.b2_t7_c5_m7.f16",
    "intention.causal_n13_h3",
    "intention.causal_qr_n13",
    "intention.causal_rls_n13",
    "intention.n13_h3",
    "l2_norm.",
    "lara.t15",
    "layer_norm.",
    "linear.r5_",
    "linear_attention.delta_net.b2_t7",
    "linear_attention.gla.b2_t4",
    "linear_attention.gla.b2_t7",
    "linear_attention.rfa.b2_t7",
    "linear_attention.rwkv7.b2_t7",
    "log_attention.t7",
    "log_linear_attention.t13",
    "log_recurrence.t7",
    "lstm.b1_t9_c4_m65.f32",
    "normalize.",
    "qr_update.p33_r9_k3",
    "ridge_solve.alpha1_p6",
    "ridge_solve.indefinite_p6",
    "ridge_solve.mixed_p6",
    "ridge_solve.nan_beside_p6",
    "ridge_solve.negative_p6",
    "ridge_solve.no_data_p6",
    "ridge_solve.p129_k2",
    "ridge_solve.scale1e-20_p6",
    "ridge_solve.scale1e15_p6",
    "ridge_solve.third_retry_p6",
    "rms_norm.",
    "sample.",
    "short_conv.b2_t7",
    "sigma_intention.kernel_n20",
    "sigma_intention.score_n20",
    "simplex_solve.r15",
    "simplex_solve.r1_",
    "simplex_solve.r2_",
    "slice.",
    "softmax_attention.causal_n65",
    "softmax_attention.n13",
    "softmax_attention.window5",
    "squash.tanh_",
    "threshold_functions.n2",
    "triangular_solve.lower_p33",
    "value_aware_sparse.exact_n64",
    "value_aware_sparse.oblivious_",
    "value_aware_sparse.refit_n63",
};

bool is_quick(std::string_view name)
{
    return std::ranges::any_of(kQuick, [&](std::string_view start) { return name.starts_with(start); });
}

} // namespace

std::vector<Case> catalogue()
{
    std::vector<Case> cases;
    add_linear_cases(cases);
    add_pointwise_cases(cases);
    add_norm_cases(cases);
    add_boolean_functions_cases(cases);
    add_linear_attention_cases(cases);
    add_log_attention_cases(cases);
    add_random_feature_attention_cases(cases);
    add_ridge_solve_cases(cases);
    add_ridge_solve_hazards(cases);
    add_ridge_solve_solver_cases(cases);
    add_factor_cases(cases);
    add_intention_cases(cases);
    add_causal_intention_cases(cases);
    add_intention_hazards(cases);
    add_categorical_cases(cases);
    add_gated_cell_cases(cases);
    add_short_conv_cases(cases);
    add_sigma_intention_cases(cases);
    add_softmax_attention_cases(cases);
    add_eva_cases(cases);
    add_lara_cases(cases);
    add_value_aware_cases(cases);
    add_gate_synapse_cases(cases);
    for (Case& test : cases) test.is_quick = test.is_quick && is_quick(test.name);
    return cases;
}

} // namespace gramian
