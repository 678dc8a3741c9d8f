#include "pendulum_teacher.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <limits>
#include <numbers>
#include <random>
#include <string>

namespace gramian::tasks {
namespace {

constexpr double kTurn = 2 * std::numbers::pi;
constexpr std::uint32_t kAngles = 200; // from -pi, cyclic: upright is on the grid
constexpr std::uint32_t kRates = 161;  // -8 to 8 rad/s
constexpr double kRateStep = 2 * kPendulumMaxRate / (kRates - 1);
constexpr int kSearchTorques = 21; // while iterating
constexpr int kTorques = 81;       // when acting
constexpr double kDiscount = 0.99; // an episode is 200 steps: a horizon of 100 loses next to nothing
constexpr double kTolerance = 1e-3;
constexpr int kMaxRounds = 2000;

double torque_of(int index, int count)
{
    return kPendulumTorqueNm * (2.0 * index / (count - 1) - 1);
}

double wrapped(double theta)
{
    return theta - kTurn * std::floor((theta + std::numbers::pi) / kTurn);
}

/// Where a torque leads from a state, and what the period costs.
struct Transition {
    std::uint32_t low;  // place of the values at the grid's angle below; the next rate's is behind it
    std::uint32_t high; // the same at the angle above
    double across;      // share of the angle above
    double along;       // share of the rate above
    double cost;

    double cost_to_go(const double* values) const
    {
        const double below = (1 - along) * values[low] + along * values[low + 1];
        const double above = (1 - along) * values[high] + along * values[high + 1];
        return cost + kDiscount * ((1 - across) * below + across * above);
    }
};

Transition transition(const PendulumState& state, double torque)
{
    const PendulumState next = advance(state, torque);
    const double turn = (wrapped(next.theta) + std::numbers::pi) / kTurn * kAngles;
    const double place = (next.theta_dot + kPendulumMaxRate) / kRateStep;
    const auto angle = std::min(static_cast<std::uint32_t>(turn), kAngles - 1);
    const auto rate = std::min(static_cast<std::uint32_t>(place), kRates - 2);
    return {angle * kRates + rate, (angle + 1) % kAngles * kRates + rate, turn - angle, place - rate,
            pendulum_cost(state, torque)};
}

std::vector<Transition> all_transitions()
{
    std::vector<Transition> all;
    all.reserve(std::size_t{kAngles} * kRates * kSearchTorques);
    for (std::uint32_t angle = 0; angle < kAngles; ++angle) {
        for (std::uint32_t rate = 0; rate < kRates; ++rate) {
            const PendulumState state{angle * kTurn / kAngles - std::numbers::pi, rate * kRateStep - kPendulumMaxRate};
            for (int i = 0; i < kSearchTorques; ++i) all.push_back(transition(state, torque_of(i, kSearchTorques)));
        }
    }
    return all;
}

std::vector<double> iterated_values()
{
    const std::vector<Transition> transitions = all_transitions();
    std::vector<double> values(std::size_t{kAngles} * kRates, 0.0);
    std::vector<double> next(values.size());
    for (int round = 0; round < kMaxRounds; ++round) {
        double change = 0;
        const Transition* leads = transitions.data();
        for (std::size_t place = 0; place < values.size(); ++place, leads += kSearchTorques) {
            double best = leads[0].cost_to_go(values.data());
            for (int i = 1; i < kSearchTorques; ++i) best = std::min(best, leads[i].cost_to_go(values.data()));
            change = std::max(change, std::abs(best - values[place]));
            next[place] = best;
        }
        values.swap(next);
        if (change < kTolerance) break;
    }
    return values;
}

/// What a cache file starts with. All that the values depend on is in it, so another version's file is not taken.
struct Header {
    std::array<char, 8> magic{'G', 'R', 'A', 'M', 'P', 'E', 'N', '1'};
    std::uint64_t angles = kAngles;
    std::uint64_t rates = kRates;
    std::uint64_t torques = kSearchTorques;
    double discount = kDiscount;
    double tolerance = kTolerance;
    std::uint64_t checksum = 0; // of the values
};

/// FNV-1a: catches a file that was cut or overwritten.
std::uint64_t checksum(const std::vector<double>& values)
{
    std::uint64_t hash = 0xcbf29ce484222325;
    const auto* bytes = reinterpret_cast<const unsigned char*>(values.data());
    for (std::size_t i = 0; i < values.size() * sizeof(double); ++i) hash = (hash ^ bytes[i]) * 0x100000001b3;
    return hash;
}

/// Empty where the file is not what was written.
std::vector<double> read_cache(const std::filesystem::path& path)
{
    std::ifstream file(path, std::ios::binary);
    Header found;
    std::vector<double> values(std::size_t{kAngles} * kRates);
    file.read(reinterpret_cast<char*>(&found), sizeof found);
    file.read(reinterpret_cast<char*>(values.data()), static_cast<std::streamsize>(values.size() * sizeof(double)));
    if (!file || file.get() != std::ifstream::traits_type::eof()) return {};
    Header expected;
    expected.checksum = checksum(values);
    return std::memcmp(&found, &expected, sizeof found) == 0 ? values : std::vector<double>{};
}

/// Under another name first, so that nobody reads half a file. What cannot be written is not kept.
void write_cache(const std::filesystem::path& path, const std::vector<double>& values)
{
    std::error_code ignored;
    std::filesystem::create_directories(path.parent_path(), ignored);
    const std::filesystem::path beside = path.string() + "." + std::to_string(std::random_device()());
    std::ofstream file(beside, std::ios::binary);
    Header header;
    header.checksum = checksum(values);
    file.write(reinterpret_cast<const char*>(&header), sizeof header);
    file.write(reinterpret_cast<const char*>(values.data()),
               static_cast<std::streamsize>(values.size() * sizeof(double)));
    file.close();
    if (file) std::filesystem::rename(beside, path, ignored);
    std::filesystem::remove(beside, ignored);
}

std::filesystem::path cache_path()
{
    const char* folder = std::getenv("XDG_CACHE_HOME");
    const char* home = std::getenv("HOME");
    if (folder && *folder) return std::filesystem::path(folder) / "gramian" / "pendulum-teacher.bin";
    if (home && *home) return std::filesystem::path(home) / ".cache" / "gramian" / "pendulum-teacher.bin";
    return {};
}

} // namespace

PendulumState advance(const PendulumState& state, double torque)
{
    const double rate = state.theta_dot + (15 * std::sin(state.theta) + 3 * torque) * kPendulumPeriodS;
    const double clipped = std::clamp(rate, -kPendulumMaxRate, kPendulumMaxRate);
    return {state.theta + clipped * kPendulumPeriodS, clipped};
}

double pendulum_cost(const PendulumState& state, double torque)
{
    const double angle = wrapped(state.theta);
    return angle * angle + 0.1 * state.theta_dot * state.theta_dot + 0.001 * torque * torque;
}

PendulumTeacher::PendulumTeacher() : values_(iterated_values()) {}

PendulumTeacher::PendulumTeacher(const std::filesystem::path& cache)
{
    if (!cache.empty()) values_ = read_cache(cache);
    if (!values_.empty()) return;
    values_ = iterated_values();
    if (!cache.empty()) write_cache(cache, values_);
}

double PendulumTeacher::torque(const PendulumState& state) const
{
    double best = std::numeric_limits<double>::infinity();
    double chosen = 0;
    for (int i = 0; i < kTorques; ++i) {
        const double torque = torque_of(i, kTorques);
        const double cost = transition(state, torque).cost_to_go(values_.data());
        if (cost >= best) continue;
        best = cost;
        chosen = torque;
    }
    return chosen;
}

std::shared_ptr<const PendulumTeacher> pendulum_teacher()
{
    static const auto shared = std::make_shared<const PendulumTeacher>(cache_path());
    return shared;
}

} // namespace gramian::tasks
