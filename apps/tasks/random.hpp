// Random numbers that are the same on every platform: the counter-based generator Philox4x32-10
// (Salmon et al. 2011, "Parallel Random Numbers: As Easy as 1, 2, 3"), integers only.
// Tasks draw systems and initial states from it; the purpose of a draw is part of the counter, which
// is what keeps training and evaluation apart.
#pragma once

#include <array>
#include <cstdint>

namespace gramian::tasks {

/// What a system is drawn for. Systems of different purposes never coincide; see Random.
enum class Purpose : std::uint32_t { training = 0, validation = 1, evaluation = 2 };

/// What the numbers of one generator decide.
enum class Lane : std::uint32_t { system = 0, episode = 1, policy = 2, sensor = 3 };

using RandomBlock = std::array<std::uint32_t, 4>;

/// One block of 128 bits. For a fixed key it is a bijection of the counter: ten rounds, each of which
/// multiplies two words by odd constants (invertible) and xors words that survive the round.
RandomBlock philox(RandomBlock counter, std::uint64_t key);

/// Maps the `count` low bits of `bits` (1 <= count <= 53) to [0, 1) in equal steps of 2^-count.
double fraction(std::uint64_t bits, int count);

/// A stream of numbers. Block b of a stream is philox(counter, key) with the counter's 128 bits
///
///     word 0: purpose (bits 31..30) | lane (29..28) | b (27..0)     word 1: index     words 2, 3: seed
///
/// Two streams that differ in purpose, lane, seed or index use disjoint sets of counters, so under the
/// same key no block of one ever equals a block of the other: philox is a bijection. Whoever maps one
/// whole block to a system without loss therefore gets disjoint systems by construction, not by luck.
class Random {
public:
    Random(Purpose purpose, Lane lane, std::uint64_t seed, std::uint32_t index, std::uint64_t key = 0);

    RandomBlock next_block();
    /// 53 random bits in [low, high).
    double uniform(double low, double high);
    /// Mean 0, deviation 1 (Box and Muller 1958). Its last bits depend on the platform's log and cos:
    /// fit for noise, not for drawing systems.
    double normal();

private:
    RandomBlock counter_;
    std::uint64_t key_;
};

} // namespace gramian::tasks
