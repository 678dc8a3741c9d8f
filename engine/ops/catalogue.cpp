// All cases, in the order of the table of operators.
#include "ops/cases.hpp"

namespace gramian {

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
    return cases;
}

} // namespace gramian
