// Recursive least squares: the solution itself is carried from token to token, in O(D (D + E)) each.
#pragma once

#include "ops/recorder.hpp"

namespace gramian {

enum class RlsStart : uint32_t {
    goes_on = 0,     // P and W hold what earlier tokens left
    afresh = 1,      // from initial_g and initial_s, or from nothing
    where_empty = 2, // P from initial_g where the record is zero: a stream that was reset
    anew = 3,        // P from initial_g, which W agrees with
};

struct Rls {
    Tensor k;                          // [slots, T, H, D]
    Tensor v;                          // [slots, T, H, E]
    const Tensor* q = nullptr;         // [slots, T, H, D], with y
    const Tensor* y = nullptr;         // [slots, T, H, E]
    const Tensor* variance = nullptr;  // [slots, T, H], in the arena of y
    const Tensor* report = nullptr;    // [slots, T, H, 8]
    const Tensor* beta = nullptr;      // activations [slots, T, H]
    const Tensor* ridge = nullptr;     // [H, D]
    const Tensor* initial_g = nullptr; // [streams, H, D, D], in the arena of P; null: zeros
    const Tensor* initial_s = nullptr; // [streams, H, D, E], afresh; null: zeros
    Tensor inverse;                    // [streams, H, D, D]: P
    Tensor weights;                    // [streams, H, D, E]: W
    Tensor record;                     // [streams, H, 4]
    RlsStart start = RlsStart::goes_on;
    double alpha = 1;
    SlotMap map;
    uint32_t first = 0; // tokens first .. first + count - 1 of the T
    uint32_t count = 0;
};

/// P = (G + diag(ridge) + alpha I)^-1 and W = P S after every token: u = P k, gain = beta u / (1 + beta k.u),
/// W += gain (v - W^T k)^T, P -= gain u^T (Sherman & Morrison; Plackett 1950). y = W^T q, variance = q . P q.
/// Nothing may be forgotten: the ridge lies in P, where it would decay too. The report holds 1 / the largest P_ii, the
/// smallest pivot that some order of elimination would meet; the residual is |v - W^T k| / |v| of the newest pair.
/// A first matrix that is singular is retried as by `ridge_solve`, below D = 72 up to six times.
/// Throws invalid_argument when the shapes disagree, unsupported for D above 128.
void recursive_least_squares(Recorder& recorder, const Rls& rls);

/// Whether tokens that go on are taken with P and W in a local array, on this device; it changes no bit.
bool keeps_rows_local(const Caps& caps);

} // namespace gramian
