// The operator `linear_attention`: the general linear recurrence over a sequence, and linear attention over what a
// stream was shown (Katharopoulos et al. 2020, arXiv:2006.16236, and the relatives that its attributes select).
//
// q, k: [B,T,H,D], v: [B,T,H,E] and the optional tensors of its ports -> o: [B,T,H,E], state: [B,H,F,E],
// [state_z: [B,H,F]], and with `chunks` the states after each piece. F: the width of the features of q and k.
#include "ops/copy.hpp"
#include "ops/feature_map.hpp"
#include "ops/linear_recurrence.hpp"
#include "ops/operator.hpp"
#include "ops/outer_sum.hpp"
#include "ops/pieces.hpp"
#include "ops/state_read.hpp"

#include <cmath>

namespace gramian {
namespace {

constexpr std::string_view kFeatures[] = {"identity", "elu1", "exp", "relu", "favor", "rfa"};
constexpr uint32_t kFavor = 4;
constexpr uint32_t kRfa = 5;
constexpr std::string_view kDecayForms[] = {"log", "neg_exp"};
constexpr std::string_view kRules[] = {"none", "delta", "general"};
constexpr std::string_view kWrites[] = {"beta", "plain"};
constexpr std::string_view kErases[] = {"post", "pre"};
constexpr std::string_view kReads[] = {"after", "before"};

uint32_t feature_of(const Attributes& attributes)
{
    return attributes.choice("feature", kFeatures, 0);
}

Feature pointwise_feature(const Attributes& attributes)
{
    const uint32_t feature = feature_of(attributes);
    return feature < kFavor ? static_cast<Feature>(feature) : Feature::identity;
}

/// Width of the features of q and k.
uint32_t feature_width(const Attributes& attributes, const Tensors& in)
{
    const uint32_t feature = feature_of(attributes);
    const uint32_t width = in.at("k").shape[3];
    if (feature < kFavor) return width;
    const Tensor* projection = in.find("projection");
    if (!projection) {
        raise(Status::invalid_argument, "linear_attention: feature '{}' needs a projection", kFeatures[feature]);
    }
    const Shape& w = projection->shape;
    if (w.rank() != 3 || w[0] != in.at("k").shape[2] || w[2] != width) {
        raise(Status::invalid_argument, "linear_attention: projection: expected [{}, M, {}], found {}",
              in.at("k").shape[2], width, w.text());
    }
    return feature == kRfa ? 2 * w[1] : w[1];
}

void require_shape(const Tensors& in, const char* port, std::initializer_list<Shape> allowed)
{
    const Tensor* given = in.find(port);
    if (!given || std::find(allowed.begin(), allowed.end(), given->shape) != allowed.end()) return;
    std::string texts;
    for (const Shape& shape : allowed) texts += (texts.empty() ? "" : " or ") + shape.text();
    raise(Status::invalid_argument, "linear_attention: {}: expected {}, found {}", port, texts, given->shape.text());
}

bool is_normalized(const Attributes& attributes)
{
    return attributes.flag("normalize", false);
}

void check_ports(const Attributes& attributes, const Tensors& in, uint32_t features)
{
    const Shape& q = in.at("q").shape;
    const Shape& k = in.at("k").shape;
    const Shape& v = in.at("v").shape;
    if (q.rank() != 4 || k != q || v.rank() != 4 || v[0] != k[0] || v[1] != k[1] || v[2] != k[2]) {
        raise(Status::invalid_argument,
              "linear_attention: q {}, k {} and v {}: expected [B,T,H,D], [B,T,H,D] and [B,T,H,E]", q.text(), k.text(),
              v.text());
    }
    const Shape by_head{k[0], k[1], k[2]};
    const Shape by_feature{k[0], k[1], k[2], features};
    require_shape(in, "state", {{k[0], k[2], features, v[3]}});
    require_shape(in, "state_z", {{k[0], k[2], features}});
    require_shape(in, "decay", {by_head, by_feature});
    require_shape(in, "beta", {by_head, by_feature});
    require_shape(in, "erase_read", {by_feature});
    require_shape(in, "erase_write", {by_feature});
    require_shape(in, "value_gain", {v});
    require_shape(in, "bonus", {{k[2], features}});
    const bool is_general = attributes.choice("rule", kRules, 0) == static_cast<uint32_t>(EraseRule::general);
    if (is_general && (!in.has("erase_read") || !in.has("erase_write"))) {
        raise(Status::invalid_argument, "linear_attention: rule 'general' needs erase_read and erase_write");
    }
    if (in.has("bonus") && attributes.choice("read", kReads, 0) == 0) {
        raise(Status::invalid_argument, "linear_attention: a bonus acts with read 'before' only");
    }
    if (in.has("state_z") && !is_normalized(attributes)) {
        raise(Status::invalid_argument, "linear_attention: state_z is given, but not normalize");
    }
}

/// Every attribute is read once here, so that a bad one is refused before anything is recorded.
void check_settings(const Attributes& attributes)
{
    is_normalized(attributes);
    for (const char* name : {"epsilon", "denominator_min"}) attributes.number(name, 0, 0, 1e30);
    attributes.number("scale", 1, -1e30, 1e30);
    attributes.choice("decay_form", kDecayForms, 0);
    attributes.choice("write", kWrites, 0);
    attributes.choice("erase", kErases, 0);
    attributes.choice("read", kReads, 0);
}

std::vector<std::pair<std::string, Shape>> infer(const Attributes& attributes, const Tensors& in)
{
    const uint32_t features = feature_width(attributes, in);
    check_ports(attributes, in, features);
    check_settings(attributes);
    const Shape& v = in.at("v").shape;
    const Shape state{v[0], v[2], features, v[3]};
    const Shape state_z{v[0], v[2], features};
    std::vector<std::pair<std::string, Shape>> out{{"o", v}, {"state", state}};
    if (is_normalized(attributes)) out.emplace_back("state_z", state_z);
    const auto pieces = static_cast<uint32_t>(pieces_of(attributes, v[1]).size());
    if (attributes.has("chunks")) {
        out.emplace_back("state_chunks", Shape{pieces, v[0], v[2], features, v[3]});
        if (is_normalized(attributes)) out.emplace_back("state_z_chunks", Shape{pieces, v[0], v[2], features});
    }
    return out;
}

std::vector<Constant> constants(const Attributes& attributes, const Tensors& in)
{
    if (!attributes.has("head_decay")) return {};
    std::vector<float> factors;
    for (double decay : attributes.doubles("head_decay", in.at("k").shape[2])) {
        factors.push_back(static_cast<float>(std::exp(decay))); // it acts once a token: worth a double's exp
    }
    return {{"head_factor", std::move(factors)}, {"head_decay", attributes.numbers("head_decay", in.at("k").shape[2])}};
}

/// The random features of x, or x itself.
Tensor features_of(Recorder& recorder, const Attributes& attributes, const Tensors& in, const Tensor& x)
{
    const uint32_t feature = feature_of(attributes);
    if (feature < kFavor) return x;
    const Shape& s = x.shape;
    const Tensor y = recorder.temporary({s[0], s[1], s[2], feature_width(attributes, in)});
    feature_map(recorder, feature == kRfa ? RandomFeature::rfa : RandomFeature::favor, x, in.at("projection"), y);
    return y;
}

/// Everything about a recurrence but its tokens and its states.
struct Prepared {
    LinearRecurrence r;
    Tensor decay, beta, erase_read, erase_write, value_gain; // copies, where copies are needed
};

void prepare(Recorder& recorder, const Attributes& attributes, const Tensors& in, Prepared& prepared)
{
    LinearRecurrence& r = prepared.r;
    r.q = features_of(recorder, attributes, in, in.at("q"));
    const bool is_shared = in.at("q").offset == in.at("k").offset && in.at("q").arena == in.at("k").arena;
    r.k = is_shared ? r.q : features_of(recorder, attributes, in, in.at("k"));
    r.v = in.at("v");
    r.decay = in_activations(recorder, in.find("decay"), prepared.decay);
    r.beta = in_activations(recorder, in.find("beta"), prepared.beta);
    r.erase_read = in_activations(recorder, in.find("erase_read"), prepared.erase_read);
    r.erase_write = in_activations(recorder, in.find("erase_write"), prepared.erase_write);
    r.value_gain = in_activations(recorder, in.find("value_gain"), prepared.value_gain);
    r.bonus = in.find("bonus");
    r.head_factor = in.find("head_factor");
    r.head_decay = in.find("head_decay");
    r.feature = pointwise_feature(attributes);
    r.rule = static_cast<EraseRule>(attributes.choice("rule", kRules, 0));
    r.is_neg_exp = attributes.choice("decay_form", kDecayForms, 0) == 1;
    r.erases_pre = attributes.choice("erase", kErases, 0) == 1;
    r.writes_plain = attributes.choice("write", kWrites, 0) == 1;
    r.reads_before = attributes.choice("read", kReads, 0) == 1;
    const double width = in.at("q").shape.last();
    r.scale = static_cast<float>(attributes.number("scale", 1 / std::sqrt(width), -1e30, 1e30));
    r.epsilon = static_cast<float>(attributes.number("epsilon", 1e-10, 0, 1e30));
    r.denominator_min = static_cast<float>(attributes.number("denominator_min", 0, 0, 1e30));
}

void record(Recorder& recorder, const Attributes& attributes, const Tensors& in, const Tensors& out)
{
    Prepared prepared;
    prepare(recorder, attributes, in, prepared);
    LinearRecurrence& r = prepared.r;
    r.o = out.at("o");
    r.state = out.at("state");
    r.state_z = out.find("state_z");
    // A normalised recurrence has two states; when only one is given, the other starts from zeros.
    Tensor zeros;
    r.initial = in.find("state");
    r.initial_z = in.find("state_z");
    if (r.state_z && (!r.initial != !r.initial_z)) {
        const Tensor& missing = r.initial ? *r.state_z : r.state;
        zeros = recorder.temporary(missing.shape);
        const auto count = static_cast<uint32_t>(zeros.element_count());
        fill_columns(recorder, zeros.as({1, count}), 0.0F);
        (r.initial ? r.initial_z : r.initial) = &zeros;
    }
    uint32_t piece = 0;
    for (uint32_t count : pieces_of(attributes, r.v.shape[1])) {
        r.count = count;
        linear_recurrence(recorder, r);
        r.first += count;
        r.initial = &r.state;
        r.initial_z = r.state_z;
        if (const Tensor* all = out.find("state_chunks")) copy_whole(recorder, r.state, piece_of(*all, piece));
        if (const Tensor* all = out.find("state_z_chunks")) {
            copy_whole(recorder, *r.state_z, piece_of(*all, piece));
        }
        ++piece;
    }
}

// A recurrent node keeps S and z between tokens -------------------------------------------------------------------

std::vector<StateShape> recurrent_states(const Attributes& attributes, const Tensors& in)
{
    const Shape& k = in.at("k").shape;
    const uint32_t features = feature_width(attributes, in);
    std::vector<StateShape> kept{{"state", {k[2], features, in.at("v").shape[3]}}};
    if (is_normalized(attributes)) kept.push_back({"state_z", {k[2], features}});
    return kept;
}

void record_recurrent(Recorder& recorder, const Attributes& attributes, const Tensors& in, const Tensors& states,
                      const Tensors& out, const SlotMap& map)
{
    Prepared prepared;
    prepare(recorder, attributes, in, prepared);
    LinearRecurrence& r = prepared.r;
    r.map = map;
    r.o = out.at("o");
    r.state = states.at("state");
    r.state_z = states.find("state_z");
    r.initial = &r.state;
    r.initial_z = r.state_z;
    r.count = r.v.shape[1];
    linear_recurrence(recorder, r);
}

const RecurrentOps kRecurrent{recurrent_states, record_recurrent};

// Over a context: plain sums, read afterwards ---------------------------------------------------------------------

std::vector<StateShape> context_states(const Attributes& attributes, const Tensors& in)
{
    for (const char* name : {"rule", "write", "erase", "read", "head_decay", "decay_form", "chunks"}) {
        if (!attributes.has(name)) continue;
        raise(Status::unsupported, "{}: attribute '{}' has no meaning over a context input", attributes.where(), name);
    }
    if (feature_of(attributes) >= kFavor) {
        raise(Status::unsupported, "{}: feature '{}' over a context input", attributes.where(),
              kFeatures[feature_of(attributes)]);
    }
    const Shape& k = in.at("k").shape;
    constexpr bool kSum = true;
    std::vector<StateShape> kept{{"s", {k[2], k[3], in.at("v").shape[3]}, kSum}};
    if (is_normalized(attributes)) kept.push_back({"z", {k[2], k[3], 1}, kSum});
    return kept;
}

void observe(Recorder& recorder, const Attributes& attributes, const Tensors& in, const Tensors& states,
             const SlotMap& map)
{
    OuterSum sum;
    sum.x = in.at("k");
    sum.y = &in.at("v");
    sum.beta = in.find("beta");
    sum.decay = in.find("decay");
    sum.feature = pointwise_feature(attributes);
    sum.map = map;
    sum.z = states.at("s");
    sum.initial = &sum.z;
    outer_sum(recorder, sum);
    if (const Tensor* z = states.find("z")) {
        sum.y = nullptr;
        sum.z = *z;
        outer_sum(recorder, sum);
    }
}

void read(Recorder& recorder, const Attributes& attributes, const Tensors& in, const Tensors& states,
          const Tensors& out, const SlotMap& map)
{
    StateRead read;
    read.map = map;
    read.q = in.at("q");
    read.s = states.at("s");
    read.y = out.first();
    read.feature = pointwise_feature(attributes);
    const double width = read.q.shape.last();
    read.scale = static_cast<float>(attributes.number("scale", 1 / std::sqrt(width), -1e30, 1e30));
    read.epsilon = static_cast<float>(attributes.number("epsilon", 1e-10, 0, 1e30));
    read.denominator_min = static_cast<float>(attributes.number("denominator_min", 0, 0, 1e30));
    Tensor z;
    if (const Tensor* kept = states.find("z")) {
        z = kept->as({kept->shape[0], kept->shape[1], kept->shape[2]});
        read.z = &z;
    }
    state_read(recorder, read);
}

const ContextOps kContext{{"k", "v", "beta", "decay"}, context_states, observe, nullptr, read};

} // namespace

Operator linear_attention_operator()
{
    constexpr bool kOptional = true;
    constexpr bool kConstant = true;
    return {.name = "linear_attention",
            .layout = Layout::heads,
            .inputs = {{"q"},
                       {"k"},
                       {"v"},
                       {"state", kOptional},
                       {"state_z", kOptional},
                       {"decay", kOptional},
                       {"beta", kOptional},
                       {"erase_read", kOptional},
                       {"erase_write", kOptional},
                       {"value_gain", kOptional},
                       {"bonus", kOptional, kConstant},
                       {"projection", kOptional, kConstant}},
            .outputs = {"o"},
            .attributes = {"scale", "normalize", "epsilon", "denominator_min", "decay_form", "head_decay", "rule",
                           "write", "erase", "read", "feature", "chunks"},
            .infer = infer,
            .record = record,
            .constants = constants,
            .context = &kContext,
            .recurrent = &kRecurrent};
}

} // namespace gramian
