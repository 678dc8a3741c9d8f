// A sum of exponentials that neither overflows nor drifts, in plain arithmetic.
#pragma once

#include <cmath>
#include <limits>

namespace gramian::twin {

/// e^exponent * sum, exponent the largest so far; sum 0: nothing summed. The logarithm itself would be no good state
/// in float: what is added to it and is 2^-24 of it vanishes (1e-4 off after 1e5 tokens, where the pair is 1.4e-5).
template <class Real>
struct LogSum {
    Real exponent = 0;
    Real sum = 0;

    /// Adds e^x times. x = -infinity adds nothing.
    void add(Real x, Real times = 1)
    {
        if (times == 0 || x == -std::numeric_limits<Real>::infinity()) return;
        if (sum == 0) {
            exponent = x;
            sum = times;
        } else if (x > exponent) {
            sum = sum * std::exp(exponent - x) + times;
            exponent = x;
        } else {
            sum += times * std::exp(x - exponent);
        }
    }
    [[nodiscard]] Real log() const
    {
        return sum > 0 ? exponent + std::log(sum) : -std::numeric_limits<Real>::infinity();
    }
};

} // namespace gramian::twin
