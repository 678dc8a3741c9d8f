// Chunked prefill of the general linear recurrence: states only at the borders of chunks, everything inside a chunk by
// products of matrices. The same equation as token by token, summed in another order.
#pragma once

#include "ops/linear_recurrence.hpp"

namespace gramian {

/// linear_recurrence in chunks of `chunk` tokens, the last one ragged; within 5e-6 rms of the token loop (64: 5e-5).
/// Yang et al. 2024 (arXiv:2406.06484), with differences of cumulative log decays alone: no decay overflows.
/// Throws unsupported where `can_chunk` says no.
void linear_recurrence_chunked(Recorder& recorder, const LinearRecurrence& recurrence, uint32_t chunk);

/// Whether the recurrence has this form (not when normalised) and one of its chunks fits the device.
bool can_chunk(const Caps& caps, const LinearRecurrence& recurrence, uint32_t chunk);

/// Tokens of a chunk for this recurrence on this device, 0: token by token. By shape and device alone; a software
/// driver and the host go token by token, which is less work.
uint32_t preferred_chunk(const Caps& caps, const LinearRecurrence& recurrence);

} // namespace gramian
