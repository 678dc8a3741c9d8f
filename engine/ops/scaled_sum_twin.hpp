// A sum of exponentials that neither overflows nor drifts, in plain arithmetic.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numbers>

namespace gramian::twin {

/// sum * 2^exponent, for a whole exponent; sum 0: nothing summed. Since e^(k + v) is the product of e^k and e^v, an
/// exponential is needed for what comes in alone, not for each sum that it goes into. A power of two scales without
/// rounding, and what gathering a term rounds off is kept as the fraction of the exponent: an eighth of it, in units of
/// the last bit of the sum. So nothing drifts, where a logarithm would lose what is 2^-24 of it, and a plain sum rounds
/// a term that comes again and again the same way each time (1e-3 after 1e5 tokens).
template <class Real>
struct ScaledSum {
    /// Of an empty sum, while at work: below all others, which end at 1e37. In memory a sum of 0 is empty.
    static constexpr Real kNothing = Real(-1e38);

    Real exponent = kNothing;
    Real sum = 0;

    /// As it lies in memory.
    [[nodiscard]] static ScaledSum held(Real exponent, Real sum) { return {sum == 0 ? kNothing : exponent, sum}; }
    /// e^x; nothing where x is -infinity.
    [[nodiscard]] static ScaledSum exp(Real x)
    {
        if (x == -std::numeric_limits<Real>::infinity()) return {};
        const double exponent = std::nearbyint(std::clamp(double(x) * std::numbers::log2e, -1e37, 1e37));
        const auto held = static_cast<Real>(exponent);
        const double rest = double(x) - double(held) * std::numbers::ln2;
        return {held, static_cast<Real>(std::exp(rest > 1 ? 1.0 : rest < -1 ? -1.0 : rest))}; // NaN stays NaN
    }
    /// 2^d for a whole d up to 0; 0 where that is below every normal number.
    [[nodiscard]] static Real power_of_two(Real d)
    {
        if constexpr (sizeof(Real) == sizeof(float))
            return std::bit_cast<float>(static_cast<uint32_t>(static_cast<int32_t>(std::max(-127.0F, d)) + 127) << 23);
        else
            return std::bit_cast<double>(static_cast<uint64_t>(static_cast<int64_t>(std::max(-1023.0, d)) + 1023)
                                         << 52);
    }
    /// The power of two in a normal number; 0 in 0.
    [[nodiscard]] static Real size_of(Real x)
    {
        if constexpr (sizeof(Real) == sizeof(float))
            return std::bit_cast<float>(std::bit_cast<uint32_t>(x) & 0x7f800000U);
        else
            return std::bit_cast<double>(std::bit_cast<uint64_t>(x) & 0x7ff0000000000000U);
    }
    /// For a sum that is no longer gathered.
    [[nodiscard]] ScaledSum whole() const { return {std::nearbyint(exponent), sum}; }
    /// Adds a term with a whole exponent as Kahan does.
    void gather(ScaledSum term)
    {
        constexpr Real kUnits = Real(uint64_t{1} << (std::numeric_limits<Real>::digits - 1)) / 8;
        const Real whole = std::nearbyint(exponent);
        const Real top = std::max(whole, term.exponent);
        const Real fade = power_of_two(whole - top);
        const Real rest = (exponent - whole) / kUnits * size_of(sum);
        const Real come = rest * fade + term.sum * power_of_two(term.exponent - top);
        const Real old = sum * fade;
        sum = old + come;
        const Real left = come - (sum - old);
        exponent = sum == 0 ? top : top + left * kUnits / size_of(sum);
    }
    /// Of what is not kept; both exponents are whole.
    void add(ScaledSum other)
    {
        const Real top = std::max(exponent, other.exponent);
        sum = sum * power_of_two(exponent - top) + other.sum * power_of_two(other.exponent - top);
        exponent = top;
    }
    [[nodiscard]] Real log() const { return whole().log_ratio({0, 1}); }
    /// log(this / other), both exponents whole; -infinity where nothing was summed.
    [[nodiscard]] Real log_ratio(ScaledSum other) const
    {
        if (sum == 0) return -std::numeric_limits<Real>::infinity();
        const double ratio = double(sum) / double(other.sum);
        return static_cast<Real>(double(exponent - other.exponent) * std::numbers::ln2 + std::log(ratio));
    }
};

} // namespace gramian::twin
