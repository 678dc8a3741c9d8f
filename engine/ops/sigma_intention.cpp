// The operator `sigma_intention`: what softmax attention is to linear attention, this is to Intention (Garnelo &
// Czarnecki 2023, arXiv:2305.10203). Two readings of that, since the paper's own formula could not be checked:
// score = softmax(s Q (K^T K + alpha I)^-1 K^T) V, kernel = softmax(s Q K^T) (softmax(s K K^T) + alpha I)^-1 V.
// Both contain softmax attention: where K^T K + alpha I is a multiple of I, and as alpha grows.
//
// k: [B,N,H,D], v: [B,N,H,E], q: [B,M,H,D] -> y: [B,M,H,E], report: [B,M,H,8]. Causal: query t over the keys up to t.
#include "ops/intention_causal.hpp"
#include "ops/kernel_intention.hpp"
#include "ops/operator.hpp"
#include "ops/outer_sum.hpp"
#include "ops/softmax_attention.hpp"

namespace gramian {
namespace {

constexpr std::string_view kForms[] = {"score", "kernel"};

struct SigmaSettings {
    double alpha;
    bool is_relative;
    bool is_causal;
    bool is_kernel;
    float scale;
};

SigmaSettings settings_of(const Attributes& attributes)
{
    if (attributes.has("alpha") && attributes.has("alpha_relative")) {
        raise(attributes.status(), "{}: both 'alpha' and 'alpha_relative' are given, expected one of them",
              attributes.where());
    }
    const bool is_relative = !attributes.has("alpha");
    return {attributes.number(is_relative ? "alpha_relative" : "alpha", 1e-4, 0, 1e30), is_relative,
            attributes.flag("causal", false), attributes.choice("form", kForms, 0) == 1,
            static_cast<float>(attributes.number("score_scale", 1, -1e30, 1e30))};
}

std::vector<std::pair<std::string, Shape>> infer(const Attributes& attributes, const Tensors& in)
{
    const SigmaSettings settings = settings_of(attributes);
    const Shape& k = in.at("k").shape;
    const Shape& v = in.at("v").shape;
    const Shape& q = in.at("q").shape;
    if (k.rank() != 4 || v.rank() != 4 || q.rank() != 4 || v[0] != k[0] || v[1] != k[1] || v[2] != k[2] ||
        q[0] != k[0] || q[2] != k[2] || q[3] != k[3]) {
        raise(Status::invalid_argument,
              "sigma_intention: k {}, v {} and q {}: expected [B,N,H,D], [B,N,H,E] and [B,M,H,D]", k.text(), v.text(),
              q.text());
    }
    if (settings.is_causal && q[1] != k[1]) {
        raise(Status::invalid_argument, "sigma_intention: causal with {} queries and {} keys: expected as many", q[1],
              k[1]);
    }
    return {{"y", {q[0], q[1], q[2], v[3]}}, {"report", {q[0], q[1], q[2], kSolveReportWords}}};
}

/// (K^T K + alpha I)^-1 q for every query, over all keys.
void precondition(Recorder& recorder, const SigmaSettings& settings, const Tensors& in, const Tensor& x,
                  const Tensor& report)
{
    const Shape& q = in.at("q").shape;
    OuterSum sum;
    sum.x = in.at("k");
    sum.y = &sum.x;
    sum.z = recorder.temporary({q[0], q[2], q[3], q[3]});
    outer_sum(recorder, sum);
    QuerySolve solve;
    solve.g = sum.z;
    solve.q = in.at("q");
    solve.x = &x;
    solve.report = &report;
    solve.alpha = settings.alpha;
    solve.is_relative = settings.is_relative;
    solve.count = q[1];
    query_solve(recorder, solve);
}

/// The same for query t over the keys up to t.
void precondition_causal(Recorder& recorder, const SigmaSettings& settings, const Tensors& in, const Tensor& x,
                         const Tensor& report)
{
    const Shape& q = in.at("q").shape;
    CausalIntention intention;
    intention.k = in.at("k");
    intention.q = in.at("q");
    intention.x = &x;
    intention.report = &report;
    intention.g = recorder.temporary({q[0], q[2], q[3], q[3]});
    intention.settings.alpha = settings.alpha;
    intention.settings.is_relative = settings.is_relative;
    intention.count = q[1];
    causal_intention(recorder, intention);
}

void record(Recorder& recorder, const Attributes& attributes, const Tensors& in, const Tensors& out)
{
    const SigmaSettings settings = settings_of(attributes);
    if (settings.is_kernel) {
        kernel_intention(recorder, {in.at("q"), in.at("k"), in.at("v"), out.at("y"), out.at("report"), settings.scale,
                                    settings.alpha, settings.is_relative, settings.is_causal});
        return;
    }
    const Tensor x = recorder.temporary(in.at("q").shape);
    if (settings.is_causal)
        precondition_causal(recorder, settings, in, x, out.at("report"));
    else
        precondition(recorder, settings, in, x, out.at("report"));
    SoftmaxAttention attention;
    attention.q = x;
    attention.k = in.at("k");
    attention.v = in.at("v");
    attention.o = out.at("y");
    attention.scale = settings.scale;
    attention.is_causal = settings.is_causal;
    softmax_attention(recorder, attention);
}

} // namespace

Operator sigma_intention_operator()
{
    return {.name = "sigma_intention",
            .layout = Layout::batch,
            .inputs = {{"k"}, {"v"}, {"q"}},
            .outputs = {"y"},
            .attributes = {"alpha", "alpha_relative", "causal", "form", "score_scale"},
            .infer = infer,
            .record = record};
}

} // namespace gramian
