// The four chunk kernels as host functions, and the order of their specialisation constants. Used by
// linear_attention_chunked.cpp alone.
#pragma once

#include "device/launch.hpp"

namespace gramian::chunked {

enum Constant : uint32_t {
    kQArena,
    kKArena,
    kVArena,
    kOArena,
    kStateArena,
    kFeature,
    kDecay,
    kIsNegExp,
    kHasHeadDecay,
    kBeta,
    kRule,
    kErasesPre,
    kWritesPlain,
    kReadsBefore,
    kHasGain,
    kHasBonus,
    kHasInitial,
    kChunk,
    kWidth,
    kColumns
};

void decay_on_host(const HostLaunch& launch);
void scores_on_host(const HostLaunch& launch);
void states_on_host(const HostLaunch& launch);
void outputs_on_host(const HostLaunch& launch);

} // namespace gramian::chunked
