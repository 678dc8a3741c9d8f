// Cases of `linear_attention`: every published layer that its attributes select, at several sizes, against the
// recurrence in float64.
#include "ops/linear_attention_cases.hpp"
#include "ops/feature_map_twin.hpp"
#include "ops/linear_recurrence_twin.hpp"

#include <array>
#include <cmath>

namespace gramian {
namespace {

struct Layer {
    const char* name;
    const char* attributes;
    uint32_t decay = 0; // 0: none, 1: a number a head, 2: a number a key feature
    uint32_t beta = 0;
    bool has_erase = false;
    bool has_gain = false;
    bool has_bonus = false;
    bool has_state = true;
    double least_decay = -1.5; // logs
    double most_decay = -0.01;

    [[nodiscard]] bool is_neg_exp() const
    {
        return std::string_view(attributes).find("neg_exp") != std::string_view::npos;
    }
};

constexpr Layer kLayers[] = {
    {"linear", "{}"},
    {"elu1_normalized", R"({"feature":"elu1","normalize":true})", 0, 0, false, false, false, false},
    {"gla", "{}", 2},
    {"mamba2", R"({"scale":1})", 1, 1},
    {"rwkv6", R"({"read":"before","scale":1})", 2, 0, false, false, true},
    {"rwkv7", R"({"rule":"general","erase":"pre","decay_form":"neg_exp","scale":1})", 2, 0, true},
    {"delta_net", R"({"rule":"delta"})", 0, 1},
    {"gated_delta_net", R"({"rule":"delta"})", 1, 1},
    {"kda", R"({"rule":"delta"})", 2, 1},
    {"gdn2", R"({"rule":"delta","write":"plain"})", 2, 2, false, true},
    {"dplr", R"({"rule":"general","erase":"pre"})", 2, 0, true},
    {"rfa", R"({"feature":"rfa","normalize":true,"scale":1,"denominator_min":0.01})", 0, 0, false, false, false, false},
};

constexpr RecurrenceSize kSizes[] = {
    {1, 1, 1, 1, 1},
    {2, 7, 3, 5, 3},
    {2, 5, 2, 16, 32},
    {1, 3, 2, 63, 65, false},
    {2, 4, 1, 64, 64, false},
    {1, 2, 1, 128, 256, false},
    {1, 300, 1, 16, 16, false},
    {3, 1, 2, 32, 64},
};

/// In chunks: of 16 with a ragged last one, of one token more than a chunk, of 40 and of 64, which sum longer rows.
constexpr RecurrenceSize kChunkedSizes[] = {
    {2, 37, 2, 16, 8, true, 16},    {1, 17, 1, 5, 3, true, 16},         {1, 90, 2, 63, 65, false, 40},
    {1, 200, 1, 64, 64, false, 64}, {1, 70, 2, 16, 16, true, 32, true},
};

/// Key and value widths from 1 to 256: those with kernels of their own, and their neighbours.
constexpr RecurrenceSize kGrid[] = {
    {1, 3, 1, 1, 256, false},   {2, 3, 1, 256, 1, false},   {1, 3, 2, 2, 3, false},     {1, 2, 1, 3, 17, false},
    {1, 2, 1, 15, 16, false},   {1, 3, 1, 16, 17, false},   {1, 3, 2, 17, 33, false},   {1, 1, 3, 31, 16, false},
    {1, 3, 1, 33, 32, false},   {1, 2, 1, 64, 63, false},   {1, 3, 1, 65, 64, false},   {2, 2, 1, 100, 7, false},
    {1, 2, 1, 127, 129, false}, {1, 2, 1, 129, 128, false}, {1, 1, 1, 200, 255, false}, {1, 2, 1, 256, 256, false},
    {3, 2, 1, 16, 128, false},  {1, 3, 2, 32, 32, false},   {2, 1, 2, 64, 16, false},   {1, 2, 1, 64, 128, false},
    {1, 3, 1, 128, 16, false},  {2, 2, 1, 128, 128, false}, {2, 1, 2, 64, 64, true},    {1, 1, 1, 128, 32, true},
    {1, 1, 2, 128, 128, true},
};
constexpr const char* kGridLayers[] = {"gla", "rwkv6", "gated_delta_net", "rwkv7"};

/// Beyond what a launch takes for the limit of loop trips (1,700 to 4,300 tokens at these widths), and 1e5 tokens.
constexpr RecurrenceSize kLong[] = {
    {1, 5'000, 1, 16, 16, false, 0},
    {1, 5'000, 1, 20, 12, false, 0},
    {1, 100'000, 1, 16, 16, false, 0},
};
constexpr Layer kLongLayers[] = {
    {"linear", "{}"},
    {"gla_slow", "{}", 2, 0, false, false, false, true, -0.002, 0.0}, // a memory of 1,000 tokens
    {"gated_delta_net", R"({"rule":"delta"})", 1, 1, false, false, false, true, -0.002, 0.0},
};

/// Layers without erasing keep every rounding; those with it contract (delta) or keep |S| bounded. Short sequences:
/// 2e-6 rms, and the largest element a few times that; 300 tokens add up to twice as much. Sums that nothing decays
/// drift like a random walk, measured 5e-6 at 1e5 tokens: ten times that is allowed.
/// The triangular system of a chunk of 64 adds up more roundings than its tokens would.
Tolerance tolerance_of(const RecurrenceSize& size)
{
    if (size.chunk != kNone && size.chunk >= 64) return {5e-5, 2e-4};
    const double walk = std::max(1.0, std::sqrt(size.tokens / 1'000.0));
    return {5e-6 * walk, 2e-5 * walk};
}

constexpr uint32_t kProjections = 12; // random features of the rfa cases

void draw(Problem& problem, const Layer& layer, const RecurrenceSize& size, uint32_t features)
{
    const Shape key{size.batch, size.tokens, size.heads, size.width};
    const double unit = 1 / std::sqrt(static_cast<double>(size.width)); // keys of length 1: the delta rule stays stable
    problem.normal("q", key, unit);
    problem.normal("k", key, 0.7 * unit);
    problem.normal("v", {size.batch, size.tokens, size.heads, size.columns});
    const Shape by_head{size.batch, size.tokens, size.heads};
    const Shape by_feature{size.batch, size.tokens, size.heads, features};
    if (layer.has_state) problem.normal("state", {size.batch, size.heads, features, size.columns});
    if (layer.decay) {
        std::vector<float>& decay = problem.uniform("decay", layer.decay == 1 ? by_head : by_feature,
                                                    size.is_harsh ? -0.1 : layer.least_decay, layer.most_decay);
        const size_t token = decay.size() / (size_t{size.batch} * size.tokens);
        for (size_t i = 0; i < decay.size() && size.is_harsh; ++i) {
            if (i / token % 5 == 4) decay[i] = layer.is_neg_exp() ? 6.2F : -500.0F; // -e^6.2 = -493
        }
    }
    if (layer.beta) problem.uniform("beta", layer.beta == 1 ? by_head : by_feature, 0.1, 0.9);
    if (layer.has_erase) {
        problem.normal("erase_read", by_feature, 0.5 * unit);
        problem.normal("erase_write", by_feature, 0.5 * unit);
    }
    if (layer.has_gain) problem.uniform("value_gain", {size.batch, size.tokens, size.heads, size.columns}, 0.2, 1.8);
    if (layer.has_bonus) problem.normal("bonus", {size.heads, features});
    if (features != size.width) problem.normal("projection", {size.heads, kProjections, size.width});
}

/// The reference of one head: features first, then token after token.
class Head {
public:
    Head(const Problem& problem, const Json& attributes, const RecurrenceSize& size, uint32_t features)
        : size_(size), features_(features)
    {
        for (const NamedArray& array : problem.inputs()) arrays_.emplace_back(array.name, problem.doubles(array.name));
        const auto is = [&](const char* key, const char* text) { return attributes.value(key, "") == text; };
        rule_.width = features;
        rule_.columns = size.columns;
        rule_.rule = is("rule", "delta")     ? EraseRule::delta
                     : is("rule", "general") ? EraseRule::general
                                             : EraseRule::none;
        rule_.has_vector_decay = count("decay") > count_of_heads();
        rule_.has_vector_beta = count("beta") > count_of_heads();
        rule_.is_neg_exp = is("decay_form", "neg_exp");
        rule_.erases_pre = is("erase", "pre");
        rule_.writes_plain = is("write", "plain");
        rule_.reads_before = is("read", "before");
        feature_ = is("feature", "elu1") ? Feature::elu1 : Feature::identity;
        scale_ = attributes.value("scale", static_cast<float>(1 / std::sqrt(static_cast<double>(size.width))));
        denominator_min_ = static_cast<float>(attributes.value("denominator_min", 0.0));
        is_normalized_ = attributes.value("normalize", false);
    }

    void run(uint32_t batch, uint32_t head, std::vector<double>& o, std::vector<double>& state,
             std::vector<double>* state_z) const
    {
        const size_t at = (size_t{batch} * size_.heads + head) * features_;
        double* s = &state[at * size_.columns];
        if (const double* given = find("state")) std::copy_n(given + at * size_.columns, features_ * size_.columns, s);
        double* z = is_normalized_ ? &(*state_z)[at] : nullptr;
        for (uint32_t t = 0; t < size_.tokens; ++t) {
            const size_t row = (size_t{batch} * size_.tokens + t) * size_.heads + head;
            take(row, head, s, z, &o[row * size_.columns]);
        }
    }

private:
    [[nodiscard]] const double* find(std::string_view name) const
    {
        for (const auto& [known, values] : arrays_) {
            if (known == name) return values.data();
        }
        return nullptr;
    }
    [[nodiscard]] size_t count(std::string_view name) const
    {
        for (const auto& [known, values] : arrays_) {
            if (known == name) return values.size();
        }
        return 0;
    }
    [[nodiscard]] size_t count_of_heads() const { return size_t{size_.batch} * size_.tokens * size_.heads; }

    [[nodiscard]] std::vector<double> features_of(const double* x, uint32_t head) const
    {
        std::vector<double> y(features_);
        if (const double* w = find("projection")) {
            twin::rfa_features(x, w + size_t{head} * kProjections * size_.width, y.data(), size_.width, kProjections);
        } else {
            for (uint32_t i = 0; i < features_; ++i) y[i] = twin::feature(feature_, x[i]);
        }
        return y;
    }

    void take(size_t row, uint32_t head, double* s, double* z, double* o) const
    {
        const std::vector<double> q = features_of(find("q") + row * size_.width, head);
        const std::vector<double> k = features_of(find("k") + row * size_.width, head);
        const auto given = [&](std::string_view name, size_t size) {
            const double* values = find(name);
            return values ? values + row * size : nullptr;
        };
        const double* bonus = find("bonus");
        const twin::RecurrenceToken<double> token{q.data(),
                                                  k.data(),
                                                  find("v") + row * size_.columns,
                                                  given("decay", rule_.has_vector_decay ? features_ : 1),
                                                  given("beta", rule_.has_vector_beta ? features_ : 1),
                                                  given("erase_read", features_),
                                                  given("erase_write", features_),
                                                  given("value_gain", size_.columns),
                                                  bonus ? bonus + size_t{head} * features_ : nullptr,
                                                  1.0};
        twin::recurrence_step(rule_, token, s, z, o, scale_, 1e-10, denominator_min_);
    }

    RecurrenceSize size_;
    uint32_t features_;
    std::vector<std::pair<std::string, std::vector<double>>> arrays_;
    twin::RecurrenceRule rule_;
    Feature feature_ = Feature::identity;
    double scale_ = 1;
    double denominator_min_ = 0;
    bool is_normalized_ = false;
};

void prepare(Problem& problem, const Layer& layer, const RecurrenceSize& size)
{
    const Json attributes = Json::parse(layer.attributes);
    const bool is_random = attributes.value("feature", "") == "rfa";
    const uint32_t features = is_random ? 2 * kProjections : size.width;
    draw(problem, layer, size, features);
    const Head head(problem, attributes, size, features);
    std::vector<double> o(size_t{size.batch} * size.tokens * size.heads * size.columns);
    std::vector<double> state(size_t{size.batch} * size.heads * features * size.columns);
    std::vector<double> state_z(size_t{size.batch} * size.heads * features);
    for (uint32_t b = 0; b < size.batch; ++b) {
        for (uint32_t h = 0; h < size.heads; ++h) head.run(b, h, o, state, &state_z);
    }
    const Tolerance tolerance = tolerance_of(size);
    problem.expect("o", {size.batch, size.tokens, size.heads, size.columns}, tolerance) = o;
    problem.expect("state", {size.batch, size.heads, features, size.columns}, tolerance) = state;
    if (attributes.value("normalize", false)) {
        problem.expect("state_z", {size.batch, size.heads, features}, tolerance) = state_z;
    }
}

Case case_of(const Layer& layer, const RecurrenceSize& size)
{
    Case test;
    const std::string form = size.chunk == kNone ? ""
                             : size.chunk == 0   ? "loop."
                                                 : fmt::format("chunk{}.{}", size.chunk, size.is_harsh ? "harsh." : "");
    test.name = fmt::format("linear_attention.{}.{}b{}_t{}_h{}_d{}_e{}.f32", layer.name, form, size.batch, size.tokens,
                            size.heads, size.width, size.columns);
    test.op = "linear_attention";
    test.attributes = Json::parse(layer.attributes);
    test.prepare = [&layer, size](Problem& problem) { prepare(problem, layer, size); };
    test.is_quick = size.is_quick;
    test.chunk = size.chunk;
    return test;
}

} // namespace

Case linear_attention_case(std::string_view layer, const RecurrenceSize& size)
{
    const auto found =
        std::find_if(std::begin(kLayers), std::end(kLayers), [&](const Layer& known) { return known.name == layer; });
    if (found == std::end(kLayers)) raise(Status::internal, "no layer {}", in_quotes(layer));
    return case_of(*found, size);
}

void add_linear_attention_cases(std::vector<Case>& cases)
{
    for (const Layer& layer : kLayers) {
        for (const RecurrenceSize& size : kSizes) cases.push_back(case_of(layer, size));
        if (std::string_view(layer.attributes).find("normalize") != std::string_view::npos) continue;
        for (const RecurrenceSize& size : kChunkedSizes) cases.push_back(case_of(layer, size));
    }
    for (const RecurrenceSize& size : kGrid) {
        for (const char* layer : kGridLayers) cases.push_back(linear_attention_case(layer, size));
    }
    for (const Layer& layer : kLongLayers) {
        for (const RecurrenceSize& size : kLong) cases.push_back(case_of(layer, size));
    }
}

} // namespace gramian
