// Keeping the last tokens: rows written into a ring, the oldest ones over. What softmax attention decodes from.
#pragma once

#include "ops/recorder.hpp"

namespace gramian {

/// The pairs that a stream keeps: pair n lies in row n % R.
struct PairRing {
    Tensor k;                      // [streams, R, H, D]
    Tensor v;                      // [streams, R, H, E], in the arena of k
    const Tensor* total = nullptr; // state words [streams, 2]: pairs held so far, and after the call at work
    uint32_t position = 0;         // pairs held so far, where there is no total
    uint32_t fold = 0;             // totals stay below twice this multiple of R, and go on from it; 0: they grow
};

/// Puts tokens first .. first + count - 1 of k: [slots, T, H, D] and v: [slots, T, H, E] behind those that the rings
/// hold, the map's counts at most, and adds to the totals. Throws invalid_argument when the shapes disagree,
/// unsupported for more tokens than a launch has groups.
void ring_append(Recorder& recorder, const PairRing& ring, const Tensor& k, const Tensor& v, uint32_t first,
                 uint32_t count, const SlotMap& map);

/// z[stream] = the last token of each slot of x; a slot without tokens leaves it as it is.
/// x: [slots, T, H, C], z: [streams, H, C]. Throws as ring_append does.
void keep_last(Recorder& recorder, const Tensor& x, const Tensor& z, const SlotMap& map);

} // namespace gramian
