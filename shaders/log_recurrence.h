// Parameters of log_recurrence.comp. B slots, T tokens, C channels.
#ifdef __cplusplus
#pragma once
#include <cstdint>
namespace gramian::gpu {
using uint = uint32_t;
#endif

struct LogRecurrenceParameters {
    uint a;        // [B, T, C]
    uint b;        // [B, T, C]
    uint s;        // [B, T, C]
    uint initial;  // the state before the first token, shaped and placed like state
    uint state;    // [streams, C]
    uint streams;  // io words [B]: stream of a slot, or none
    uint counts;   // io words [B]: tokens of a slot, or none
    uint tokens;   // T
    uint first;    // first token of this launch
    uint count;    // tokens of this launch
    uint channels; // C
};

#ifdef __cplusplus
} // namespace gramian::gpu
#endif
