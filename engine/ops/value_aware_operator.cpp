// The operators `simplex_solve` and `value_aware_sparse`.
#include "ops/operator.hpp"
#include "ops/value_aware.hpp"

namespace gramian {
namespace {

using Shapes = std::vector<std::pair<std::string, Shape>>;

constexpr std::string_view kMethods[] = {"oblivious", "topk_refit", "frank_wolfe", "forward", "exact"};

Shapes infer_simplex(const Attributes&, const Tensors& in)
{
    const Shape& v = in.at("v").shape;
    const Shape& target = in.at("target").shape;
    if (v.rank() != 3 || target != Shape{v[0], v[2]}) {
        raise(Status::invalid_argument, "simplex_solve: v {} and target {}: expected [B, R, E] and [B, E]", v.text(),
              target.text());
    }
    return {{"weights", {v[0], v[1]}}, {"error", {v[0]}}};
}

void record_simplex(Recorder& recorder, const Attributes&, const Tensors& in, const Tensors& out)
{
    simplex_solve(recorder, in.at("v"), in.at("target"), out.at("weights"), out.at("error"));
}

uint32_t budget_of(const Attributes& attributes)
{
    if (!attributes.has("budget")) {
        raise(attributes.status(), "{}: value_aware_sparse: attribute 'budget' is missing", attributes.where());
    }
    return attributes.count("budget", 1, 1, 65'536);
}

Shapes infer_sparse(const Attributes& attributes, const Tensors& in)
{
    const Tensor* given = in.find("p");
    const Tensor* logits = in.find("logits");
    if (!given == !logits) raise(Status::invalid_argument, "value_aware_sparse: expected p or logits, one of them");
    const Shape& weights = (given ? given : logits)->shape;
    const Shape& v = in.at("v").shape;
    if (weights.rank() != 2 || v.rank() != 3 || v[0] != weights[0] || v[1] != weights[1]) {
        raise(Status::invalid_argument, "value_aware_sparse: {} {} and v {}: expected [B, N] and [B, N, E]",
              given ? "p" : "logits", weights.text(), v.text());
    }
    attributes.choice("method", kMethods, std::nullopt);
    const uint32_t budget = budget_of(attributes);
    return {{"indices", {v[0], budget}}, {"weights", {v[0], budget}}, {"error", {v[0]}}};
}

void record_sparse(Recorder& recorder, const Attributes& attributes, const Tensors& in, const Tensors& out)
{
    ValueAwareSparse sparse;
    sparse.logits = in.find("logits");
    sparse.p = in.find("p");
    sparse.v = in.at("v");
    sparse.budget = budget_of(attributes);
    sparse.method = static_cast<SparseMethod>(attributes.choice("method", kMethods, std::nullopt));
    sparse.indices = out.at("indices");
    sparse.weights = out.at("weights");
    sparse.error = out.at("error");
    value_aware_sparse(recorder, sparse);
}

} // namespace

Operator simplex_solve_operator()
{
    return {.name = "simplex_solve",
            .layout = Layout::batch,
            .inputs = {{"v"}, {"target"}},
            .outputs = {"weights", "error"},
            .infer = infer_simplex,
            .record = record_simplex};
}

Operator value_aware_sparse_operator()
{
    return {.name = "value_aware_sparse",
            .layout = Layout::batch,
            .inputs = {{"v"}, {"p", true}, {"logits", true}},
            .outputs = {"indices", "weights", "error"},
            .attributes = {"budget", "method"},
            .infer = infer_sparse,
            .record = record_sparse};
}

} // namespace gramian
