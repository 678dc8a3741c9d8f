// The one table of operators. Each knows its ports, attributes, shape rule and how it records itself.
#include "ops/operator.hpp"
#include "ops/row_operators.hpp"

namespace gramian {

Operator argmax_operator();
Operator cholesky_operator();
Operator cholesky_update_operator();
Operator embedding_operator();
Operator eva_operator();
Operator gate_synapse_operator();
Operator gated_functions_operator();
Operator gru_operator();
Operator intention_operator();
Operator lara_operator();
Operator linear_attention_operator();
Operator log_attention_operator();
Operator log_linear_attention_operator();
Operator log_recurrence_operator();
Operator lstm_operator();
Operator qr_update_operator();
Operator random_feature_attention_operator();
Operator ridge_solve_operator();
Operator sample_operator();
Operator short_conv_operator();
Operator sigma_intention_operator();
Operator simplex_solve_operator();
Operator softmax_attention_operator();
Operator softmax_operator();
Operator threshold_functions_operator();
Operator triangular_solve_operator();
Operator value_aware_sparse_operator();

const std::vector<Operator>& operators()
{
    static const std::vector<Operator> table = [] {
        std::vector<Operator> all = row_operators();
        all.push_back(argmax_operator());
        all.push_back(cholesky_operator());
        all.push_back(cholesky_update_operator());
        all.push_back(embedding_operator());
        all.push_back(eva_operator());
        all.push_back(gate_synapse_operator());
        all.push_back(gated_functions_operator());
        all.push_back(gru_operator());
        all.push_back(intention_operator());
        all.push_back(lara_operator());
        all.push_back(linear_attention_operator());
        all.push_back(log_attention_operator());
        all.push_back(log_linear_attention_operator());
        all.push_back(log_recurrence_operator());
        all.push_back(lstm_operator());
        all.push_back(qr_update_operator());
        all.push_back(random_feature_attention_operator());
        all.push_back(ridge_solve_operator());
        all.push_back(sample_operator());
        all.push_back(short_conv_operator());
        all.push_back(sigma_intention_operator());
        all.push_back(simplex_solve_operator());
        all.push_back(softmax_attention_operator());
        all.push_back(softmax_operator());
        all.push_back(threshold_functions_operator());
        all.push_back(triangular_solve_operator());
        all.push_back(value_aware_sparse_operator());
        return all;
    }();
    return table;
}

} // namespace gramian
