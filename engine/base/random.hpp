// Random numbers that are the same on every platform, for cases and tests: integers only, so that no library's log or
// cos decides a bit. Not for cryptography.
#pragma once

#include <cstdint>

namespace gramian {

/// A stream of numbers fixed by its seed: splitmix64 (Steele, Lea & Flood 2014).
class Random {
public:
    explicit Random(uint64_t seed) : state_(seed) {}

    uint64_t bits()
    {
        state_ += 0x9E37'79B9'7F4A'7C15u;
        uint64_t value = state_;
        value = (value ^ (value >> 30)) * 0xBF58'476D'1CE4'E5B9u;
        value = (value ^ (value >> 27)) * 0x94D0'49BB'1331'11EBu;
        return value ^ (value >> 31);
    }
    /// In [low, high).
    double uniform(double low, double high)
    {
        return low + (high - low) * (static_cast<double>(bits() >> 11) / static_cast<double>(uint64_t{1} << 53));
    }
    /// Mean 0, deviation 1, within +-6: a sum of twelve uniforms, which is exact in integers.
    double normal()
    {
        constexpr uint64_t kMask = (uint64_t{1} << 21) - 1;
        uint64_t sum = 0;
        for (int word = 0; word < 4; ++word) {
            const uint64_t drawn = bits();
            sum += (drawn & kMask) + (drawn >> 21 & kMask) + (drawn >> 42 & kMask);
        }
        return static_cast<double>(sum) / static_cast<double>(kMask + 1) - 6.0;
    }

private:
    uint64_t state_;
};

} // namespace gramian
