#include "ops/kernels.hpp"

#include "base/hash.hpp"
#include "ops/linear.hpp"
#include "ops/linear_recurrence.hpp"
#include "ops/log_attention.hpp"
#include "ops/query_solve.hpp"
#include "ops/ridge_solve.hpp"
#include "ops/rls.hpp"
#include "spirv/append.h"
#include "spirv/caratheodory.h"
#include "spirv/categorical.h"
#include "spirv/cholesky.h"
#include "spirv/chunk_means.h"
#include "spirv/conjugate_gradients.h"
#include "spirv/copy.h"
#include "spirv/embedding.h"
#include "spirv/embedding_halves.h"
#include "spirv/favor.h"
#include "spirv/favor_stabilizer.h"
#include "spirv/feature_map.h"
#include "spirv/gate_synapse.h"
#include "spirv/gated_cell.h"
#include "spirv/gated_cell_halves.h"
#include "spirv/gated_functions.h"
#include "spirv/kernel_intention.h"
#include "spirv/lara.h"
#include "spirv/linear.h"
#include "spirv/linear_attention.h"
#include "spirv/linear_attention_chunk_decay.h"
#include "spirv/linear_attention_chunk_outputs.h"
#include "spirv/linear_attention_chunk_scores.h"
#include "spirv/linear_attention_chunk_states.h"
#include "spirv/linear_attention_sharded.h"
#include "spirv/linear_attention_software_step_storage.h"
#include "spirv/linear_attention_software_step_texels.h"
#include "spirv/linear_attention_software_storage.h"
#include "spirv/linear_attention_software_texels.h"
#include "spirv/linear_chain.h"
#include "spirv/linear_chain_halves.h"
#include "spirv/linear_halves.h"
#include "spirv/local_attention.h"
#include "spirv/local_keep.h"
#include "spirv/log_attention.h"
#include "spirv/log_attention_sharded.h"
#include "spirv/log_attention_software_step_storage.h"
#include "spirv/log_attention_software_step_texels.h"
#include "spirv/log_attention_software_storage.h"
#include "spirv/log_attention_software_texels.h"
#include "spirv/log_linear_attention.h"
#include "spirv/log_recurrence.h"
#include "spirv/log_state.h"
#include "spirv/matrix_product.h"
#include "spirv/norm.h"
#include "spirv/outer_sum.h"
#include "spirv/pointwise.h"
#include "spirv/qr_update.h"
#include "spirv/query_solve_global.h"
#include "spirv/query_solve_gradient.h"
#include "spirv/query_solve_shared.h"
#include "spirv/ridge_solve_global.h"
#include "spirv/ridge_solve_shared.h"
#include "spirv/ridge_solve_software.h"
#include "spirv/ring_append.h"
#include "spirv/rls.h"
#include "spirv/rls_software.h"
#include "spirv/short_conv.h"
#include "spirv/simplex.h"
#include "spirv/softmax_attention.h"
#include "spirv/solve_report.h"
#include "spirv/sparse_answer.h"
#include "spirv/sparse_pairs.h"
#include "spirv/square_root.h"
#include "spirv/state_read.h"
#include "spirv/state_rows.h"
#include "spirv/threshold_functions.h"
#include "spirv/triangular_solve.h"
#include "spirv/value_aware_finish.h"
#include "spirv/value_aware_select.h"
#include "spirv/value_aware_target.h"

#include <fmt/format.h>

namespace gramian {

namespace kernels {

const Shader append{"append", append_spirv};
const Shader caratheodory{"caratheodory", caratheodory_spirv};
const Shader categorical{"categorical", categorical_spirv};
const Shader cholesky{"cholesky", cholesky_spirv};
const Shader chunk_means{"chunk_means", chunk_means_spirv};
const Shader conjugate_gradients{"conjugate_gradients", conjugate_gradients_spirv};
const Shader copy{"copy", copy_spirv};
const Shader embedding{"embedding", embedding_spirv};
const Shader embedding_halves{"embedding_halves", embedding_halves_spirv};
const Shader favor{"favor", favor_spirv};
const Shader favor_stabilizer{"favor_stabilizer", favor_stabilizer_spirv};
const Shader feature_map{"feature_map", feature_map_spirv};
const Shader gate_synapse{"gate_synapse", gate_synapse_spirv};
const Shader gated_cell{"gated_cell", gated_cell_spirv};
const Shader gated_cell_halves{"gated_cell_halves", gated_cell_halves_spirv};
const Shader gated_functions{"gated_functions", gated_functions_spirv};
const Shader kernel_intention{"kernel_intention", kernel_intention_spirv};
const Shader lara{"lara", lara_spirv};
const Shader linear{"linear", linear_spirv};
const Shader linear_halves{"linear_halves", linear_halves_spirv};
const Shader linear_chain{"linear_chain", linear_chain_spirv};
const Shader linear_chain_halves{"linear_chain_halves", linear_chain_halves_spirv};
const Shader linear_attention{"linear_attention", linear_attention_spirv};
const Shader linear_attention_sharded{"linear_attention_sharded", linear_attention_sharded_spirv};
const Shader linear_attention_chunk_decay{"linear_attention_chunk_decay", linear_attention_chunk_decay_spirv};
const Shader linear_attention_chunk_outputs{"linear_attention_chunk_outputs", linear_attention_chunk_outputs_spirv};
const Shader linear_attention_chunk_scores{"linear_attention_chunk_scores", linear_attention_chunk_scores_spirv};
const Shader linear_attention_chunk_states{"linear_attention_chunk_states", linear_attention_chunk_states_spirv};
const Shader local_attention{"local_attention", local_attention_spirv};
const Shader local_keep{"local_keep", local_keep_spirv};
const Shader linear_attention_software_storage{"linear_attention_software_storage",
                                               linear_attention_software_storage_spirv};
const Shader linear_attention_software_texels{"linear_attention_software_texels",
                                              linear_attention_software_texels_spirv};
const Shader linear_attention_software_step_storage{"linear_attention_software_step_storage",
                                                    linear_attention_software_step_storage_spirv};
const Shader linear_attention_software_step_texels{"linear_attention_software_step_texels",
                                                   linear_attention_software_step_texels_spirv};
const Shader log_attention{"log_attention", log_attention_spirv};
const Shader log_attention_sharded{"log_attention_sharded", log_attention_sharded_spirv};
const Shader log_attention_software_step_storage{"log_attention_software_step_storage",
                                                 log_attention_software_step_storage_spirv};
const Shader log_attention_software_step_texels{"log_attention_software_step_texels",
                                                log_attention_software_step_texels_spirv};
const Shader log_attention_software_storage{"log_attention_software_storage", log_attention_software_storage_spirv};
const Shader log_attention_software_texels{"log_attention_software_texels", log_attention_software_texels_spirv};
const Shader log_linear_attention{"log_linear_attention", log_linear_attention_spirv};
const Shader log_recurrence{"log_recurrence", log_recurrence_spirv};
const Shader log_state{"log_state", log_state_spirv};
const Shader matrix_product{"matrix_product", matrix_product_spirv};
const Shader norm{"norm", norm_spirv};
const Shader outer_sum{"outer_sum", outer_sum_spirv};
const Shader pointwise{"pointwise", pointwise_spirv};
const Shader qr_update{"qr_update", qr_update_spirv};
const Shader query_solve_global{"query_solve_global", query_solve_global_spirv};
const Shader query_solve_gradient{"query_solve_gradient", query_solve_gradient_spirv};
const Shader query_solve_shared{"query_solve_shared", query_solve_shared_spirv};
const Shader ridge_solve_global{"ridge_solve_global", ridge_solve_global_spirv};
const Shader ridge_solve_shared{"ridge_solve_shared", ridge_solve_shared_spirv};
const Shader ring_append{"ring_append", ring_append_spirv};
const Shader ridge_solve_software{"ridge_solve_software", ridge_solve_software_spirv};
const Shader rls{"rls", rls_spirv};
const Shader rls_software{"rls_software", rls_software_spirv};
const Shader short_conv{"short_conv", short_conv_spirv};
const Shader simplex{"simplex", simplex_spirv};
const Shader softmax_attention{"softmax_attention", softmax_attention_spirv};
const Shader solve_report{"solve_report", solve_report_spirv};
const Shader sparse_answer{"sparse_answer", sparse_answer_spirv};
const Shader sparse_pairs{"sparse_pairs", sparse_pairs_spirv};
const Shader square_root{"square_root", square_root_spirv};
const Shader state_read{"state_read", state_read_spirv};
const Shader state_rows{"state_rows", state_rows_spirv};
const Shader threshold_functions{"threshold_functions", threshold_functions_spirv};
const Shader triangular_solve{"triangular_solve", triangular_solve_spirv};
const Shader value_aware_finish{"value_aware_finish", value_aware_finish_spirv};
const Shader value_aware_select{"value_aware_select", value_aware_select_spirv};
const Shader value_aware_target{"value_aware_target", value_aware_target_spirv};

} // namespace kernels

namespace {

std::vector<KernelChoice> table_of(const Caps& caps)
{
    const std::string any = "any shape";
    const std::string halves = "weights that the file holds in F16";
    const bool is_chunked = !caps.is_software && !caps.is_host;
    const std::string chunks = is_chunked ? "64 tokens and more of up to 64 streams and heads, not normalised"
                                          : "none: token by token is less work for a processor";
    const std::string chain = fmt::format("two layers in a row, {} tokens and more: software drivers", kLeastChainRows);
    const auto step = [&](std::string_view rows) {
        return fmt::format("one token a stream, {} and E of {} to 128: software drivers with subgroup operations", rows,
                           std::max(16U, 4 * caps.subgroup_size));
    };
    const std::string recurrence_step = step("nothing erased, not normalised, F");
    const std::string log_step = step("updating and reading, D");
    const std::string texels = ", where a texel buffer holds any arena";
    const auto does_without = [&](const Shader& kernel) { return !caps.has_state_texels || caps.refuses(kernel.name); };
    const uint32_t most = max_shared_unknowns(caps, 1);
    const uint32_t widest = max_shared_query_width(caps);
    return {
        {&kernels::append, true, any},
        {&kernels::caratheodory, true, "value_aware_sparse, exact, N above E + 1"},
        {&kernels::categorical, true, any},
        {&kernels::cholesky, true, "P above 128 or refine: panels of 32 columns"},
        {&kernels::chunk_means, true, "eva, lara"},
        {&kernels::conjugate_gradients, true, "solver cg or cg_compat of ridge_solve"},
        {&kernels::copy, true, any},
        {&kernels::embedding, true, any},
        {&kernels::embedding_halves, true, halves},
        {&kernels::favor, true, any},
        {&kernels::favor_stabilizer, true, any},
        {&kernels::feature_map, true, any},
        {&kernels::gate_synapse, true, any},
        {&kernels::gated_cell, true, any},
        {&kernels::gated_cell_halves, true, halves},
        {&kernels::gated_functions, true, any},
        {&kernels::kernel_intention, true, any},
        {&kernels::lara, true, any},
        {&kernels::linear, true, any},
        {&kernels::linear_attention, true, "any shape but those below"},
        {&kernels::linear_attention_chunk_decay, is_chunked, chunks},
        {&kernels::linear_attention_chunk_outputs, is_chunked, chunks},
        {&kernels::linear_attention_chunk_scores, is_chunked, chunks},
        {&kernels::linear_attention_chunk_states, is_chunked, chunks},
        {&kernels::linear_attention_sharded, !shares_by_subgroup(caps),
         "F and E of 16, 32, 64 or 128, not normalised: GPUs, and devices without subgroup operations"},
        {&kernels::linear_attention_software_step_storage,
         shares_by_subgroup(caps) && does_without(kernels::linear_attention_software_step_texels), recurrence_step},
        {&kernels::linear_attention_software_step_texels, shares_by_subgroup(caps) && caps.has_state_texels,
         recurrence_step + texels},
        {&kernels::linear_attention_software_storage,
         shares_by_subgroup(caps) && does_without(kernels::linear_attention_software_texels),
         "F and E of 16, 32, 64 or 128, not normalised: software drivers with subgroup operations"},
        {&kernels::linear_attention_software_texels, shares_by_subgroup(caps) && caps.has_state_texels,
         "the same, where a texel buffer holds any arena: it is faster to read there"},
        {&kernels::linear_chain, caps.is_software, chain},
        {&kernels::linear_chain_halves, caps.is_software, chain + ", " + halves},
        {&kernels::linear_halves, true, halves},
        {&kernels::local_attention, true, "eva, lara"},
        {&kernels::local_keep, true, "eva, token by token"},
        {&kernels::log_attention, true, any},
        {&kernels::log_attention_sharded, !caps.is_host && !log_attention_shares_by_subgroup(caps),
         "D and E of 16, 32, 64 or 128, updating and reading: GPUs, and devices without subgroup operations"},
        {&kernels::log_attention_software_step_storage,
         log_attention_shares_by_subgroup(caps) && does_without(kernels::log_attention_software_step_texels), log_step},
        {&kernels::log_attention_software_step_texels, log_attention_shares_by_subgroup(caps) && caps.has_state_texels,
         log_step + texels},
        {&kernels::log_attention_software_storage,
         log_attention_shares_by_subgroup(caps) && does_without(kernels::log_attention_software_texels),
         "D and E of 16, 32, 64 or 128, updating and reading: software drivers with subgroup operations"},
        {&kernels::log_attention_software_texels, log_attention_shares_by_subgroup(caps) && caps.has_state_texels,
         "the same, where a texel buffer holds any arena: it is faster to read there"},
        {&kernels::log_linear_attention, true, any},
        {&kernels::log_recurrence, true, any},
        {&kernels::log_state, true, any},
        {&kernels::matrix_product, true, any},
        {&kernels::norm, true, any},
        {&kernels::outer_sum, true, any},
        {&kernels::pointwise, true, any},
        {&kernels::qr_update, true, any},
        {&kernels::query_solve_global, true, fmt::format("D above {}: the factor lies in a buffer", widest)},
        {&kernels::query_solve_gradient, true, "the solvers cg and cg_compat"},
        {&kernels::query_solve_shared, true,
         fmt::format("D up to {}: the factor fits the {} bytes of shared memory", widest, caps.max_shared_bytes)},
        {&kernels::ridge_solve_global, most < kMaxWholeUnknowns,
         fmt::format("P above {} at K = 1: the factor lies in a buffer", most)},
        {&kernels::ridge_solve_shared, solves_in_shared_memory(caps),
         fmt::format("P up to {} at K = 1: the factor fits the {} bytes of shared memory", most,
                     caps.max_shared_bytes)},
        {&kernels::ridge_solve_software, runs_problems_by_lane(caps),
         "P up to 128 (K up to 40 there, 256 at P 64): software drivers with subgroup operations"},
        {&kernels::ring_append, true, any},
        {&kernels::rls, true, any},
        {&kernels::rls_software, keeps_rows_local(caps),
         "D a multiple of 4 up to 64, once started: software drivers with subgroup operations of 8 lanes"},
        {&kernels::short_conv, true, any},
        {&kernels::simplex, true, any},
        {&kernels::softmax_attention, true, any},
        {&kernels::solve_report, true, any},
        {&kernels::sparse_answer, true, any},
        {&kernels::sparse_pairs, true, any},
        {&kernels::square_root, true, any},
        {&kernels::state_read, true, any},
        {&kernels::state_rows, true, any},
        {&kernels::threshold_functions, true, any},
        {&kernels::triangular_solve, true, any},
        {&kernels::value_aware_finish, true, any},
        {&kernels::value_aware_select, true, any},
        {&kernels::value_aware_target, true, any},
    };
}

} // namespace

std::vector<KernelChoice> kernel_choices(const Caps& caps)
{
    std::vector<KernelChoice> table = table_of(caps);
    for (KernelChoice& choice : table) {
        for (const Refusal& refusal : caps.refused) {
            if (refusal.kernel != choice.shader->name) continue;
            choice.is_picked = false;
            choice.when = "failed the self-test: " + refusal.reason;
        }
    }
    return table;
}

uint64_t spirv_hash()
{
    uint64_t hash = 0;
    for (const KernelChoice& choice : kernel_choices(Caps{})) {
        hash = hash_bytes(std::as_bytes(choice.shader->words), hash);
    }
    return hash;
}

} // namespace gramian
