// Which Boolean functions gates compute: the capacity of threshold units, and of units gated by others (Baldi &
// Vershynin 2022, "The Quarks of Attention", arXiv:2202.08371). A function of n inputs is a number of 2^n bits: bit x
// is its value at x, and bit i of x is input i.
//
// `threshold_functions`: `inputs` n (1 to 4), `degree` d (1 or 2) -> realised [2^(2^n)]: 1 where the function is the
// sign of a polynomial of degree d in inputs of +-1, else 0; count [1] of them. Exact: by Gordan's theorem a function f
// is none exactly where some h != 0, orthogonal to all polynomials of degree d, agrees with it: h(x) f(x) >= 0 for
// all x. It is enough to try the h of minimal support (Rockafellar 1969: every vector of a subspace is a sum of those,
// none of whose signs contradict it); they are finitely many, up to scale, and found in integers.
//
// `gated_functions`: gates [G], on [K], off [K], numbers of functions; `inputs` n -> reached [2^(2^n)]: 1 for every
// (g and on_k) or (not g and off_k); counts [G]: distinct ones under each gate; count [1]: of the union; count_each
// [1]: the sum of counts. All counts are exact in fp32.
#pragma once

#include "ops/operator.hpp"

#include <cstdint>
#include <utility>

namespace gramian {

inline constexpr uint32_t kMaxBooleanInputs = 4;

/// Points above and below 0 of the functions of minimal support that are orthogonal to all polynomials of this degree.
std::vector<std::pair<uint32_t, uint32_t>> threshold_circuits(uint32_t inputs, uint32_t degree);

Operator threshold_functions_operator();
Operator gated_functions_operator();

} // namespace gramian
