// Parameters of naive_solve.comp. Everything is in the state arena.
#ifdef __cplusplus
#pragma once
#include <cstdint>
namespace gramian::gpu {
using uint = uint32_t;
#endif

struct NaiveSolveParameters {
    uint a;      // [B, P, P], symmetric
    uint rhs;    // [B, P, K]
    uint x;      // [B, P, K]
    float alpha; // a multiple of trace(a) / P
};

#ifdef __cplusplus
} // namespace gramian::gpu
#endif
