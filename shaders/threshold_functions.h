// Parameters of threshold_functions.comp.
#ifdef __cplusplus
#pragma once
#include <cstdint>
namespace gramian::gpu {
using uint = uint32_t;
#endif

struct ThresholdFunctionsParameters {
    uint circuits; // weights [circuit_count, 2]: points where a circuit is above 0, and where it is below
    uint realised; // activations [functions]
    uint circuit_count;
    uint functions;
};

#ifdef __cplusplus
} // namespace gramian::gpu
#endif
