// The capacities of threshold gates and of gated ones as exact integers, and the sets behind them.
#include "ops/boolean_functions_twin.hpp"
#include "ops/cases.hpp"

#include <fmt/format.h>

namespace gramian {
namespace {

/// Numbers of functions of n = 1 to 4 inputs. Threshold gates: the known sequence (Muroga 1971). The others were
/// counted by independent programs: degree 2 by linear programs over classes of functions.
constexpr double kLinear[] = {4, 14, 104, 1882};
constexpr double kQuadratic[] = {4, 16, 254, 57574};
constexpr double kAnd[] = {4, 16, 246, 32506};
constexpr double kXnor[] = {4, 16, 254, 54310};
constexpr double kTernary[] = {9, 71, 2373, 483339};

uint32_t function_count(uint32_t inputs)
{
    return 1U << (1U << inputs);
}

void add_threshold_case(std::vector<Case>& cases, uint32_t inputs, uint32_t degree)
{
    cases.push_back({fmt::format("threshold_functions.n{}_d{}", inputs, degree),
                     "threshold_functions",
                     {{"inputs", inputs}, {"degree", degree}},
                     [inputs, degree](Problem& problem) {
                         problem.expect("count", {1}, kExact)[0] = (degree == 1 ? kLinear : kQuadratic)[inputs - 1];
                         if (degree > 1) return; // no enumeration of weights is known to be enough
                         std::vector<double>& realised = problem.expect("realised", {function_count(inputs)}, kExact);
                         for (const uint32_t f : twin::threshold_functions(inputs)) realised[f] = 1;
                     }});
}

/// Every threshold gate as gate and as unit; `off`: what a unit makes of itself where the gate is 0.
void add_gated_case(std::vector<Case>& cases, const char* name, uint32_t inputs, bool is_xnor, double count)
{
    cases.push_back({fmt::format("gated_functions.{}_n{}", name, inputs),
                     "gated_functions",
                     {{"inputs", inputs}},
                     [inputs, is_xnor, count](Problem& problem) {
                         const std::set<uint32_t> found = twin::threshold_functions(inputs);
                         const std::vector<uint32_t> gates(found.begin(), found.end());
                         const auto size = static_cast<uint32_t>(gates.size());
                         std::vector<uint32_t> off(size, 0);
                         for (uint32_t k = 0; k < size && is_xnor; ++k)
                             off[k] = ~gates[k] & (function_count(inputs) - 1);
                         for (const char* port : {"gates", "on"}) {
                             std::vector<float>& values = problem.input(port, {size});
                             for (uint32_t k = 0; k < size; ++k) values[k] = static_cast<float>(gates[k]);
                         }
                         std::vector<float>& values = problem.input("off", {size});
                         for (uint32_t k = 0; k < size; ++k) values[k] = static_cast<float>(off[k]);
                         std::vector<double>& reached = problem.expect("reached", {function_count(inputs)}, kExact);
                         std::vector<double>& counts = problem.expect("counts", {size}, kExact);
                         double each = 0;
                         for (uint32_t g = 0; g < size; ++g) {
                             const std::set<uint32_t> under = twin::gated_functions(gates[g], gates, off);
                             for (const uint32_t f : under) reached[f] = 1;
                             counts[g] = static_cast<double>(under.size());
                             each += counts[g];
                         }
                         problem.expect("count", {1}, kExact)[0] = count;
                         problem.expect("count_each", {1}, kExact)[0] = is_xnor ? each : kTernary[inputs - 1];
                     }});
    cases.back().is_quick = inputs < 4; // the reference of 4 inputs takes seconds
}

} // namespace

void add_boolean_functions_cases(std::vector<Case>& cases)
{
    for (uint32_t inputs = 1; inputs <= 4; ++inputs) {
        add_threshold_case(cases, inputs, 1);
        add_threshold_case(cases, inputs, 2);
        add_gated_case(cases, "and", inputs, false, kAnd[inputs - 1]);
        add_gated_case(cases, "xnor", inputs, true, kXnor[inputs - 1]);
    }
}

} // namespace gramian
