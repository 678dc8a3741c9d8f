// The equations of `categorical` in plain loops.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>

namespace gramian::twin {

template <class Real>
void softmax(const Real* x, Real* y, uint32_t channels)
{
    const Real largest = *std::max_element(x, x + channels);
    Real sum = 0;
    for (uint32_t i = 0; i < channels; ++i) sum += std::exp(x[i] - largest);
    for (uint32_t i = 0; i < channels; ++i) y[i] = std::exp(x[i] - largest) / sum;
}

template <class Real>
uint32_t argmax(const Real* x, uint32_t channels)
{
    return static_cast<uint32_t>(std::max_element(x, x + channels) - x);
}

/// In [0, 1), of 24 bits: what the kernel draws.
inline double draw(uint64_t seed, float key, uint32_t position)
{
    const auto scatter = [](uint32_t h) {
        h = (h ^ (h >> 16)) * 0x85ebca6bU;
        h = (h ^ (h >> 13)) * 0xc2b2ae35U;
        return h ^ (h >> 16);
    };
    uint32_t h = scatter(static_cast<uint32_t>(seed) ^ 0x9e3779b9U);
    h = scatter(h ^ static_cast<uint32_t>(seed >> 32));
    h = scatter(h ^ std::bit_cast<uint32_t>(key));
    h = scatter(h ^ position);
    return static_cast<double>(h >> 8) / 16777216.0;
}

/// The channel in whose share of [0, sum) the number u * sum lies.
template <class Real>
uint32_t sample(const Real* x, uint32_t channels, Real u)
{
    Real total = 0;
    for (uint32_t i = 0; i < channels; ++i) total += std::max(x[i], Real(0));
    const Real target = u * total;
    Real sum = 0;
    uint32_t chosen = 0;
    for (uint32_t i = 0; i < channels; ++i) {
        if (x[i] > 0 && sum <= target) chosen = i;
        sum += std::max(x[i], Real(0));
    }
    return chosen;
}

} // namespace gramian::twin
