// Cases of the operators that take each element by itself: activation, squash, normalize, add, multiply, gate_output,
// add_activation.
#include "ops/cases.hpp"
#include "ops/pointwise_twin.hpp"

namespace gramian {
namespace {

struct PointwiseCase {
    std::string name;
    std::string op;
    Json attributes;
    Pointwise operation;
    Activation activation = Activation::identity;
    Shape shape{};
    double scale = 1;
    bool is_quick = true;
};

/// Vulkan's exp may be off by 3 + 2|x| units in the last place, which is 1e-6 at |x| = 8; sums and products of two
/// numbers are off by one.
constexpr Tolerance kByExp{5e-6, 2e-5};
constexpr Tolerance kByArithmetic{2e-7, 5e-7};

Tolerance tolerance_of(const PointwiseCase& c)
{
    const bool by_exp = c.operation == Pointwise::squash_tanh ||
                        (c.activation != Activation::identity && c.activation != Activation::relu);
    if (c.operation == Pointwise::normalize) return {1e-6, 4e-6}; // division and root: 2.5 units each and more
    return by_exp ? kByExp : kByArithmetic;
}

void add_operands(Problem& problem, const PointwiseCase& c)
{
    const bool is_named_a = c.operation == Pointwise::add || c.operation == Pointwise::multiply;
    problem.normal(is_named_a ? "a" : "x", c.shape, c.scale);
    if (c.operation == Pointwise::normalize) {
        problem.normal("mean", {c.shape.last()});
        problem.uniform("variance", {c.shape.last()}, 0.01, 4);
    } else if (c.operation >= Pointwise::add_activate && c.operation <= Pointwise::multiply) {
        problem.normal(is_named_a ? "b" : "gate", c.shape, c.scale);
    }
}

/// By channel: the bounds of squash, or what normalize subtracts and divides by.
std::vector<double> channel_values(const Problem& problem, const PointwiseCase& c, const char* tensor,
                                   const char* attribute)
{
    if (c.operation == Pointwise::normalize) return problem.doubles(tensor);
    std::vector<double> values(c.shape.last(), 0.0);
    if (!c.attributes.contains(attribute)) return values;
    for (size_t i = 0; i < values.size(); ++i) values[i] = c.attributes[attribute][i].get<float>();
    return values;
}

void refer(Problem& problem, const PointwiseCase& c)
{
    const std::vector<double> x = problem.doubles(problem.inputs()[0].name);
    const bool has_gate = c.operation >= Pointwise::add_activate && c.operation <= Pointwise::multiply;
    const std::vector<double> gate = has_gate ? problem.doubles(problem.inputs()[1].name) : x;
    const std::vector<double> low = channel_values(problem, c, "mean", "low");
    const std::vector<double> high = channel_values(problem, c, "variance", "high");
    const double epsilon = c.attributes.value("epsilon", 1e-8);
    const double clip = c.attributes.value("clip", 0.0);
    std::vector<double>& y = problem.expect("y", c.shape, tolerance_of(c));
    for (size_t i = 0; i < y.size(); ++i) {
        const size_t channel = i % c.shape.last();
        y[i] = twin::pointwise(c.operation, c.activation, x[i], gate[i], low[channel], high[channel], epsilon, clip);
    }
}

void add_case(std::vector<Case>& cases, const PointwiseCase& c)
{
    cases.push_back({fmt::format("{}.{}.f32", c.op, c.name), c.op, c.attributes,
                     [c](Problem& problem) {
                         add_operands(problem, c);
                         refer(problem, c);
                     },
                     c.is_quick});
}

/// Where a formula that is right in the middle cancels (small), or gives infinity over infinity (far, huge).
void add_extreme_cases(std::vector<Case>& cases, Activation activation)
{
    const std::string kind(kActivationNames[static_cast<size_t>(activation)]);
    const auto add = [&](const char* name, double from, double to) {
        const PointwiseCase c{"", "", {{"kind", kind}}, Pointwise::activate, activation, {4, 16}};
        cases.push_back({fmt::format("activation.{}_{}.f32", kind, name), "activation", c.attributes,
                         [c, from, to](Problem& problem) {
                             std::vector<float>& x = problem.uniform("x", c.shape, from, to);
                             for (size_t i = 0; i < x.size(); i += 2) x[i] = -x[i];
                             refer(problem, c);
                         }});
    };
    const bool is_exp = activation == Activation::exp; // overflows, as it must, at 88.7
    add("small", 1e-6, 1e-3);
    add("near", 0.01, 0.25); // where series stand in for the formula
    add("far", 9, is_exp ? 80 : 100);
    if (!is_exp) add("huge", 1e3, 1e4);
}

void add_activation_cases(std::vector<Case>& cases)
{
    for (uint32_t kind = 0; kind < kActivationNames.size(); ++kind) {
        const std::string name(kActivationNames[kind]);
        const auto activation = static_cast<Activation>(kind);
        const Json attributes{{"kind", name}};
        add_case(cases, {name + "_n1", "activation", attributes, Pointwise::activate, activation, {1, 1}});
        add_case(cases, {name + "_r3_c65", "activation", attributes, Pointwise::activate, activation, {3, 65}, 3});
        add_extreme_cases(cases, activation);
        add_case(cases, {name + "_r5_c13", "gate_output", attributes, Pointwise::gate, activation, {5, 13}, 3, false});
        add_case(
            cases,
            {name + "_r5_c13", "add_activation", attributes, Pointwise::add_activate, activation, {5, 13}, 2, false});
    }
}

Json bounds(const char* kind, uint32_t channels)
{
    Json low = Json::array();
    Json high = Json::array();
    for (uint32_t i = 0; i < channels; ++i) {
        low.push_back(-1.5 - 0.25 * i);
        high.push_back(i == 1 ? -1.75 : 0.5 * i); // channel 1: one value only
    }
    return {{"kind", kind}, {"low", low}, {"high", high}};
}

void add_channel_cases(std::vector<Case>& cases)
{
    add_case(cases, {"none_r3_c7", "squash", {{"kind", "none"}}, Pointwise::activate, Activation::identity, {3, 7}});
    for (const uint32_t channels : {1U, 7U, 64U}) {
        const std::string size = fmt::format("r5_c{}", channels);
        for (const double scale : {2.0, 1e20}) {
            const std::string name = size + (scale > 2 ? "_huge" : "");
            add_case(cases, {"clip_" + name,
                             "squash",
                             bounds("clip", channels),
                             Pointwise::squash_clip,
                             Activation::identity,
                             {5, channels},
                             scale});
            if (scale > 2) continue;
            add_case(cases, {"tanh_" + name,
                             "squash",
                             bounds("tanh", channels),
                             Pointwise::squash_tanh,
                             Activation::identity,
                             {5, channels},
                             scale});
        }
        add_case(cases, {size, "normalize", Json::object(), Pointwise::normalize, Activation::identity, {5, channels}});
        add_case(cases, {size + "_clip",
                         "normalize",
                         {{"epsilon", 0.1}, {"clip", 0.75}},
                         Pointwise::normalize,
                         Activation::identity,
                         {5, channels},
                         3});
    }
}

void add_pair_cases(std::vector<Case>& cases)
{
    const std::pair<const char*, Pointwise> operations[] = {{"add", Pointwise::add}, {"multiply", Pointwise::multiply}};
    for (const auto& [op, operation] : operations) {
        for (const uint32_t count : {1U, 13U, 63U, 64U, 65U, 1000U}) {
            add_case(cases,
                     {fmt::format("n{}", count), op, Json::object(), operation, Activation::identity, {1, count}});
        }
    }
    // One more than a single row of workgroups holds.
    add_case(cases, {"n4194241", "add", Json::object(), Pointwise::add, Activation::identity, {1, 4194241}, 1, false});
    for (const char* op : {"gate_output", "add_activation"}) {
        const bool is_gate = op[0] == 'g';
        add_case(cases, {"default_r3_c64",
                         op,
                         Json::object(),
                         is_gate ? Pointwise::gate : Pointwise::add_activate,
                         Activation::identity,
                         {3, 64}});
    }
}

} // namespace

void add_pointwise_cases(std::vector<Case>& cases)
{
    add_activation_cases(cases);
    add_channel_cases(cases);
    add_pair_cases(cases);
}

} // namespace gramian
