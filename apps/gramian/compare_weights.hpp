// The weights that an attention operator gives to the keys, found by asking it. Used by `gramian compare`.
#pragma once

#include "attention_trace.hpp"

#include <gramian/gramian.hpp>

namespace gramian::app {

/// Tokens of each sequence whose weights are looked at: the first of them.
inline constexpr uint32_t kWeighedTokens = 256;

/// Mean over tokens, heads and sequences of sum_n |w_n - p_n|, p the weights of exact causal softmax attention. An
/// answer that is linear in the values is a sum of weights times values: with values that are 1 at one key and 0
/// elsewhere it is that key's weight. The session, of a stream a sequence from q, k, v to o, is reset before and after.
double weight_error(SessionHandle& session, const AttentionTrace& trace);

} // namespace gramian::app
