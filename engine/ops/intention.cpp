// The operator `intention`: least-squares attention (Garnelo & Czarnecki 2023, arXiv:2305.10203). What is observed is
// summed into G = K^T K and S = K^T V, a ridge solve turns them into W = (G + ridge + alpha I)^-1 S, and a query reads
// W^T q. Over a context input a stream keeps G, S and W.
//
// k: [B,N,H,D], v: [B,N,H,E], q: [B,M,H,D], [decay], [beta] [B,N,H], [ridge [H,D]], [state_g, state_s]
// -> y: [B,M,H,E], state_g: [B,H,D,D], state_s: [B,H,D,E], report: [B,H,8]. D up to 128, E up to 256.
#include "ops/operator.hpp"
#include "ops/outer_sum.hpp"
#include "ops/ridge_solve.hpp"
#include "ops/state_read.hpp"

namespace gramian {
namespace {

struct Regularization {
    double alpha;
    bool is_relative;
};

Regularization regularization(const Attributes& attributes, bool has_ridge)
{
    if (attributes.has("alpha") && attributes.has("alpha_relative")) {
        raise(attributes.status(), "{}: both 'alpha' and 'alpha_relative' are given, expected one of them",
              attributes.where());
    }
    const double most = 1e30;
    if (attributes.has("alpha")) return {attributes.number("alpha", 0, 0, most), false};
    return {attributes.number("alpha_relative", has_ridge ? 0.0 : 1e-4, 0, most), true};
}

void check_supported(const Attributes& attributes)
{
    attributes.only("causal", false);
    attributes.only("solver", "cholesky");
}

float forget_of(const Attributes& attributes)
{
    return static_cast<float>(attributes.number("forget", 1, 0, 1));
}

std::vector<std::pair<std::string, Shape>> infer(const Attributes& attributes, const Tensors& in)
{
    check_supported(attributes);
    regularization(attributes, in.has("ridge"));
    forget_of(attributes);
    const Shape& k = in.at("k").shape;
    const Shape& v = in.at("v").shape;
    const Shape& q = in.at("q").shape;
    if (k.rank() != 4 || v.rank() != 4 || q.rank() != 4 || v[0] != k[0] || v[1] != k[1] || v[2] != k[2] ||
        q[0] != k[0] || q[2] != k[2] || q[3] != k[3]) {
        raise(Status::invalid_argument, "intention: k {}, v {} and q {}: expected [B,N,H,D], [B,N,H,E] and [B,M,H,D]",
              k.text(), v.text(), q.text());
    }
    const Shape g{k[0], k[2], k[3], k[3]};
    const Shape s{k[0], k[2], k[3], v[3]};
    const Shape weights{k[0], k[1], k[2]};
    const std::pair<const char*, Shape> expected[] = {
        {"state_g", g}, {"state_s", s}, {"beta", weights}, {"decay", weights}, {"ridge", {k[2], k[3]}}};
    for (const auto& [name, shape] : expected) {
        const Tensor* given = in.find(name);
        if (!given || given->shape == shape) continue;
        raise(Status::invalid_argument, "intention: {}: expected {}, found {}", name, shape.text(),
              given->shape.text());
    }
    return {
        {"y", {q[0], q[1], q[2], v[3]}}, {"state_g", g}, {"state_s", s}, {"report", {k[0], k[2], kSolveReportWords}}};
}

struct Statistics {
    Tensor g;
    Tensor s;
    const Tensor* initial_g;
    const Tensor* initial_s;
};

void accumulate(Recorder& recorder, const Attributes& attributes, const Tensors& in, const Statistics& sums,
                const SlotMap& map)
{
    OuterSum sum;
    sum.x = in.at("k");
    sum.beta = in.find("beta");
    sum.decay = in.find("decay");
    sum.forget = forget_of(attributes);
    sum.map = map;
    sum.y = &in.at("k");
    sum.z = sums.g;
    sum.initial = sums.initial_g;
    outer_sum(recorder, sum);
    sum.y = &in.at("v");
    sum.z = sums.s;
    sum.initial = sums.initial_s;
    outer_sum(recorder, sum);
}

void settle(Recorder& recorder, const Attributes& attributes, const Tensors& in, const Tensor& g, const Tensor& s,
            const Tensor& w, const Tensor& report, const SlotMap& map)
{
    RidgeSolve solve;
    solve.a = g;
    solve.rhs = s;
    solve.ridge = in.find("ridge");
    solve.x = w;
    solve.report = report;
    const Regularization chosen = regularization(attributes, solve.ridge != nullptr);
    solve.alpha = chosen.alpha;
    solve.is_relative = chosen.is_relative;
    solve.map = map;
    ridge_solve(recorder, solve);
}

void read_solution(Recorder& recorder, const Tensor& q, const Tensor& w, const Tensor& y, const SlotMap& map)
{
    StateRead read;
    read.map = map;
    read.q = q;
    read.s = w;
    read.y = y;
    state_read(recorder, read);
}

void record(Recorder& recorder, const Attributes& attributes, const Tensors& in, const Tensors& out)
{
    const Tensor& g = out.at("state_g");
    const Tensor& s = out.at("state_s");
    const Tensor w = recorder.temporary(s.shape);
    accumulate(recorder, attributes, in, {g, s, in.find("state_g"), in.find("state_s")}, {});
    settle(recorder, attributes, in, g, s, w, out.at("report"), {});
    read_solution(recorder, in.at("q"), w, out.at("y"), {});
}

std::vector<StateShape> states(const Attributes&, const Tensors& in)
{
    const Shape& k = in.at("k").shape;
    const uint32_t columns = in.at("v").shape[3];
    constexpr bool kSum = true;
    return {{"g", {k[2], k[3], k[3]}, kSum}, {"s", {k[2], k[3], columns}, kSum}, {"w", {k[2], k[3], columns}}};
}

void observe(Recorder& recorder, const Attributes& attributes, const Tensors& in, const Tensors& states,
             const SlotMap& map)
{
    const Tensor& g = states.at("g");
    const Tensor& s = states.at("s");
    accumulate(recorder, attributes, in, {g, s, &g, &s}, map);
}

void solve(Recorder& recorder, const Attributes& attributes, const Tensors& in, const Tensors& states,
           const Tensor& report, const SlotMap& map)
{
    settle(recorder, attributes, in, states.at("g"), states.at("s"), states.at("w"), report, map);
}

void read(Recorder& recorder, const Attributes&, const Tensors& in, const Tensors& states, const Tensor& out,
          const SlotMap& map)
{
    read_solution(recorder, in.at("q"), states.at("w"), out, map);
}

const ContextOps kContext{{"k", "v", "decay", "beta"}, states, observe, solve, read};

} // namespace

Operator intention_operator()
{
    constexpr bool kOptional = true;
    constexpr bool kConstant = true;
    return {.name = "intention",
            .layout = Layout::heads,
            .inputs = {{"k"},
                       {"v"},
                       {"q"},
                       {"decay", kOptional},
                       {"beta", kOptional},
                       {"ridge", kOptional, kConstant},
                       {"state_g", kOptional},
                       {"state_s", kOptional}},
            .outputs = {"y"},
            .attributes = {"alpha", "alpha_relative", "causal", "forget", "solver", "iterations"},
            .infer = infer,
            .record = record,
            .context = &kContext};
}

} // namespace gramian
