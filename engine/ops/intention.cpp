// The operator `intention`: least-squares attention (Garnelo & Czarnecki 2023, arXiv:2305.10203). What is observed is
// summed into G = K^T K and S = K^T V, a ridge solve turns them into W = (G + ridge + alpha I)^-1 S, and a query reads
// W^T q. Over a context input a stream keeps G, S and W; causal, a node keeps G and S and answers token after token.
//
// k: [B,N,H,D], v: [B,N,H,E], q: [B,M,H,D], [decay], [beta] [B,N,H], [ridge [H,D]], [state_g, state_s]
// -> y: [B,M,H,E], variance: [B,M,H], state_g: [B,H,D,D], state_s: [B,H,D,E], report: [B,H,8], or [B,M,H,8] where
// every query is a solve of its own; with `chunks` the states after each piece.
#include "ops/copy.hpp"
#include "ops/intention_context.hpp"
#include "ops/pieces.hpp"
#include "ops/ring_append.hpp"
#include "ops/rls.hpp"

namespace gramian {
namespace {

constexpr std::string_view kSolvers[] = {"cholesky", "cg", "cg_compat", "qr", "rls"};
constexpr std::string_view kStarts[] = {"jacobi", "zero"};
constexpr double kMost = 1e30;

bool is_causal(const Attributes& attributes)
{
    return attributes.flag("causal", false);
}

/// All attributes, checked against each other.
IntentionSettings settings_of(const Attributes& attributes, bool has_ridge)
{
    if (attributes.has("alpha") && attributes.has("alpha_relative")) {
        raise(attributes.status(), "{}: both 'alpha' and 'alpha_relative' are given, expected one of them",
              attributes.where());
    }
    IntentionSettings settings;
    settings.is_relative = !attributes.has("alpha");
    settings.alpha = settings.is_relative ? attributes.number("alpha_relative", has_ridge ? 0.0 : 1e-4, 0, kMost)
                                          : attributes.number("alpha", 0, 0, kMost);
    settings.forget = static_cast<float>(attributes.number("forget", 1, 0, 1));
    settings.solver = static_cast<IntentionSolver>(attributes.choice("solver", kSolvers, 0));
    settings.starts_from_zero = attributes.choice("cg_start", kStarts, 0) == 1;
    settings.iterations = attributes.count("iterations", 30, 1, 1U << 20);
    if (attributes.has("chunks") && !is_causal(attributes)) {
        raise(attributes.status(), "{}: attribute 'chunks' needs causal: true", attributes.where());
    }
    const bool has_plain_alpha = settings.alpha > 0 ? !settings.is_relative : has_ridge;
    if (settings.solver == IntentionSolver::rls && (settings.forget != 1 || !has_plain_alpha)) {
        raise(attributes.status(),
              "{}: solver 'rls' keeps its ridge in what it carries: expected 'alpha' and no 'forget'",
              attributes.where());
    }
    return settings;
}

void check_shapes(const Attributes& attributes, const Tensors& in)
{
    const Shape& k = in.at("k").shape;
    const Shape& v = in.at("v").shape;
    const Shape& q = in.at("q").shape;
    if (k.rank() != 4 || v.rank() != 4 || q.rank() != 4 || v[0] != k[0] || v[1] != k[1] || v[2] != k[2] ||
        q[0] != k[0] || q[2] != k[2] || q[3] != k[3]) {
        raise(Status::invalid_argument, "intention: k {}, v {} and q {}: expected [B,N,H,D], [B,N,H,E] and [B,M,H,D]",
              k.text(), v.text(), q.text());
    }
    if (is_causal(attributes) && q[1] != k[1]) {
        raise(Status::invalid_argument, "intention: causal with {} queries and {} keys: expected as many", q[1], k[1]);
    }
    const Shape weights{k[0], k[1], k[2]};
    const std::pair<const char*, Shape> expected[] = {{"state_g", {k[0], k[2], k[3], k[3]}},
                                                      {"state_s", {k[0], k[2], k[3], v[3]}},
                                                      {"beta", weights},
                                                      {"decay", weights},
                                                      {"ridge", {k[2], k[3]}}};
    for (const auto& [name, shape] : expected) {
        const Tensor* given = in.find(name);
        if (!given || given->shape == shape) continue;
        raise(Status::invalid_argument, "intention: {}: expected {}, found {}", name, shape.text(),
              given->shape.text());
    }
}

void check_solver(const Attributes& attributes, const IntentionSettings& settings, const Tensors& in)
{
    if (settings.solver == IntentionSolver::rls && in.has("decay")) {
        raise(attributes.status(), "{}: solver 'rls' forgets nothing, and a decay is given", attributes.where());
    }
    if (settings.solver == IntentionSolver::qr && in.has("state_g") != in.has("state_s")) {
        raise(attributes.status(), "{}: solver 'qr' starts from both state_g and state_s, and one is given",
              attributes.where());
    }
}

/// Whether each query is a solve of its own, rather than a reading of one solution.
bool solves_queries(const Attributes& attributes, const IntentionSettings& settings)
{
    return is_causal(attributes) ||
           (settings.solver != IntentionSolver::cholesky && settings.solver != IntentionSolver::rls);
}

std::vector<std::pair<std::string, Shape>> infer(const Attributes& attributes, const Tensors& in)
{
    const IntentionSettings settings = settings_of(attributes, in.has("ridge"));
    check_shapes(attributes, in);
    check_solver(attributes, settings, in);
    const Shape& q = in.at("q").shape;
    const uint32_t columns = in.at("v").shape[3];
    const Shape g{q[0], q[2], q[3], q[3]};
    const Shape s{q[0], q[2], q[3], columns};
    std::vector<std::pair<std::string, Shape>> out{
        {"y", {q[0], q[1], q[2], columns}}, {"variance", {q[0], q[1], q[2]}}, {"state_g", g}, {"state_s", s}};
    if (attributes.has("chunks")) {
        const auto pieces = static_cast<uint32_t>(pieces_of(attributes, q[1]).size());
        out.emplace_back("state_g_chunks", Shape{pieces, g[0], g[1], g[2], g[3]});
        out.emplace_back("state_s_chunks", Shape{pieces, s[0], s[1], s[2], s[3]});
    }
    out.emplace_back("report", solves_queries(attributes, settings) ? Shape{q[0], q[1], q[2], kSolveReportWords}
                                                                    : Shape{q[0], q[2], kSolveReportWords});
    return out;
}

/// Everything about a causal call but its tokens and its states.
struct Prepared {
    CausalIntention i;
    Tensor decay, beta; // copies, where copies are needed
};

void prepare(Recorder& recorder, const Attributes& attributes, const Tensors& in, const Tensors& out,
             Prepared& prepared)
{
    CausalIntention& i = prepared.i;
    i.k = in.at("k");
    i.v = in.at("v");
    i.q = in.at("q");
    i.y = out.at("y");
    i.variance = out.find("variance");
    i.decay = in_activations(recorder, in.find("decay"), prepared.decay);
    i.beta = in_activations(recorder, in.find("beta"), prepared.beta);
    i.ridge = in.find("ridge");
    i.settings = settings_of(attributes, i.ridge != nullptr);
}

void record_causal(Recorder& recorder, const Attributes& attributes, const Tensors& in, const Tensors& out)
{
    Prepared prepared;
    prepare(recorder, attributes, in, out, prepared);
    CausalIntention& i = prepared.i;
    i.report = &out.at("report");
    i.g = out.at("state_g");
    i.s = out.at("state_s");
    i.initial_g = in.find("state_g");
    i.initial_s = in.find("state_s");
    i.kept = make_kept(recorder, i.settings, i.s.shape);
    i.is_afresh = true;
    uint32_t piece = 0;
    for (const uint32_t count : pieces_of(attributes, i.k.shape[1])) {
        i.count = count;
        causal_intention(recorder, i);
        i.first += count;
        i.is_afresh = false;
        i.initial_g = &i.g;
        i.initial_s = &i.s;
        if (const Tensor* all = out.find("state_g_chunks")) copy_whole(recorder, i.g, piece_of(*all, piece));
        if (const Tensor* all = out.find("state_s_chunks")) copy_whole(recorder, i.s, piece_of(*all, piece));
        ++piece;
    }
}

void record(Recorder& recorder, const Attributes& attributes, const Tensors& in, const Tensors& out)
{
    if (is_causal(attributes))
        record_causal(recorder, attributes, in, out);
    else
        context_intention(recorder, settings_of(attributes, in.has("ridge")), in, out);
}

// A recurrent node keeps G and S between tokens -------------------------------------------------------------------

std::vector<StateShape> recurrent_states(const Attributes& attributes, const Tensors& in)
{
    if (!is_causal(attributes)) {
        raise(attributes.status(), "{}: expected causal: true, or an input that depends on a context input",
              attributes.where());
    }
    const IntentionSettings settings = settings_of(attributes, in.has("ridge"));
    const Shape& k = in.at("k").shape;
    const uint32_t columns = in.at("v").shape[3];
    std::vector<StateShape> kept{
        {"state_g", {k[2], k[3], k[3]}}, {"state_s", {k[2], k[3], columns}}, {"report", {k[2], kSolveReportWords}}};
    if (settings.solver == IntentionSolver::qr) kept.push_back({"factor", {k[2], k[3], k[3] + columns}});
    if (settings.solver != IntentionSolver::rls) return kept;
    kept.push_back({"inverse", {k[2], k[3], k[3]}});
    kept.push_back({"weights", {k[2], k[3], columns}});
    kept.push_back({"record", {k[2], 4}});
    return kept;
}

void record_recurrent(Recorder& recorder, const Attributes& attributes, const Tensors& in, const Tensors& states,
                      const Tensors& out, const SlotMap& map)
{
    Prepared prepared;
    prepare(recorder, attributes, in, out, prepared);
    CausalIntention& i = prepared.i;
    i.map = map;
    i.g = states.at("state_g");
    i.s = states.at("state_s");
    i.initial_g = &i.g;
    i.initial_s = &i.s;
    if (const Tensor* factor = states.find("factor")) i.kept.factor = *factor;
    if (const Tensor* inverse = states.find("inverse")) {
        i.kept = {{}, *inverse, states.at("weights"), states.at("record")};
    }
    i.count = i.k.shape[1];
    const Tensor reports = recorder.temporary({i.k.shape[0], i.count, i.k.shape[2], kSolveReportWords});
    i.report = &reports;
    causal_intention(recorder, i);
    keep_last(recorder, reports, states.at("report"), map);
}

const RecurrentOps kRecurrent{recurrent_states, record_recurrent};

// Over a context: sums, a solve, a reading ------------------------------------------------------------------------

std::vector<StateShape> context_states(const Attributes& attributes, const Tensors& in)
{
    if (is_causal(attributes)) {
        raise(attributes.status(), "{}: causal: true has no meaning over a context input", attributes.where());
    }
    const IntentionSolver solver = settings_of(attributes, in.has("ridge")).solver;
    if (solver != IntentionSolver::cholesky && solver != IntentionSolver::rls) {
        raise(Status::unsupported, "{}: over a context input the solver is cholesky or rls, not {}", attributes.where(),
              kSolvers[static_cast<size_t>(solver)]);
    }
    const Shape& k = in.at("k").shape;
    const uint32_t columns = in.at("v").shape[3];
    constexpr bool kSum = true;
    std::vector<StateShape> kept{
        {"g", {k[2], k[3], k[3]}, kSum}, {"s", {k[2], k[3], columns}, kSum}, {"w", {k[2], k[3], columns}}};
    if (solver == IntentionSolver::cholesky) return kept;
    kept.push_back({"inverse", {k[2], k[3], k[3]}});
    kept.push_back({"record", {k[2], 4}});
    return kept;
}

/// What rls carries over a context: the solution follows every pair, so that a step may read it at once.
Rls carried(const Attributes& attributes, const Tensors& in, const Tensors& states, const SlotMap& map)
{
    Rls rls;
    rls.k = in.at("k");
    rls.v = in.at("v");
    rls.ridge = in.find("ridge");
    rls.initial_g = &states.at("g");
    rls.inverse = states.at("inverse");
    rls.weights = states.at("w");
    rls.record = states.at("record");
    rls.alpha = settings_of(attributes, rls.ridge != nullptr).alpha;
    rls.map = map;
    return rls;
}

IntentionSums sums_of(const Tensors& states)
{
    const Tensor& g = states.at("g");
    const Tensor& s = states.at("s");
    return {g, s, &g, &s};
}

void observe(Recorder& recorder, const Attributes& attributes, const Tensors& in, const Tensors& states,
             const SlotMap& map)
{
    if (states.has("inverse")) {
        Tensor beta;
        Rls rls = carried(attributes, in, states, map);
        rls.beta = in_activations(recorder, in.find("beta"), beta);
        rls.start = RlsStart::where_empty;
        rls.count = rls.k.shape[1];
        recursive_least_squares(recorder, rls);
    }
    accumulate_sums(recorder, settings_of(attributes, in.has("ridge")), in, sums_of(states), map);
}

void solve(Recorder& recorder, const Attributes& attributes, const Tensors& in, const Tensors& states,
           const Tensor& report, const SlotMap& map)
{
    const IntentionSettings settings = settings_of(attributes, in.has("ridge"));
    settle_sums(recorder, settings, in, sums_of(states), states.at("w"), report, map);
    if (!states.has("inverse")) return;
    // The solution has lost its rounding, and what was added to the sums is in it: so shall it be in the inverse.
    Rls rls = carried(attributes, in, states, map);
    const Shape& k = rls.k.shape;
    rls.v.shape = {report.shape[0], 1, k[2], rls.v.shape[3]};
    rls.k.shape = {report.shape[0], 1, k[2], k[3]};
    rls.start = RlsStart::anew;
    recursive_least_squares(recorder, rls);
}

/// The answer is that of the last solve, the variance that of all that was observed.
void read(Recorder& recorder, const Attributes& attributes, const Tensors& in, const Tensors& states,
          const Tensors& out, const SlotMap& map)
{
    read_solution(recorder, in.at("q"), states.at("w"), out.at("y"), map);
    const Tensor* variance = out.find("variance");
    if (!variance) return;
    QuerySolve solve;
    solve.g = states.at("g");
    solve.q = in.at("q");
    solve.ridge = in.find("ridge");
    solve.variance = variance;
    const IntentionSettings settings = settings_of(attributes, solve.ridge != nullptr);
    solve.alpha = settings.alpha;
    solve.is_relative = settings.is_relative;
    solve.count = solve.q.shape[1];
    solve.map = map;
    query_solve(recorder, solve);
}

const ContextOps kContext{{"k", "v", "decay", "beta"}, context_states, observe, solve, read};

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
            .extras = {"variance"},
            .attributes = {"alpha", "alpha_relative", "causal", "cg_start", "chunks", "forget", "iterations", "solver"},
            .infer = infer,
            .record = record,
            .context = &kContext,
            .recurrent = &kRecurrent};
}

} // namespace gramian
