// Least squares by the square root of its sums, from the keys and values themselves: what Cholesky loses by squaring
// the condition number, this keeps.
#pragma once

#include "ops/recorder.hpp"

namespace gramian {

enum class RootStart : uint32_t {
    goes_on = 0,   // the factor holds what earlier tokens left; zeros: nothing
    zeros = 1,     // from nothing
    from_sums = 2, // from initial_g and initial_s
};

struct SquareRoot {
    Tensor k;                          // [slots, N, H, D]
    Tensor v;                          // [slots, N, H, E]
    Tensor q;                          // [slots, M, H, D]
    Tensor y;                          // [slots, M, H, E]
    const Tensor* variance = nullptr;  // [slots, M, H], in the arena of y
    const Tensor* report = nullptr;    // [slots, M, H, 8]
    const Tensor* decay = nullptr;     // activations [slots, N, H]: log decay
    const Tensor* beta = nullptr;      // activations [slots, N, H]
    const Tensor* ridge = nullptr;     // [H, D]
    const Tensor* initial_g = nullptr; // [slots, H, D, D], in the arena of the factor
    const Tensor* initial_s = nullptr; // [slots, H, D, E]
    Tensor factor;                     // [streams, H, D, D + E]: R and z
    RootStart start = RootStart::goes_on;
    float forget = 1; // factor a token
    double alpha = 1e-4;
    bool is_relative = true; // alpha is a multiple of trace(R^T R) / D
    bool is_causal = false;  // M = N: query t sees the tokens up to t; otherwise all
    SlotMap map;
    uint32_t first = 0; // causal: tokens first .. first + count - 1; otherwise all
    uint32_t count = 0;
};

/// R^T R = G and R^T z = S by Givens rotations (Gentleman 1973), every token scaling both by sqrt(e^decay forget). With
/// the ridge rotated into a copy: R'^T u = q, y = z'^T u, variance = u . u.
/// A pivot fails if it is not finite or <= 4 * 2^-24 of the length of its column, both of R' and so not squared; then
/// alpha becomes max(10 alpha, 1e-6 trace/D), six times where the loop trips of a driver allow it (D up to some 70).
/// Throws invalid_argument when the shapes disagree, unsupported for a D and E that are too large.
void square_root(Recorder& recorder, const SquareRoot& root);

} // namespace gramian
