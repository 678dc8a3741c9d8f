// Intention token after token: each query is answered by what was shown up to its own token.
#pragma once

#include "ops/query_solve.hpp"

namespace gramian {

enum class IntentionSolver : uint32_t { cholesky, cg, cg_compat, qr, rls };

/// What the attributes of `intention` say.
struct IntentionSettings {
    double alpha = 1e-4;
    bool is_relative = true; // alpha is a multiple of trace(G) / D, at every token
    float forget = 1;        // factor a token
    IntentionSolver solver = IntentionSolver::cholesky;
    bool starts_from_zero = false; // cg_compat
    uint32_t iterations = 30;
};

/// Settings as `query_solve` takes them: for cholesky, cg and cg_compat.
QuerySolver query_solver(const IntentionSettings& settings);

/// What qr and rls carry beside the sums. All zeros is a stream that has seen nothing.
struct SolverState {
    Tensor factor;  // qr [streams, H, D, D + E]
    Tensor inverse; // rls [streams, H, D, D]
    Tensor weights; // rls [streams, H, D, E]
    Tensor record;  // rls [streams, H, 4]
};

struct CausalIntention {
    Tensor k;                          // [slots, T, H, D]
    Tensor v;                          // [slots, T, H, E]
    Tensor q;                          // [slots, T, H, D]
    Tensor y;                          // [slots, T, H, E]
    const Tensor* x = nullptr;         // activations [slots, T, H, D]: A^-1 q; then v, y and s are left out
    const Tensor* variance = nullptr;  // [slots, T, H], in the arena of y
    const Tensor* report = nullptr;    // [slots, T, H, 8]
    const Tensor* decay = nullptr;     // activations [slots, T, H]: log decay
    const Tensor* beta = nullptr;      // activations [slots, T, H]
    const Tensor* ridge = nullptr;     // [H, D]
    Tensor g;                          // [streams, H, D, D]
    Tensor s;                          // [streams, H, D, E]
    const Tensor* initial_g = nullptr; // like g, may be g; null: zeros
    const Tensor* initial_s = nullptr; // like s
    SolverState kept;                  // in the arena of g, for qr and rls
    bool is_afresh = false;            // what is kept starts from initial_g and initial_s, whatever it holds
    IntentionSettings settings;
    SlotMap map;
    uint32_t first = 0; // tokens first .. first + count - 1 of the T
    uint32_t count = 0;
};

/// G = e^decay forget G + beta k k^T, S likewise with v; then y = S^T (G + diag(ridge) + alpha I)^-1 q, for every token
/// in order. Garnelo & Czarnecki 2023 (arXiv:2305.10203); with decay, beta and ridge the Mesa layer (von Oswald et al.
/// 2025, arXiv:2506.05233). The ridge does not decay, so that forgetting never winds up. Cutting the tokens changes no
/// bit. Throws invalid_argument or unsupported by the shapes.
void causal_intention(Recorder& recorder, const CausalIntention& intention);

} // namespace gramian
