// Parameters of gated_cell.comp. B slots, T tokens, M hidden width, G gates: 3 (GRU) or 4 (LSTM).
#ifdef __cplusplus
#pragma once
#include <cstdint>
namespace gramian::gpu {
using uint = uint32_t;
#endif

struct GatedCellParameters {
    uint gates;     // [B, T, G, M]: W x + b of the input
    uint weight;    // weights, vectors: [ceil(M / 4), G M] of four consecutive inputs
    uint bias;      // weights [G, M], or none
    uint y;         // [B, T, M]
    uint initial_h; // before the first token, shaped and placed like h
    uint initial_c;
    uint h;         // [streams, M]
    uint c;         // [streams, M], LSTM
    uint streams;   // io words [B]: stream of a slot, or none
    uint counts;    // io words [B]: tokens of a slot, or none
    uint first_slot;
    uint tokens;    // T
    uint first;     // first token of this launch
    uint count;     // tokens of this launch
    uint width;     // M
};

#ifdef __cplusplus
} // namespace gramian::gpu
#endif
