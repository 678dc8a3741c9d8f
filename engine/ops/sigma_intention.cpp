// The operator `sigma_intention`: what softmax attention is to linear attention, this is to Intention (Garnelo &
// Czarnecki 2023, arXiv:2305.10203). Two readings of that, since the paper's own formula could not be checked:
// score = softmax(s Q (K^T K + alpha I)^-1 K^T) V, kernel = softmax(s Q K^T) (softmax(s K K^T) + alpha I)^-1 V.
// Both contain softmax attention: where K^T K + alpha I is a multiple of I, and as alpha grows.
//
// k: [B,N,H,D], v: [B,N,H,E], q: [B,M,H,D] -> y: [B,M,H,E], report: [B,M,H,8]. Causal: query t over the keys up to t.
// A causal node in the score form keeps K^T K and, in a ring of `capacity`, the pairs themselves: no state of constant
// size would do.
#include "ops/intention_causal.hpp"
#include "ops/kernel_intention.hpp"
#include "ops/operator.hpp"
#include "ops/outer_sum.hpp"
#include "ops/softmax_attention.hpp"

namespace gramian {
namespace {

constexpr std::string_view kForms[] = {"score", "kernel"};
constexpr uint32_t kMaxCapacity = 1U << 24;

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

/// All but the sums of (K^T K + alpha I)^-1 q over the keys up to q's own.
CausalIntention preconditioner(const SigmaSettings& settings, const Tensors& in, const Tensor& x, const Tensor& report)
{
    CausalIntention intention;
    intention.k = in.at("k");
    intention.q = in.at("q");
    intention.x = &x;
    intention.report = &report;
    intention.settings.alpha = settings.alpha;
    intention.settings.is_relative = settings.is_relative;
    intention.count = intention.q.shape[1];
    return intention;
}

/// The same for query t over the keys up to t.
void precondition_causal(Recorder& recorder, const SigmaSettings& settings, const Tensors& in, const Tensor& x,
                         const Tensor& report)
{
    const Shape& q = in.at("q").shape;
    CausalIntention intention = preconditioner(settings, in, x, report);
    intention.g = recorder.temporary({q[0], q[2], q[3], q[3]});
    causal_intention(recorder, intention);
}

SoftmaxAttention attention_of(const SigmaSettings& settings, const Tensors& in, const Tensor& x, const Tensor& y)
{
    SoftmaxAttention attention;
    attention.q = x;
    attention.k = in.at("k");
    attention.v = in.at("v");
    attention.o = y;
    attention.scale = settings.scale;
    attention.is_causal = settings.is_causal;
    return attention;
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
    softmax_attention(recorder, attention_of(settings, in, x, out.at("y")));
}

// Token by token ----------------------------------------------------------------------------------------------------

uint32_t capacity_of(const Attributes& attributes)
{
    if (!attributes.has("capacity")) {
        raise(attributes.status(), "{}: sigma_intention keeps every pair: attribute 'capacity' is missing",
              attributes.where());
    }
    return attributes.count("capacity", 0, 1, kMaxCapacity);
}

std::vector<StateShape> recurrent_states(const Attributes& attributes, const Tensors& in)
{
    const SigmaSettings settings = settings_of(attributes);
    if (!settings.is_causal || settings.is_kernel) {
        raise(Status::unsupported, "{}: a node that goes token by token needs 'causal' and the form 'score'",
              attributes.where());
    }
    const Shape& k = in.at("k").shape;
    const uint32_t rows = capacity_of(attributes);
    return {{"state_g", {k[2], k[3], k[3]}},
            {"k", {rows, k[2], k[3]}},
            {"v", {rows, k[2], in.at("v").shape[3]}},
            {"total", {2}},
            {"report", {k[2], kSolveReportWords}}};
}

void record_recurrent(Recorder& recorder, const Attributes& attributes, const Tensors& in, const Tensors& states,
                      const Tensors& out, const SlotMap& map)
{
    const SigmaSettings settings = settings_of(attributes);
    const Shape& q = in.at("q").shape;
    const Tensor x = recorder.temporary(q);
    const Tensor reports = recorder.temporary({q[0], q[1], q[2], kSolveReportWords});
    CausalIntention intention = preconditioner(settings, in, x, reports);
    intention.g = states.at("state_g");
    intention.initial_g = &intention.g;
    intention.map = map;
    causal_intention(recorder, intention);
    const PairRing ring{states.at("k"), states.at("v"), &states.at("total")};
    SoftmaxAttention attention = attention_of(settings, in, x, out.at("y"));
    attention.ring = &ring;
    attention.map = map;
    softmax_attention(recorder, attention);
    ring_append(recorder, ring, attention.k, attention.v, 0, q[1], map);
    keep_last(recorder, reports, states.at("report"), map);
}

const RecurrentOps kRecurrent{recurrent_states, record_recurrent, capacity_of};

} // namespace

Operator sigma_intention_operator()
{
    return {.name = "sigma_intention",
            .layout = Layout::heads,
            .inputs = {{"k"}, {"v"}, {"q"}},
            .outputs = {"y"},
            .attributes = {"alpha", "alpha_relative", "capacity", "causal", "form", "score_scale"},
            .infer = infer,
            .record = record,
            .recurrent = &kRecurrent};
}

} // namespace gramian
