#include "ops/cases.hpp"

#include "ops/half_weights.hpp"
#include "ops/ridge_solve_twin.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace gramian {

std::vector<float>& Problem::input(std::string name, Shape shape)
{
    assert(!find(name));
    inputs_.reserve(16); // references into it stay valid: no operator has more inputs
    inputs_.push_back({std::move(name), shape, std::vector<float>(shape.element_count(), 0.0F)});
    return inputs_.back().values;
}

std::vector<float>& Problem::normal(std::string name, Shape shape, double scale, double mean)
{
    std::vector<float>& values = input(std::move(name), shape);
    for (float& value : values) value = static_cast<float>(mean + scale * random_.normal());
    return values;
}

std::vector<float>& Problem::uniform(std::string name, Shape shape, double low, double high)
{
    std::vector<float>& values = input(std::move(name), shape);
    for (float& value : values) value = static_cast<float>(random_.uniform(low, high));
    return values;
}

std::vector<float>& Problem::ramp(std::string name, Shape shape, double low, double high)
{
    std::vector<float>& values = input(std::move(name), shape);
    const uint64_t batch = values.size() / shape[0];
    for (uint64_t i = 0; i < values.size(); ++i) {
        const double part = static_cast<double>(i % batch) / static_cast<double>(batch);
        values[i] = static_cast<float>(low + (high - low) * part);
    }
    return values;
}

void Problem::round_to_half(std::string_view name)
{
    const auto found =
        std::find_if(inputs_.begin(), inputs_.end(), [&](const NamedArray& array) { return array.name == name; });
    assert(found != inputs_.end() && "an input that the case has added");
    round_to_halves(*found);
}

std::vector<double>& Problem::expect(std::string name, Shape shape, Tolerance tolerance)
{
    expected_.reserve(16);
    expected_.push_back({std::move(name), shape, std::vector<double>(shape.element_count(), 0.0), tolerance});
    return expected_.back().values;
}

const NamedArray* Problem::find(std::string_view name) const
{
    const auto found =
        std::find_if(inputs_.begin(), inputs_.end(), [&](const NamedArray& array) { return array.name == name; });
    return found == inputs_.end() ? nullptr : &*found;
}

bool Problem::has(std::string_view name) const
{
    return find(name) != nullptr;
}

std::vector<double> Problem::doubles(std::string_view name) const
{
    const NamedArray* array = find(name);
    assert(array && "an input that the case has added");
    return {array->values.begin(), array->values.end()};
}

Shape Problem::shape(std::string_view name) const
{
    const NamedArray* array = find(name);
    assert(array && "an input that the case has added");
    return array->shape;
}

Tolerance solve_tolerance(double condition)
{
    const double rms = std::max(5e-6, 0.1 * std::ldexp(1.0, -24) * condition);
    return {rms, 4 * rms};
}

namespace {

double scale_to_unit(std::vector<double>& x)
{
    double sum = 0;
    for (const double value : x) sum += value * value;
    const double length = std::sqrt(sum);
    for (double& value : x) value /= length;
    return length;
}

} // namespace

double condition_number(const double* a, const double* ridge, double alpha, uint32_t n)
{
    std::vector<double> l;
    double min_pivot = 0;
    if (!twin::factorize(a, ridge, alpha, n, l, min_pivot)) return std::numeric_limits<double>::infinity();
    std::vector<double> x(n);
    std::vector<double> next(n);
    double largest = 0;
    double inverse_of_smallest = 0;
    Random random(n);
    // Twenty rounds find the extreme eigenvalues to a few per cent, and a tolerance needs no more.
    for (double& value : x) value = random.normal();
    for (int round = 0; round < 20; ++round) {
        scale_to_unit(x);
        for (uint32_t i = 0; i < n; ++i) {
            next[i] = (alpha + (ridge ? ridge[i] : 0.0)) * x[i];
            for (uint32_t j = 0; j < n; ++j) next[i] += a[size_t{i} * n + j] * x[j];
        }
        x = next;
        largest = scale_to_unit(next);
    }
    for (double& value : x) value = random.normal();
    for (int round = 0; round < 20; ++round) {
        scale_to_unit(x);
        twin::substitute(l, x.data(), next.data(), n, 1);
        x = next;
        inverse_of_smallest = scale_to_unit(next);
    }
    return std::max(1.0, largest * inverse_of_smallest);
}

} // namespace gramian
