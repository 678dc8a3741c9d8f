// The operator `random_feature_attention`: softmax attention estimated by random features, over a context, in causal
// order, or token by token with a state of constant size.
//
// q: [B,T,H,D], k: [B,N,H,D], v: [B,N,H,E], projection: [H,M,D] -> o: [B,T,H,E], and phi_q, phi_k: [B,T,H,F] where they
// are well defined. o = phi(q)^T sum phi(k) v^T / (phi(q).sum phi(k)). favor: Choromanski et al. 2021
// (arXiv:2009.14794), F = M; rfa: Peng et al. 2021 (arXiv:2103.02143), F = 2M.
#include "ops/favor.hpp"
#include "ops/feature_map.hpp"
#include "ops/linear_recurrence.hpp"
#include "ops/operator.hpp"
#include "ops/outer_sum.hpp"
#include "ops/state_read.hpp"

namespace gramian {
namespace {

constexpr std::string_view kFeatures[] = {"favor", "rfa"};

struct Settings {
    bool is_rfa = false;
    bool is_causal = false;
    float epsilon = 0;
    float denominator_min = 0;
};

Settings settings_of(const Attributes& attributes)
{
    Settings settings;
    settings.is_rfa = attributes.choice("features", kFeatures, std::nullopt) == 1;
    settings.is_causal = attributes.flag("causal", false);
    settings.epsilon = static_cast<float>(attributes.number("epsilon", 0, 0, 1e30));
    settings.denominator_min = static_cast<float>(attributes.number("denominator_min", 0, 0, 1e30));
    if (settings.epsilon > 0 && settings.is_rfa) {
        raise(attributes.status(), "{}: epsilon is added to favor features, not to those of rfa", attributes.where());
    }
    if (settings.epsilon > 0 && settings.is_causal) {
        raise(attributes.status(),
              "{}: epsilon in causal order would depend on the stabiliser of keys to come: expected 0",
              attributes.where());
    }
    return settings;
}

uint32_t feature_count(const Settings& settings, const Tensors& in)
{
    return in.at("projection").shape[1] * (settings.is_rfa ? 2 : 1);
}

std::vector<std::pair<std::string, Shape>> infer(const Attributes& attributes, const Tensors& in)
{
    const Settings settings = settings_of(attributes);
    const Shape& q = in.at("q").shape;
    const Shape& k = in.at("k").shape;
    const Shape& v = in.at("v").shape;
    const Shape& w = in.at("projection").shape;
    if (q.rank() != 4 || k.rank() != 4 || v.rank() != 4 || k[0] != q[0] || k[2] != q[2] || k[3] != q[3] ||
        v[0] != k[0] || v[1] != k[1] || v[2] != k[2]) {
        raise(Status::invalid_argument,
              "random_feature_attention: q {}, k {} and v {}: expected [B,T,H,D], [B,N,H,D] and [B,N,H,E]", q.text(),
              k.text(), v.text());
    }
    if (w.rank() != 3 || w[0] != q[2] || w[2] != q[3]) {
        raise(Status::invalid_argument, "random_feature_attention: projection: expected [{}, M, {}], found {}", q[2],
              q[3], w.text());
    }
    if (settings.is_causal && q[1] != k[1]) {
        raise(Status::invalid_argument, "random_feature_attention: causal with T {} and N {}: expected T = N", q[1],
              k[1]);
    }
    const uint32_t features = feature_count(settings, in);
    std::vector<std::pair<std::string, Shape>> out{{"o", {q[0], q[1], q[2], v[3]}}};
    if (!settings.is_causal || settings.is_rfa) {
        out.emplace_back("phi_q", Shape{q[0], q[1], q[2], features});
        out.emplace_back("phi_k", Shape{k[0], k[1], k[2], features});
    }
    return out;
}

/// A given output, or room for what is not asked for.
Tensor place(Recorder& recorder, const Tensors& out, const char* name, const Shape& shape)
{
    const Tensor* given = out.find(name);
    return given ? *given : recorder.temporary(shape);
}

void record_context(Recorder& recorder, const Settings& settings, const Tensor& phi_q, const Tensor& phi_k,
                    const Tensor& v, const Tensor& o)
{
    const uint32_t features = phi_q.shape.last();
    OuterSum sum;
    sum.x = phi_k;
    sum.y = &v;
    sum.z = recorder.temporary({v.shape[0], v.shape[2], features, v.shape[3]});
    outer_sum(recorder, sum);
    StateRead read;
    read.q = phi_q;
    read.s = sum.z;
    sum.y = nullptr;
    sum.z = recorder.temporary({v.shape[0], v.shape[2], features, 1});
    outer_sum(recorder, sum);
    const Tensor z = sum.z.as({v.shape[0], v.shape[2], features});
    read.z = &z;
    read.y = o;
    read.denominator_min = settings.denominator_min;
    state_read(recorder, read);
}

/// In causal order the running sums are a linear recurrence; a favor stabiliser that grows is a decay of it.
void record_causal(Recorder& recorder, const Settings& settings, const Tensors& in, const Tensors& out,
                   const Tensor& state, const Tensor& state_z, const Tensor* stabilizer, const SlotMap& map)
{
    const Shape& s = in.at("q").shape;
    const Shape phi{s[0], s[1], s[2], feature_count(settings, in)};
    LinearRecurrence r;
    r.q = place(recorder, out, "phi_q", phi);
    r.k = place(recorder, out, "phi_k", phi);
    Tensor decay;
    if (settings.is_rfa) {
        feature_map(recorder, RandomFeature::rfa, in.at("q"), in.at("projection"), r.q);
        feature_map(recorder, RandomFeature::rfa, in.at("k"), in.at("projection"), r.k);
    } else {
        decay = recorder.temporary({s[0], s[1], s[2]});
        favor_queries(recorder, in.at("q"), in.at("projection"), 0, r.q);
        favor_keys(recorder, {in.at("k"), in.at("projection"), r.k, 0, &decay, stabilizer, map});
        r.decay = &decay;
    }
    r.v = in.at("v");
    r.o = out.at("o");
    r.state = state;
    r.state_z = &state_z;
    if (state.arena == Arena::state) {
        r.initial = &state;
        r.initial_z = &state_z;
    }
    r.denominator_min = settings.denominator_min;
    r.map = map;
    r.count = s[1];
    linear_recurrence(recorder, r);
}

void record(Recorder& recorder, const Attributes& attributes, const Tensors& in, const Tensors& out)
{
    const Settings settings = settings_of(attributes);
    const Shape& v = in.at("v").shape;
    const uint32_t features = feature_count(settings, in);
    if (settings.is_causal) {
        const Tensor state = recorder.temporary({v[0], v[2], features, v[3]});
        const Tensor state_z = recorder.temporary({v[0], v[2], features});
        record_causal(recorder, settings, in, out, state, state_z, nullptr, {});
        return;
    }
    const Tensor& phi_q = out.at("phi_q");
    const Tensor& phi_k = out.at("phi_k");
    if (settings.is_rfa) {
        feature_map(recorder, RandomFeature::rfa, in.at("q"), in.at("projection"), phi_q);
        feature_map(recorder, RandomFeature::rfa, in.at("k"), in.at("projection"), phi_k);
    } else {
        favor_queries(recorder, in.at("q"), in.at("projection"), settings.epsilon, phi_q);
        favor_keys(recorder, {in.at("k"), in.at("projection"), phi_k, settings.epsilon, nullptr, nullptr, {}});
    }
    record_context(recorder, settings, phi_q, phi_k, in.at("v"), out.at("o"));
}

std::vector<StateShape> recurrent_states(const Attributes& attributes, const Tensors& in)
{
    const Settings settings = settings_of(attributes);
    if (!settings.is_causal) {
        raise(Status::unsupported, "{}: a node that goes token by token needs 'causal'", attributes.where());
    }
    const Shape& v = in.at("v").shape;
    const uint32_t features = feature_count(settings, in);
    std::vector<StateShape> kept{{"state", {v[2], features, v[3]}}, {"state_z", {v[2], features}}};
    if (!settings.is_rfa) kept.push_back({"stabilizer", {v[2], 2}});
    return kept;
}

void record_recurrent(Recorder& recorder, const Attributes& attributes, const Tensors& in, const Tensors& states,
                      const Tensors& out, const SlotMap& map)
{
    record_causal(recorder, settings_of(attributes), in, out, states.at("state"), states.at("state_z"),
                  states.find("stabilizer"), map);
}

const RecurrentOps kRecurrent{recurrent_states, record_recurrent};

} // namespace

Operator random_feature_attention_operator()
{
    constexpr bool kConstant = true;
    return {.name = "random_feature_attention",
            .layout = Layout::heads,
            .inputs = {{"q"}, {"k"}, {"v"}, {"projection", false, kConstant}},
            .outputs = {"o"},
            .attributes = {"features", "causal", "epsilon", "denominator_min"},
            .infer = infer,
            .record = record,
            .recurrent = &kRecurrent};
}

} // namespace gramian
