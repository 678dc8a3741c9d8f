// The definitions of `threshold_functions` and `gated_functions` in plain loops. Truth tables are bits of numbers.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <set>
#include <vector>

namespace gramian::twin {

/// Every function that is a threshold of integer weights on +-1 inputs. n: inputs, up to 4. Muroga 1971,
/// theorem 9.3.2.1: weights of at most 2^-n (n + 1)^((n + 1) / 2) in size are enough: 1, 1, 2, 3 for n = 1 to 4.
inline std::set<uint32_t> threshold_functions(uint32_t n)
{
    const int bound = n < 3 ? 1 : static_cast<int>(n) - 1;
    const int span = 2 * bound + 1;
    int combinations = 1;
    for (uint32_t i = 0; i < n; ++i) combinations *= span;
    std::set<uint32_t> found;
    for (int which = 0; which < combinations; ++which) {
        int weights[4] = {};
        int most = 0;
        for (uint32_t i = 0, rest = static_cast<uint32_t>(which); i < n; ++i, rest /= static_cast<uint32_t>(span)) {
            weights[i] = static_cast<int>(rest % static_cast<uint32_t>(span)) - bound;
            most += std::abs(weights[i]);
        }
        for (int bias = -2 * most - 1; bias <= 2 * most + 1; bias += 2) { // odd, beside even sums: never 0
            uint32_t f = 0;
            for (uint32_t x = 0; x < 1U << n; ++x) {
                int sum = bias;
                for (uint32_t i = 0; i < n; ++i) sum += 2 * weights[i] * ((x >> i & 1U) ? 1 : -1);
                f |= static_cast<uint32_t>(sum > 0) << x;
            }
            found.insert(f);
        }
    }
    return found;
}

/// What the units compute under one gate.
inline std::set<uint32_t> gated_functions(uint32_t gate, const std::vector<uint32_t>& on,
                                          const std::vector<uint32_t>& off)
{
    std::set<uint32_t> found;
    for (size_t k = 0; k < on.size(); ++k) found.insert((gate & on[k]) | (~gate & off[k]));
    return found;
}

} // namespace gramian::twin
