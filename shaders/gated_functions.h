// Parameters of gated_functions.comp.
#ifdef __cplusplus
#pragma once
#include <cstdint>
namespace gramian::gpu {
using uint = uint32_t;
#endif

struct GatedFunctionsParameters {
    uint gates;   // activations [gate_count]
    uint on;      // activations [unit_count]: what a unit computes where its gate is 1
    uint off;     // activations [unit_count]: and where it is 0
    uint reached; // activations [functions]
    uint counts;  // activations [gate_count]
    uint gate_count;
    uint unit_count;
    uint functions;
};

#ifdef __cplusplus
} // namespace gramian::gpu
#endif
