// Parameters of gate_synapse.comp.
#ifdef __cplusplus
#pragma once
#include <cstdint>
namespace gramian::gpu {
using uint = uint32_t;
#endif

struct GateSynapseParameters {
    uint x;         // [rows, width]
    uint weight;    // weights [columns, width]
    uint gate;      // [rows, columns, width], or [columns, width] for all rows
    uint bias;      // weights [columns], or none
    uint y;         // [rows, columns]
    uint first_row;
    uint width;
    uint columns;
    uint gate_row;  // elements from one row's gates to the next: columns * width, or 0
};

#ifdef __cplusplus
} // namespace gramian::gpu
#endif
