#include "random.hpp"

#include <cmath>
#include <numbers>

namespace gramian::tasks {
namespace {

constexpr std::uint32_t kBlockMask = (1u << 28) - 1;
constexpr int kRounds = 10;

std::uint64_t join(std::uint32_t high, std::uint32_t low)
{
    return (std::uint64_t{high} << 32) | low;
}

} // namespace

RandomBlock philox(RandomBlock counter, std::uint64_t key)
{
    std::uint32_t key0 = static_cast<std::uint32_t>(key);
    std::uint32_t key1 = static_cast<std::uint32_t>(key >> 32);
    for (int round = 0; round < kRounds; ++round) {
        const std::uint64_t product0 = std::uint64_t{0xD2511F53u} * counter[0];
        const std::uint64_t product1 = std::uint64_t{0xCD9E8D57u} * counter[2];
        counter = {static_cast<std::uint32_t>(product1 >> 32) ^ counter[1] ^ key0, static_cast<std::uint32_t>(product1),
                   static_cast<std::uint32_t>(product0 >> 32) ^ counter[3] ^ key1,
                   static_cast<std::uint32_t>(product0)};
        key0 += 0x9E3779B9u;
        key1 += 0xBB67AE85u;
    }
    return counter;
}

double fraction(std::uint64_t bits, int count)
{
    const std::uint64_t steps = std::uint64_t{1} << count;
    return static_cast<double>(bits & (steps - 1)) / static_cast<double>(steps);
}

Random::Random(Purpose purpose, Lane lane, std::uint64_t seed, std::uint32_t index, std::uint64_t key)
    : counter_{(static_cast<std::uint32_t>(purpose) << 30) | (static_cast<std::uint32_t>(lane) << 28), index,
               static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)},
      key_(key)
{
}

RandomBlock Random::next_block()
{
    const RandomBlock block = philox(counter_, key_);
    // Wraps within its 28 bits, so that no stream ever runs into another purpose or lane.
    counter_[0] = (counter_[0] & ~kBlockMask) | ((counter_[0] + 1) & kBlockMask);
    return block;
}

double Random::uniform(double low, double high)
{
    const RandomBlock block = next_block();
    return low + (high - low) * fraction(join(block[0], block[1]) >> 11, 53);
}

double Random::normal()
{
    const RandomBlock block = next_block();
    const double radius = 1.0 - fraction(join(block[0], block[1]) >> 11, 53); // (0, 1]: log is finite
    const double turn = fraction(join(block[2], block[3]) >> 11, 53);
    return std::sqrt(-2.0 * std::log(radius)) * std::cos(2.0 * std::numbers::pi * turn);
}

} // namespace gramian::tasks
