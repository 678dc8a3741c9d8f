// Seeded inputs for operators and models, outputs by name, and how results are compared.
#pragma once

#include "base/random.hpp"
#include "checks.hpp"
#include "ops/run_operator.hpp"

#include <cmath>
#include <cstring>

namespace gramian {

inline std::vector<float> random_values(uint64_t seed, size_t count, double scale = 1)
{
    Random random(seed);
    std::vector<float> values(count);
    for (float& value : values) value = static_cast<float>(scale * random.normal());
    return values;
}

inline NamedArray random_array(const std::string& name, Shape shape, uint64_t seed, double scale = 1)
{
    return {name, shape, random_values(seed, shape.element_count(), scale)};
}

inline const std::vector<float>& output_of(const OperatorRun& run, std::string_view name)
{
    for (const NamedArray& output : run.outputs) {
        if (output.name == name) return output.values;
    }
    FAIL("no output " << std::string(name));
    static const std::vector<float> none;
    return none;
}

inline bool same_bits(const std::vector<float>& a, const std::vector<float>& b)
{
    note_bits(a);
    return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), 4 * a.size()) == 0);
}

/// The largest difference over the largest expected magnitude; infinite where a value is not finite.
template <class Expected>
double relative_error(const std::vector<float>& found, const std::vector<Expected>& expected)
{
    REQUIRE(found.size() == expected.size());
    note_bits(found);
    double largest = 1e-30;
    double difference = 0;
    for (size_t i = 0; i < found.size(); ++i) {
        if (!std::isfinite(found[i])) return INFINITY;
        largest = std::max(largest, std::abs(static_cast<double>(expected[i])));
        difference = std::max(difference, std::abs(static_cast<double>(found[i]) - static_cast<double>(expected[i])));
    }
    return difference / largest;
}

/// The solution of A x = b by elimination with pivoting in double: shares nothing with the engine's Cholesky.
/// a: [size, size], b: [size, columns].
inline std::vector<double> solve_double(std::vector<double> a, std::vector<double> b, size_t size, size_t columns)
{
    for (size_t k = 0; k < size; ++k) {
        size_t pivot = k;
        for (size_t i = k + 1; i < size; ++i) {
            if (std::abs(a[i * size + k]) > std::abs(a[pivot * size + k])) pivot = i;
        }
        for (size_t j = 0; j < size; ++j) std::swap(a[k * size + j], a[pivot * size + j]);
        for (size_t j = 0; j < columns; ++j) std::swap(b[k * columns + j], b[pivot * columns + j]);
        for (size_t i = 0; i < size; ++i) {
            if (i == k) continue;
            const double factor = a[i * size + k] / a[k * size + k];
            for (size_t j = k; j < size; ++j) a[i * size + j] -= factor * a[k * size + j];
            for (size_t j = 0; j < columns; ++j) b[i * columns + j] -= factor * b[k * columns + j];
        }
    }
    for (size_t i = 0; i < size; ++i) {
        for (size_t j = 0; j < columns; ++j) b[i * columns + j] /= a[i * size + i];
    }
    return b;
}

} // namespace gramian
