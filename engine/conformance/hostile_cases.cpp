#include "conformance/hostile_cases.hpp"

#include "base/hash.hpp"
#include "base/random.hpp"
#include "conformance/hostile_table.hpp"
#include "conformance/property.hpp"

#include <cmath>
#include <cstring>
#include <limits>

namespace gramian {
namespace {

constexpr uint32_t kBatch = 3;
constexpr uint32_t kBad = 1; // the element of the batch that gets the numbers

struct Subject {
    std::string_view name;
    std::string op;
    Json attributes;
    std::vector<NamedArray> inputs;
    bool is_causal = false; // output [B, T, …]: what comes before a bad token does not change
};

NamedArray normal(const char* name, Shape shape, double scale = 1)
{
    Random random(hash_text(name, shape.element_count()));
    NamedArray array{name, shape, std::vector<float>(shape.element_count())};
    for (float& value : array.values) value = static_cast<float>(scale * random.normal());
    return array;
}

NamedArray positive(const char* name, Shape shape, double scale)
{
    NamedArray array = normal(name, shape);
    for (float& value : array.values) value = static_cast<float>(scale * (0.2 + std::abs(value)));
    return array;
}

/// Lower triangles with a strong diagonal, or with both halves alike: positive definite.
NamedArray triangles(const char* name, uint32_t n, bool is_symmetric)
{
    NamedArray array = normal(name, {kBatch, n, n}, 0.2);
    for (uint32_t b = 0; b < kBatch; ++b) {
        float* a = &array.values[size_t{b} * n * n];
        for (uint32_t i = 0; i < n; ++i) {
            a[i * n + i] = 3;
            for (uint32_t j = i + 1; j < n; ++j) a[i * n + j] = is_symmetric ? a[j * n + i] : 0;
        }
    }
    return array;
}

std::vector<NamedArray> with(std::vector<NamedArray> arrays, std::vector<NamedArray> more)
{
    arrays.insert(arrays.end(), more.begin(), more.end());
    return arrays;
}

void add_pointwise(std::vector<Subject>& all)
{
    const NamedArray x = normal("x", {kBatch, 9});
    const NamedArray gate = normal("gate", {kBatch, 9});
    const NamedArray weight = normal("weight", {9});
    all.push_back({"linear", "linear", {}, {x, normal("weight", {5, 9})}});
    for (const std::string_view name :
         {"activation_identity", "activation_relu", "activation_tanh", "activation_sigmoid", "activation_gelu",
          "activation_silu", "activation_softplus", "activation_exp"}) {
        all.push_back({name, "activation", {{"kind", name.substr(11)}}, {x}});
    }
    const Json low(std::vector<float>(9, -0.5F));
    const Json high(std::vector<float>(9, 2.0F));
    all.push_back({"squash_tanh", "squash", {{"kind", "tanh"}, {"low", low}, {"high", high}}, {x}});
    all.push_back({"squash_clip", "squash", {{"kind", "clip"}, {"low", low}, {"high", high}}, {x}});
    all.push_back({"normalize", "normalize", {}, {x, normal("mean", {9}), positive("variance", {9}, 1)}});
    all.push_back({"layer_norm", "layer_norm", {}, {x, weight, normal("bias", {9})}});
    all.push_back({"rms_norm", "rms_norm", {}, {x, weight}});
    all.push_back({"l2_norm", "l2_norm", {}, {x}});
    all.push_back({"concat", "concat", {}, {normal("x0", {kBatch, 9}), normal("x1", {kBatch, 4})}});
    all.push_back({"slice", "slice", {{"offset", 1}, {"size", 8}}, {x}});
    all.push_back({"add", "add", {}, {normal("a", {kBatch, 9}), normal("b", {kBatch, 9})}});
    all.push_back({"multiply", "multiply", {}, {normal("a", {kBatch, 9}), normal("b", {kBatch, 9})}});
    all.push_back({"gate_output", "gate_output", {{"kind", "sigmoid"}}, {x, gate}});
    all.push_back({"add_activation", "add_activation", {{"kind", "tanh"}}, {x, gate}});
    all.push_back({"gate_synapse", "gate_synapse", {}, {x, normal("weight", {5, 9}), normal("gate", {kBatch, 5, 9})}});
}

void add_sequences(std::vector<Subject>& all)
{
    const Shape wide{kBatch, 6, 2, 8};
    const NamedArray x = normal("x", {kBatch, 6, 7});
    const NamedArray q = normal("q", wide, 0.4), k = normal("k", wide, 0.4), v = normal("v", {kBatch, 6, 2, 5});
    NamedArray decay = positive("decay", {kBatch, 6, 2}, -0.1);
    const NamedArray beta = positive("beta", {kBatch, 6, 2}, 0.3);
    const NamedArray log_v = normal("log_v", {kBatch, 6, 2, 5});
    all.push_back({"argmax", "argmax", {}, {x}, true});
    all.push_back({"softmax", "softmax", {}, {normal("x", {kBatch, 1, 7})}, true});
    all.push_back({"short_conv", "short_conv", {{"kind", "identity"}}, {x, normal("weight", {7, 3})}, true});
    all.push_back({"gru", "gru", {}, {x, normal("weight_ih", {15, 7}), normal("weight_hh", {15, 5})}, true});
    all.push_back({"lstm", "lstm", {}, {x, normal("weight_ih", {20, 7}), normal("weight_hh", {20, 5})}, true});
    all.push_back({"linear_attention", "linear_attention", {}, {q, k, v, decay}, true});
    all.push_back({"delta_rule", "linear_attention", {{"rule", "delta"}}, {q, k, v, beta}, true});
    all.push_back({"log_attention", "log_attention", {}, {q, k, log_v}, true});
    all.push_back({"log_linear_attention",
                   "log_linear_attention",
                   {},
                   {q, k, v, decay, normal("level_scale", {kBatch, 6, 2, 4})},
                   true});
    all.push_back(
        {"log_recurrence", "log_recurrence", {}, {normal("a", {kBatch, 6, 7}), normal("b", {kBatch, 6, 7})}, true});
    all.push_back({"random_feature_attention",
                   "random_feature_attention",
                   {{"features", "favor"}, {"causal", true}},
                   {q, k, v, normal("projection", {2, 12, 8})},
                   true});
    all.push_back({"softmax_attention", "softmax_attention", {{"causal", true}}, {q, k, v}, true});
    const NamedArray same = normal("v", wide);
    const std::vector<NamedArray> maps{normal("mu_q.weight", {8, 8}, 0.3), normal("mu_q.bias", {8}),
                                       normal("mu_k.weight", {8, 8}, 0.3), normal("mu_k.bias", {8})};
    all.push_back({"eva", "eva", {{"window", 3}, {"chunk", 3}, {"projection", "no_ln"}}, with({q, k, same}, maps)});
    const std::vector<NamedArray> norms{positive("mu_q.norm.weight", {8}, 1), normal("mu_q.norm.bias", {8}),
                                        positive("mu_k.norm.weight", {8}, 1), normal("mu_k.norm.bias", {8})};
    all.push_back({"lara", "lara", {{"landmarks", 3}}, with(with({q, k, same}, maps), norms)});
}

void add_solves(std::vector<Subject>& all)
{
    const NamedArray k = normal("k", {kBatch, 14, 2, 4}), v = normal("v", {kBatch, 14, 2, 3});
    const NamedArray q = normal("q", {kBatch, 14, 2, 4});
    const Json alpha{{"alpha", 0.5}};
    const auto causal = [](const char* solver) { return Json{{"alpha", 0.5}, {"causal", true}, {"solver", solver}}; };
    all.push_back({"intention", "intention", alpha, {k, v, q}});
    all.push_back({"intention_causal", "intention", causal("cholesky"), {k, v, q}, true});
    all.push_back({"intention_rls", "intention", causal("rls"), {k, v, q}, true});
    all.push_back({"sigma_intention", "sigma_intention", alpha, {k, v, q}});
    const NamedArray rows = normal("k", {kBatch, 14, 5}), targets = normal("v", {kBatch, 14, 2});
    all.push_back({"ridge_solve", "ridge_solve", alpha, {rows, targets}});
    all.push_back(
        {"ridge_solve_cg", "ridge_solve", {{"alpha", 0.5}, {"solver", "cg"}, {"iterations", 30}}, {rows, targets}});
    all.push_back({"ridge_solve_qr", "ridge_solve", {{"alpha", 0.5}, {"solver", "qr"}}, {rows, targets}});
    all.push_back({"cholesky", "cholesky", {}, {triangles("a", 5, true)}});
    all.push_back({"cholesky_update", "cholesky_update", {}, {triangles("a", 5, false), normal("x", {kBatch, 2, 5})}});
    NamedArray upper = triangles("a", 5, false);
    for (size_t b = 0; b < kBatch; ++b) {
        for (size_t i = 0; i < 5; ++i) {
            for (size_t j = 0; j < i; ++j)
                std::swap(upper.values[b * 25 + i * 5 + j], upper.values[b * 25 + j * 5 + i]);
        }
    }
    all.push_back({"qr_update", "qr_update", {}, {upper, normal("x", {kBatch, 2, 5})}});
    all.push_back(
        {"triangular_solve", "triangular_solve", {}, {triangles("a", 5, false), normal("rhs", {kBatch, 5, 2})}});
    all.push_back({"simplex_solve", "simplex_solve", {}, {normal("v", {kBatch, 6, 3}), normal("target", {kBatch, 3})}});
    all.push_back({"value_aware_sparse",
                   "value_aware_sparse",
                   {{"budget", 3}, {"method", "oblivious"}},
                   {normal("v", {kBatch, 8, 3}), normal("logits", {kBatch, 8})}});
}

const std::vector<Subject>& subjects()
{
    static const std::vector<Subject> all = [] {
        std::vector<Subject> made;
        add_pointwise(made);
        add_sequences(made);
        add_solves(made);
        return made;
    }();
    return all;
}

enum class Kind { zeros, tiny, huge, infinite, nan };
constexpr std::string_view kKinds[] = {"zeros", "tiny", "huge", "infinite", "nan"};

float factor_of(Kind kind)
{
    return kind == Kind::zeros ? 0.0F : std::ldexp(1.0F, kind == Kind::tiny ? -66 : 50);
}

/// The number of that array's element that is replaced; in the middle of the bad part.
size_t place_of(const NamedArray& array)
{
    const size_t part = array.values.size() / kBatch;
    return kBad * part + part / 2;
}

std::vector<NamedArray> poisoned(const Subject& subject, std::string_view input, Kind kind)
{
    std::vector<NamedArray> inputs = subject.inputs;
    for (NamedArray& array : inputs) {
        if (array.name != input) continue;
        const size_t part = array.values.size() / kBatch;
        if (kind == Kind::infinite) {
            array.values[place_of(array)] = std::numeric_limits<float>::infinity();
        } else if (kind == Kind::nan) {
            array.values[place_of(array)] = std::numeric_limits<float>::quiet_NaN();
        } else {
            for (size_t i = 0; i < part; ++i) array.values[kBad * part + i] *= factor_of(kind);
        }
    }
    return inputs;
}

bool same_bits(std::span<const float> a, std::span<const float> b)
{
    return std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

std::span<const float> part_of(const NamedArray& array, uint32_t index)
{
    const size_t part = array.values.size() / kBatch;
    return std::span(array.values).subspan(index * part, part);
}

size_t count_if(std::span<const float> values, bool (*is)(float))
{
    return static_cast<size_t>(std::ranges::count_if(values, is));
}

bool is_finite(float value)
{
    return std::isfinite(value);
}

/// The largest difference from `factor` times the healthy answers, over the largest of those.
double distance(std::span<const float> found, std::span<const float> healthy, double factor)
{
    double difference = 0;
    double largest = 1e-300;
    for (size_t i = 0; i < found.size(); ++i) {
        const double expected = factor * healthy[i];
        if (!std::isfinite(found[i])) return std::numeric_limits<double>::infinity();
        difference = std::max(difference, std::abs(found[i] - expected));
        largest = std::max(largest, std::abs(expected));
    }
    return difference / largest;
}

void check(bool holds, const std::string& what)
{
    trial().check(holds, [&] { return what; });
}

void check_distance(double found, double allowed)
{
    trial().measure(found, allowed);
    check(found <= allowed, fmt::format("off by {:.2g}, at most {:.2g}", found, allowed));
}

/// `found` and `healthy`: the first output of the bad element.
void check_fate(Fate fate, std::span<const float> found, std::span<const float> healthy, double factor)
{
    const size_t finite = count_if(found, is_finite);
    const auto counted = fmt::format("of {} answers {} are finite", found.size(), finite);
    switch (fate) {
        case Fate::zero:
            return check(count_if(found, [](float value) { return value == 0; }) == found.size(), "expected zeros");
        case Fate::proportional: // a power of two: only what is added to it, and denormals, cost something
            return check_distance(distance(found, healthy, factor), 1e-5);
        case Fate::same:
            return check_distance(distance(found, healthy, 1), 1e-4);
        case Fate::finite:
        case Fate::hidden:
            return check(finite == found.size(), counted + ", expected all");
        case Fate::nan:
            return check(count_if(found, [](float value) { return std::isnan(value); }) == found.size(),
                         "expected NaN everywhere");
        case Fate::shows:
            return check(finite < found.size(), counted + ", expected one that is not");
        case Fate::here: {
            size_t changed = 0;
            for (size_t i = 0; i < found.size(); ++i) changed += !same_bits(found.subspan(i, 1), healthy.subspan(i, 1));
            check(finite + 1 == found.size(), counted + ", expected all but one");
            return check(changed == 1, fmt::format("{} answers changed, expected one", changed));
        }
        case Fate::contained:
            return;
    }
}

void check_neighbours(const Subject& subject, const NamedArray& found, const NamedArray& healthy,
                      size_t first_bad_token)
{
    for (uint32_t index = 0; index < kBatch; ++index) {
        if (index == kBad) continue;
        check(same_bits(part_of(found, index), part_of(healthy, index)),
              fmt::format("{}: batch element {} changed", found.name, index));
    }
    if (!subject.is_causal || found.shape.rank() < 3) return;
    const size_t token = found.values.size() / kBatch / found.shape[1];
    const auto before = part_of(found, kBad).first(first_bad_token * token);
    check(same_bits(before, part_of(healthy, kBad).first(before.size())),
          fmt::format("{}: a token before the bad one changed", found.name));
}

void run_hostility(const Subject& subject, std::string_view input, Kind kind, Fate fate)
{
    Device& device = trial().device();
    const OperatorRun healthy = run_operator(device, subject.op, subject.attributes, subject.inputs);
    const OperatorRun found = run_operator(device, subject.op, subject.attributes, poisoned(subject, input, kind));
    const auto poisoned_input =
        std::ranges::find_if(subject.inputs, [&](const NamedArray& array) { return array.name == input; });
    const size_t tokens = poisoned_input->shape.rank() > 2 ? poisoned_input->shape[1] : 1;
    const bool is_one_number = kind == Kind::infinite || kind == Kind::nan;
    check_fate(fate, part_of(found.outputs[0], kBad), part_of(healthy.outputs[0], kBad), factor_of(kind));
    for (size_t i = 0; i < found.outputs.size(); ++i) {
        if (found.outputs[i].values.size() % kBatch != 0) continue;
        const bool is_first = i == 0; // states have no tokens
        check_neighbours(subject, found.outputs[i], healthy.outputs[i], is_one_number && is_first ? tokens / 2 : 0);
        for (uint32_t b = 0; b < kBatch; ++b) trial().note(part_of(found.outputs[i], b));
    }
}

} // namespace

void add_hostile_cases(std::vector<Case>& cases)
{
    for (const Hostility& row : kHostilities) {
        const auto subject = std::ranges::find(subjects(), row.subject, &Subject::name);
        assert(subject != subjects().end() && "a row is about one of the subjects");
        const Fate fates[] = {row.zeros, row.tiny, row.huge, row.infinite, row.nan};
        for (size_t kind = 0; kind < std::size(kKinds); ++kind) {
            Case test;
            test.name = fmt::format("{}.hostile_{}.{}", row.subject, row.input, kKinds[kind]);
            test.op = subject->op;
            test.is_quick = false;
            test.property = [subject, input = row.input, kind, fate = fates[kind]] {
                run_hostility(*subject, input, static_cast<Kind>(kind), fate);
            };
            cases.push_back(std::move(test));
        }
    }
}

} // namespace gramian
