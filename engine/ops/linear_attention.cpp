#include "ops/linear_attention.hpp"

#include "ops/outer_sum.hpp"
#include "ops/state_read.hpp"

namespace gramian {
namespace {

Feature feature_of(const Attributes& attributes)
{
    return static_cast<Feature>(attributes.choice("feature", kFeatureNames, 0));
}

std::vector<std::pair<std::string, Shape>> infer(const Attributes& attributes, const Tensors& in)
{
    feature_of(attributes);
    const Shape& q = in.at("q").shape;
    const Shape& k = in.at("k").shape;
    const Shape& v = in.at("v").shape;
    if (q.rank() != 4 || k != q || v.rank() != 4 || v[0] != k[0] || v[1] != k[1] || v[2] != k[2]) {
        raise(Status::invalid_argument,
              "linear_attention: q {}, k {} and v {}: expected [B,T,H,D], [B,T,H,D] and [B,T,H,E]", q.text(), k.text(),
              v.text());
    }
    return {{"o", v}};
}

void record(Recorder&, const Attributes&, const Tensors&, const Tensors&)
{
    raise(Status::unsupported, "linear_attention: this version answers from a context only, not token by token");
}

std::vector<StateShape> states(const Attributes& attributes, const Tensors& in)
{
    const Shape& k = in.at("k").shape;
    std::vector<StateShape> kept{{"s", {k[2], k[3], in.at("v").shape[3]}}};
    if (attributes.flag("normalize", false)) kept.push_back({"z", {k[2], k[3], 1}});
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
    sum.feature = feature_of(attributes);
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

void read(Recorder& recorder, const Attributes& attributes, const Tensors& in, const Tensors& states, const Tensor& out)
{
    StateRead read;
    read.q = in.at("q");
    read.s = states.at("s");
    read.y = out;
    read.feature = feature_of(attributes);
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

const ContextOps kContext{{"k", "v", "beta", "decay"}, states, observe, nullptr, read};

} // namespace

Operator linear_attention_operator()
{
    return {"linear_attention",
            Layout::heads,
            {{"q"}, {"k"}, {"v"}, {"decay", true}, {"beta", true}},
            {"o"},
            {"scale", "normalize", "epsilon", "denominator_min", "feature"},
            infer,
            record,
            nullptr,
            &kContext};
}

} // namespace gramian
