#include "ops/intention_context.hpp"

#include "ops/copy.hpp"
#include "ops/outer_sum.hpp"
#include "ops/rls.hpp"
#include "ops/square_root.hpp"
#include "ops/state_read.hpp"

namespace gramian {

void accumulate_sums(Recorder& recorder, const IntentionSettings& settings, const Tensors& in,
                     const IntentionSums& sums, const SlotMap& map)
{
    Tensor beta;
    Tensor decay;
    OuterSum sum;
    sum.x = in.at("k");
    sum.beta = in_activations(recorder, in.find("beta"), beta);
    sum.decay = in_activations(recorder, in.find("decay"), decay);
    sum.forget = settings.forget;
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

void settle_sums(Recorder& recorder, const IntentionSettings& settings, const Tensors& in, const IntentionSums& sums,
                 const Tensor& w, const Tensor& report, const SlotMap& map)
{
    RidgeSolve solve;
    solve.a = sums.g;
    solve.rhs = sums.s;
    solve.ridge = in.find("ridge");
    solve.x = w;
    solve.report = report;
    solve.alpha = settings.alpha;
    solve.is_relative = settings.is_relative;
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

/// What qr and rls carry during one call.
SolverState make_kept(Recorder& recorder, const IntentionSettings& settings, const Shape& s)
{
    SolverState kept;
    if (settings.solver == IntentionSolver::qr) kept.factor = recorder.temporary({s[0], s[1], s[2], s[2] + s[3]});
    if (settings.solver != IntentionSolver::rls) return kept;
    kept.inverse = recorder.temporary({s[0], s[1], s[2], s[2]});
    kept.weights = recorder.temporary(s);
    kept.record = recorder.temporary({s[0], s[1], 4});
    return kept;
}

namespace {

/// The variance of every query, and for conjugate gradients the answers.
void solve_queries(Recorder& recorder, const IntentionSettings& settings, const Tensors& in, const Tensors& out)
{
    QuerySolve solve;
    solve.g = out.at("state_g");
    solve.q = in.at("q");
    solve.ridge = in.find("ridge");
    solve.variance = out.find("variance");
    solve.alpha = settings.alpha;
    solve.is_relative = settings.is_relative;
    solve.solver = query_solver(settings);
    solve.iterations = settings.iterations;
    solve.count = solve.q.shape[1];
    if (settings.solver != IntentionSolver::cholesky) {
        solve.s = &out.at("state_s");
        solve.y = &out.at("y");
        solve.report = &out.at("report");
    }
    query_solve(recorder, solve);
}

void solve_by_square_root(Recorder& recorder, const IntentionSettings& settings, const Tensors& in, const Tensors& out)
{
    Tensor beta;
    Tensor decay;
    SquareRoot root;
    root.k = in.at("k");
    root.v = in.at("v");
    root.q = in.at("q");
    root.y = out.at("y");
    root.variance = out.find("variance");
    root.report = out.find("report");
    root.beta = in_activations(recorder, in.find("beta"), beta);
    root.decay = in_activations(recorder, in.find("decay"), decay);
    root.ridge = in.find("ridge");
    root.initial_g = in.find("state_g");
    root.initial_s = in.find("state_s");
    root.factor = make_kept(recorder, settings, out.at("state_s").shape).factor;
    root.start = root.initial_g ? RootStart::from_sums : RootStart::zeros;
    root.forget = settings.forget;
    root.alpha = settings.alpha;
    root.is_relative = settings.is_relative;
    square_root(recorder, root);
}

/// variance = q . (P q): a second reading, each query of its own image.
void read_variance(Recorder& recorder, const Tensor& q, const Tensor& inverse, const Tensor& variance)
{
    const Shape& s = q.shape;
    const Tensor image = recorder.temporary(s);
    read_solution(recorder, q, inverse, image, {});
    read_solution(recorder, q.as({s[0] * s[1], 1, s[2], s[3]}), image.as({s[0] * s[1], s[2], s[3], 1}),
                  variance.as({s[0] * s[1], 1, s[2], 1}), {});
}

void solve_by_rls(Recorder& recorder, const IntentionSettings& settings, const Tensors& in, const Tensors& out)
{
    Tensor beta;
    const SolverState kept = make_kept(recorder, settings, out.at("state_s").shape);
    const Shape& k = in.at("k").shape;
    const Tensor reports = recorder.temporary({k[0], k[1], k[2], kSolveReportWords});
    Rls rls;
    rls.k = in.at("k");
    rls.v = in.at("v");
    rls.report = &reports;
    rls.beta = in_activations(recorder, in.find("beta"), beta);
    rls.ridge = in.find("ridge");
    rls.initial_g = in.find("state_g");
    rls.initial_s = in.find("state_s");
    rls.inverse = kept.inverse;
    rls.weights = kept.weights;
    rls.record = kept.record;
    rls.start = RlsStart::afresh;
    rls.alpha = settings.alpha;
    rls.count = k[1];
    recursive_least_squares(recorder, rls);
    const uint32_t token = k[2] * kSolveReportWords;
    copy_columns(recorder, reports.as({k[0], k[1] * token}), (k[1] - 1) * token, out.at("report").as({k[0], token}), 0,
                 token);
    read_solution(recorder, in.at("q"), kept.weights, out.at("y"), {});
    if (const Tensor* variance = out.find("variance")) read_variance(recorder, in.at("q"), kept.inverse, *variance);
}

} // namespace

void context_intention(Recorder& recorder, const IntentionSettings& settings, const Tensors& in, const Tensors& out)
{
    const IntentionSums sums{out.at("state_g"), out.at("state_s"), in.find("state_g"), in.find("state_s")};
    accumulate_sums(recorder, settings, in, sums, {});
    if (settings.solver == IntentionSolver::qr) return solve_by_square_root(recorder, settings, in, out);
    if (settings.solver == IntentionSolver::rls) return solve_by_rls(recorder, settings, in, out);
    solve_queries(recorder, settings, in, out);
    if (settings.solver != IntentionSolver::cholesky) return;
    const Tensor w = recorder.temporary(sums.s.shape);
    settle_sums(recorder, settings, in, sums, w, out.at("report"), {});
    read_solution(recorder, in.at("q"), w, out.at("y"), {});
}

} // namespace gramian
