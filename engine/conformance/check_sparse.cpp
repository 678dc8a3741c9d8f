#include "conformance/check_sparse.hpp"

#include "conformance/run_case.hpp"

#include <cmath>

namespace gramian {
namespace {

const NamedArray* find(const std::vector<NamedArray>& arrays, std::string_view name)
{
    const auto found = std::find_if(arrays.begin(), arrays.end(), [&](const NamedArray& a) { return a.name == name; });
    return found == arrays.end() ? nullptr : &*found;
}

const NamedArray& at(const std::vector<NamedArray>& arrays, std::string_view name)
{
    if (const NamedArray* found = find(arrays, name)) return *found;
    raise(Status::internal, "value_aware_sparse: no {}", in_quotes(name));
}

/// The weights of all keys: p, or the softmax of the logits, [B, N].
std::vector<double> all_weights(const std::vector<NamedArray>& inputs)
{
    const NamedArray* given = find(inputs, "p");
    if (given) return {given->values.begin(), given->values.end()};
    const NamedArray& logits = at(inputs, "logits");
    std::vector<double> p(logits.values.begin(), logits.values.end());
    const size_t keys = logits.shape[1];
    for (size_t first = 0; first < p.size(); first += keys) {
        const auto begin = p.begin() + static_cast<ptrdiff_t>(first);
        const auto end = begin + static_cast<ptrdiff_t>(keys);
        const double most = *std::max_element(begin, end);
        double sum = 0;
        for (auto weight = begin; weight != end; ++weight) sum += * weight = std::exp(*weight - most);
        for (auto weight = begin; weight != end; ++weight) *weight /= sum;
    }
    return p;
}

void check_slots(const float* indices, const float* weights, uint32_t budget, uint32_t keys, uint32_t problem)
{
    double sum = 0;
    float last = -1;
    bool is_free = false;
    for (uint32_t slot = 0; slot < budget; ++slot) {
        const float index = indices[slot];
        const float weight = weights[slot];
        const auto refuse = [&](const char* why) {
            raise(Status::internal, "problem {}, slot {}: index {}, weight {}: {}", problem, slot, index, weight, why);
        };
        if (!(weight >= 0)) refuse("expected a weight from 0 on");
        if (index == -1) {
            is_free = true;
            if (weight != 0) refuse("expected weight 0 in an unused slot");
            continue;
        }
        if (is_free) refuse("expected unused slots last");
        if (!(index >= 0 && index < static_cast<float>(keys) && index == std::floor(index))) refuse("no key's number");
        if (index <= last) refuse("expected ascending numbers");
        last = index;
        sum += static_cast<double>(weight);
    }
    if (std::abs(sum - 1) <= 1e-6) return;
    raise(Status::internal, "problem {}: the weights sum to {}, expected 1 within 1e-6", problem, sum);
}

} // namespace

std::vector<double> sparse_errors(const std::vector<NamedArray>& inputs, const std::vector<NamedArray>& outputs,
                                  uint32_t budget)
{
    const std::vector<double> p = all_weights(inputs);
    const NamedArray& v = at(inputs, "v");
    const NamedArray& indices = at(outputs, "indices");
    const NamedArray& weights = at(outputs, "weights");
    const uint32_t batch = v.shape[0], keys = v.shape[1], columns = v.shape[2];
    if (indices.shape != Shape{batch, budget} || weights.shape != indices.shape) {
        raise(Status::internal, "indices {} and weights {}: expected {}", indices.shape.text(), weights.shape.text(),
              Shape{batch, budget}.text());
    }
    std::vector<double> errors;
    for (uint32_t b = 0; b < batch; ++b) {
        const float* chosen = &indices.values[size_t{b} * budget];
        const float* given = &weights.values[size_t{b} * budget];
        check_slots(chosen, given, budget, keys, b);
        std::vector<double> left(p.begin() + static_cast<ptrdiff_t>(size_t{b} * keys),
                                 p.begin() + static_cast<ptrdiff_t>(size_t{b + 1} * keys)); // p - w
        for (uint32_t slot = 0; slot < budget && chosen[slot] >= 0; ++slot) {
            left[static_cast<size_t>(chosen[slot])] -= static_cast<double>(given[slot]);
        }
        double square = 0;
        for (uint32_t e = 0; e < columns; ++e) {
            double off = 0;
            for (uint32_t n = 0; n < keys; ++n) {
                off += left[n] * static_cast<double>(v.values[(size_t{b} * keys + n) * columns + e]);
            }
            square += off * off;
        }
        errors.push_back(std::sqrt(square));
    }
    return errors;
}

std::string check_sparse(const Case& test, const Problem& problem, const std::vector<NamedArray>& outputs)
{
    try {
        const uint32_t budget = test.attributes.at("budget").get<uint32_t>();
        const std::vector<double> errors = sparse_errors(problem.inputs(), outputs, budget);
        NamedArray own{"error of its own weights", {static_cast<uint32_t>(errors.size())}, {}};
        own.values.assign(errors.begin(), errors.end());
        for (const Expected& expected : problem.expected()) {
            if (expected.name != "error") continue;
            const CaseResult result = compare(expected, own);
            if (result.status != CaseStatus::pass) return "of the keys and weights, " + result.reason;
        }
        // What is claimed is a length of sums in fp32: 1e-5 of the values, as is any such error.
        const NamedArray& claimed = at(outputs, "error");
        double largest = 1;
        for (const float value : at(problem.inputs(), "v").values) largest = std::max(largest, std::abs(double{value}));
        for (size_t b = 0; b < errors.size(); ++b) {
            if (std::abs(double{claimed.values[b]} - errors[b]) <= 1e-5 * largest) continue;
            return fmt::format("error: problem {} claims {}, its keys and weights give {}", b, claimed.values[b],
                               errors[b]);
        }
    } catch (const Error& error) {
        return error.what();
    }
    return {};
}

} // namespace gramian
