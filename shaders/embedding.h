// Parameters of embedding.comp.
#ifdef __cplusplus
#pragma once
#include <cstdint>
namespace gramian::gpu {
using uint = uint32_t;
#endif

struct EmbeddingParameters {
    uint x;      // [rows, 1]: row numbers of the table
    uint weight; // weights [table_rows, size], floats or halves
    uint y;      // [rows, size]
    uint count;  // rows * size
    uint size;
    uint table_rows;
};

#ifdef __cplusplus
} // namespace gramian::gpu
#endif
