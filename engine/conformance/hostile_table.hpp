// What hostile numbers lead to, operator by operator: the engine's promise, in one table. Only batch element 1 of 3
// gets them; the bits of the others, and of tokens before it where an operator is causal, never change.
#pragma once

#include <string_view>

namespace gramian {

/// What becomes of the first output of that batch element.
enum class Fate {
    zero,         // exactly 0, everywhere
    proportional, // as the input: the healthy answers times the same factor
    same,         // the healthy answers: the factor cancels
    finite,       // every answer is finite
    here,         // not finite in one place, that of the bad number; elsewhere nothing changes
    nan,          // NaN, everywhere
    shows,        // not finite somewhere: the damage does not pass for an answer
    hidden,       // finite: a limit (tanh), a choice (argmax) or a solve that gave up says so in another way
    contained,    // no promise but the neighbours'
};

struct Hostility {
    std::string_view subject; // an example, of hostile_cases.cpp
    std::string_view input;
    // The whole of it times: 0, 2^-66 (1e-20), 2^50 (1e15). One number in the middle of it replaced by: inf, NaN.
    Fate zeros, tiny, huge, infinite, nan;
};

// Denormals are never depended on: products of what is tiny may be 0. Where a NaN meets max, min or clamp (relu, clip,
// the running maximum of softmax, decays), drivers may drop it: such answers are `contained`. A session never gets that
// far: it refuses an observation that is not finite.
constexpr Hostility kHostilities[] = {
    {"linear", "x", Fate::zero, Fate::proportional, Fate::proportional, Fate::shows, Fate::nan},
    {"activation_identity", "x", Fate::zero, Fate::proportional, Fate::proportional, Fate::here, Fate::here},
    {"activation_relu", "x", Fate::zero, Fate::proportional, Fate::proportional, Fate::here, Fate::contained},
    {"activation_tanh", "x", Fate::zero, Fate::finite, Fate::finite, Fate::hidden, Fate::here},
    {"activation_sigmoid", "x", Fate::finite, Fate::finite, Fate::finite, Fate::hidden, Fate::here},
    {"activation_gelu", "x", Fate::zero, Fate::finite, Fate::finite, Fate::here, Fate::here},
    {"activation_silu", "x", Fate::zero, Fate::finite, Fate::finite, Fate::here, Fate::here},
    {"activation_softplus", "x", Fate::finite, Fate::finite, Fate::finite, Fate::here, Fate::here},
    {"activation_exp", "x", Fate::finite, Fate::finite, Fate::contained, Fate::here, Fate::here},
    {"squash_tanh", "x", Fate::finite, Fate::finite, Fate::finite, Fate::hidden, Fate::here},
    {"squash_clip", "x", Fate::finite, Fate::finite, Fate::finite, Fate::hidden, Fate::contained},
    {"normalize", "x", Fate::finite, Fate::finite, Fate::finite, Fate::here, Fate::here},
    {"layer_norm", "x", Fate::finite, Fate::finite, Fate::same, Fate::shows, Fate::nan},
    {"rms_norm", "x", Fate::zero, Fate::finite, Fate::same, Fate::shows, Fate::nan},
    {"l2_norm", "x", Fate::zero, Fate::finite, Fate::same, Fate::shows, Fate::shows},
    {"concat", "x0", Fate::finite, Fate::finite, Fate::finite, Fate::here, Fate::here},
    {"slice", "x", Fate::zero, Fate::proportional, Fate::proportional, Fate::here, Fate::here},
    {"add", "a", Fate::finite, Fate::finite, Fate::finite, Fate::here, Fate::here},
    {"multiply", "a", Fate::zero, Fate::proportional, Fate::proportional, Fate::here, Fate::here},
    {"gate_output", "x", Fate::zero, Fate::proportional, Fate::proportional, Fate::here, Fate::here},
    {"gate_output", "gate", Fate::finite, Fate::finite, Fate::finite, Fate::hidden, Fate::here},
    {"add_activation", "x", Fate::finite, Fate::finite, Fate::finite, Fate::hidden, Fate::here},
    {"gate_synapse", "x", Fate::zero, Fate::proportional, Fate::proportional, Fate::shows, Fate::nan},
    {"argmax", "x", Fate::zero, Fate::same, Fate::same, Fate::hidden, Fate::hidden},
    {"softmax", "x", Fate::finite, Fate::finite, Fate::finite, Fate::shows, Fate::nan},
    {"short_conv", "x", Fate::zero, Fate::proportional, Fate::proportional, Fate::shows, Fate::shows},
    {"gru", "x", Fate::finite, Fate::finite, Fate::finite, Fate::hidden, Fate::shows},
    {"lstm", "x", Fate::finite, Fate::finite, Fate::finite, Fate::hidden, Fate::shows},
    {"linear_attention", "q", Fate::zero, Fate::proportional, Fate::proportional, Fate::shows, Fate::shows},
    {"linear_attention", "k", Fate::zero, Fate::proportional, Fate::proportional, Fate::shows, Fate::shows},
    {"linear_attention", "v", Fate::zero, Fate::proportional, Fate::proportional, Fate::shows, Fate::shows},
    {"linear_attention", "decay", Fate::finite, Fate::finite, Fate::finite, Fate::contained, Fate::contained},
    {"delta_rule", "v", Fate::zero, Fate::proportional, Fate::proportional, Fate::shows, Fate::shows},
    {"log_attention", "q", Fate::finite, Fate::finite, Fate::contained, Fate::contained, Fate::shows},
    {"log_attention", "log_v", Fate::finite, Fate::finite, Fate::finite, Fate::contained, Fate::shows},
    {"log_linear_attention", "v", Fate::zero, Fate::proportional, Fate::proportional, Fate::shows, Fate::shows},
    {"log_recurrence", "b", Fate::finite, Fate::finite, Fate::finite, Fate::contained, Fate::contained},
    {"random_feature_attention", "v", Fate::zero, Fate::proportional, Fate::proportional, Fate::shows, Fate::shows},
    {"softmax_attention", "q", Fate::finite, Fate::finite, Fate::finite, Fate::contained, Fate::contained},
    {"softmax_attention", "k", Fate::finite, Fate::finite, Fate::finite, Fate::contained, Fate::contained},
    {"softmax_attention", "v", Fate::zero, Fate::proportional, Fate::proportional, Fate::shows, Fate::shows},
    {"eva", "v", Fate::zero, Fate::proportional, Fate::proportional, Fate::shows, Fate::shows},
    {"lara", "v", Fate::zero, Fate::proportional, Fate::proportional, Fate::shows, Fate::shows},
    {"intention", "k", Fate::zero, Fate::contained, Fate::finite, Fate::contained, Fate::contained},
    {"intention", "v", Fate::zero, Fate::proportional, Fate::proportional, Fate::shows, Fate::shows},
    {"intention", "q", Fate::zero, Fate::proportional, Fate::proportional, Fate::shows, Fate::shows},
    {"intention_causal", "k", Fate::zero, Fate::contained, Fate::finite, Fate::contained, Fate::contained},
    {"intention_causal", "v", Fate::zero, Fate::proportional, Fate::proportional, Fate::shows, Fate::shows},
    {"intention_rls", "v", Fate::zero, Fate::proportional, Fate::proportional, Fate::shows, Fate::shows},
    {"sigma_intention", "v", Fate::zero, Fate::proportional, Fate::proportional, Fate::shows, Fate::shows},
    {"ridge_solve", "k", Fate::zero, Fate::contained, Fate::finite, Fate::contained, Fate::contained},
    {"ridge_solve", "v", Fate::zero, Fate::proportional, Fate::proportional, Fate::contained, Fate::contained},
    {"ridge_solve_cg", "v", Fate::zero, Fate::proportional, Fate::proportional, Fate::contained, Fate::contained},
    {"ridge_solve_qr", "v", Fate::zero, Fate::proportional, Fate::proportional, Fate::contained, Fate::contained},
    {"cholesky", "a", Fate::contained, Fate::contained, Fate::finite, Fate::contained, Fate::contained},
    {"cholesky_update", "x", Fate::finite, Fate::finite, Fate::finite, Fate::shows, Fate::shows},
    {"qr_update", "x", Fate::finite, Fate::finite, Fate::finite, Fate::shows, Fate::shows},
    {"triangular_solve", "rhs", Fate::zero, Fate::proportional, Fate::proportional, Fate::shows, Fate::shows},
    {"simplex_solve", "v", Fate::finite, Fate::finite, Fate::contained, Fate::contained, Fate::contained},
    {"value_aware_sparse", "v", Fate::contained, Fate::contained, Fate::contained, Fate::contained, Fate::contained},
};

} // namespace gramian
