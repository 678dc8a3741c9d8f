// Every kernel of the engine, by name, and the selection table: which variant a device gets, and why.
#pragma once

#include "device/caps.hpp"
#include "device/launch.hpp"

#include <string>
#include <vector>

namespace gramian {

namespace kernels {

extern const Shader append;
extern const Shader caratheodory;
extern const Shader categorical;
extern const Shader cholesky;
extern const Shader chunk_means;
extern const Shader conjugate_gradients;
extern const Shader copy;
extern const Shader embedding;
extern const Shader embedding_halves;
extern const Shader favor;
extern const Shader favor_stabilizer;
extern const Shader feature_map;
extern const Shader gate_synapse;
extern const Shader gated_cell;
extern const Shader gated_cell_halves;
extern const Shader gated_functions;
extern const Shader kernel_intention;
extern const Shader lara;
extern const Shader linear;
extern const Shader linear_halves;
extern const Shader linear_chain;
extern const Shader linear_chain_halves;
extern const Shader linear_attention;
extern const Shader linear_attention_sharded;
extern const Shader linear_attention_chunk_decay;
extern const Shader linear_attention_chunk_outputs;
extern const Shader linear_attention_chunk_scores;
extern const Shader linear_attention_chunk_states;
extern const Shader local_attention;
extern const Shader local_keep;
extern const Shader linear_attention_software_storage;
extern const Shader linear_attention_software_texels;
extern const Shader linear_attention_software_step_storage;
extern const Shader linear_attention_software_step_texels;
extern const Shader log_attention;
extern const Shader log_attention_sharded;
extern const Shader log_attention_software_step_storage;
extern const Shader log_attention_software_step_texels;
extern const Shader log_attention_software_storage;
extern const Shader log_attention_software_texels;
extern const Shader log_linear_attention;
extern const Shader log_recurrence;
extern const Shader log_state;
extern const Shader matrix_product;
extern const Shader norm;
extern const Shader outer_sum;
extern const Shader pointwise;
extern const Shader qr_update;
extern const Shader query_solve_global;
extern const Shader query_solve_gradient;
extern const Shader query_solve_shared;
extern const Shader ridge_solve_global;
extern const Shader ridge_solve_shared;
extern const Shader ring_append;
extern const Shader ridge_solve_software;
extern const Shader rls;
extern const Shader rls_software;
extern const Shader short_conv;
extern const Shader simplex;
extern const Shader softmax_attention;
extern const Shader solve_report;
extern const Shader sparse_answer;
extern const Shader sparse_pairs;
extern const Shader square_root;
extern const Shader state_read;
extern const Shader state_rows;
extern const Shader threshold_functions;
extern const Shader triangular_solve;
extern const Shader value_aware_finish;
extern const Shader value_aware_select;
extern const Shader value_aware_target;

} // namespace kernels

/// A row of the selection table.
struct KernelChoice {
    const Shader* shader;
    bool is_picked;   // for some shape at least, on this device
    std::string when; // for which shapes, and what of the device decides
};

/// The table for a device, sorted by name. Every kernel is in it.
std::vector<KernelChoice> kernel_choices(const Caps& caps);

/// Of all kernels' SPIR-V: two builds with the same hash run the same code.
uint64_t spirv_hash();

} // namespace gramian
