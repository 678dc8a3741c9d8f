// Parameters of state_rows.comp.
#ifdef __cplusplus
#pragma once
#include <cstdint>
namespace gramian::gpu {
using uint = uint32_t;
#endif

struct StateRowsParameters {
    uint state;      // [streams, size]
    uint size;       // elements a stream
    uint rows;       // [any, row_size]
    uint row_size;
    uint row_offset; // where this tensor lies in a row
    uint moves;      // io words [moves, 2]: stream and row
    uint weight;     // io [1]: the factor of what is added
};

#ifdef __cplusplus
} // namespace gramian::gpu
#endif
