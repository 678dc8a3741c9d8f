// The price of LARA, which sees all tokens at once.
#pragma once

#include "compare_rows.hpp"

namespace gramian::app {

/// It has no causal form and keeps nothing: its error is against softmax attention over all keys, its time that of a
/// call over the sequence, by token. Throws what a lost device throws; anything else is the row's refusal.
PriceRow price_lara(const DeviceHandle& device, const AttentionTrace& trace);

} // namespace gramian::app
