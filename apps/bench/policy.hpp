// The policy network by which whole steps are timed: 447,744 weights, three blocks of gated linear attention.
#pragma once

#include "bench.hpp"

namespace gramian::bench {

inline constexpr uint32_t kPolicyInputs = 24;
inline constexpr uint32_t kPolicyOutputs = 6;

/// observation [24] -> 128 -> 3 x (x += W_o GLA(W_q n, W_k n, W_v n, decay W_g n), n = LN(x), two heads of 64 x 64;
/// x += W_2 silu(W_1 LN(x)), 256 wide) -> action [6]. The decay is e^-e^g. Weights are seeded; halves: in fp16.
std::vector<std::byte> policy_bytes(bool halves);

/// Bytes that a step of so many streams cannot do without: every weight once, every state read and written, and what
/// goes in and comes out.
uint64_t least_policy_bytes(uint32_t streams, bool halves);

/// A layer of 64 channels that does next to nothing: what its step takes is the engine's and the driver's own cost.
std::vector<std::byte> tiny_bytes();

} // namespace gramian::bench
