#include "ops/intention_causal.hpp"

#include "ops/outer_sum.hpp"
#include "ops/rls.hpp"
#include "ops/square_root.hpp"

namespace gramian {
namespace {

// The sums after each of some tokens at a time: enough solves side by side to fill a GPU, little enough for a phone.
constexpr uint64_t kHistoryBytes = uint64_t{16} << 20;
constexpr uint32_t kMaxTokens = 4'096;

uint32_t tokens_at_once(const Recorder& recorder, const CausalIntention& i)
{
    const Shape& k = i.k.shape;
    const uint64_t width = k[3];
    const uint64_t sums = 4 * width * (width + (i.x ? 0 : i.v.shape[3]));
    const uint64_t factor = query_solve_scratch_bytes(recorder.caps, query_solver(i.settings), k[3]);
    const uint64_t token = uint64_t{k[0]} * k[2] * (sums + factor);
    return static_cast<uint32_t>(std::clamp<uint64_t>(kHistoryBytes / token, 1, std::min(kMaxTokens, i.count)));
}

/// Room for the sums after each of `tokens` tokens; a pass over fewer uses the front of it.
struct History {
    Tensor g;
    Tensor s;
    Tensor factors;
};

History make_history(Recorder& recorder, const CausalIntention& i, uint32_t tokens)
{
    const Shape& k = i.k.shape;
    History history;
    const uint64_t factor = query_solve_scratch_bytes(recorder.caps, query_solver(i.settings), k[3]);
    const uint32_t rows = k[0] * tokens;
    if (factor > 0) history.factors = recorder.temporary({rows, k[2], static_cast<uint32_t>(factor / 4)});
    if (tokens == 1) return history;
    history.g = recorder.temporary({rows, k[2], k[3], k[3]});
    if (!i.x) history.s = recorder.temporary({rows, k[2], k[3], i.v.shape[3]});
    return history;
}

void accumulate(Recorder& recorder, const CausalIntention& i, uint32_t first, uint32_t count, const Tensor* history_g,
                const Tensor* history_s)
{
    OuterSum sum;
    sum.x = i.k;
    sum.beta = i.beta;
    sum.decay = i.decay;
    sum.forget = i.settings.forget;
    sum.map = i.map;
    sum.first = first;
    sum.count = count;
    sum.y = &i.k;
    sum.z = i.g;
    sum.initial = first == i.first ? i.initial_g : &i.g;
    sum.history = history_g;
    outer_sum(recorder, sum);
    if (i.x) return;
    sum.y = &i.v;
    sum.z = i.s;
    sum.initial = first == i.first ? i.initial_s : &i.s;
    sum.history = history_s;
    outer_sum(recorder, sum);
}

void answer(Recorder& recorder, const CausalIntention& i, uint32_t first, uint32_t count, const Tensor& g,
            const Tensor& s, const Tensor* factors)
{
    QuerySolve solve;
    solve.g = g;
    solve.s = i.x ? nullptr : &s;
    solve.q = i.q;
    solve.ridge = i.ridge;
    solve.y = i.x ? nullptr : &i.y;
    solve.x = i.x;
    solve.variance = i.variance;
    solve.report = i.report;
    solve.scratch = factors;
    solve.alpha = i.settings.alpha;
    solve.is_relative = i.settings.is_relative;
    solve.solver = query_solver(i.settings);
    solve.iterations = i.settings.iterations;
    solve.is_per_token = count > 1;
    solve.first = first;
    solve.count = count;
    solve.map = i.map;
    query_solve(recorder, solve);
}

/// Some tokens at a time: their sums, each kept, then all their solves side by side.
void by_queries(Recorder& recorder, const CausalIntention& i)
{
    const Shape& k = i.k.shape;
    const uint32_t columns = i.x ? 0 : i.v.shape[3];
    const uint32_t most = tokens_at_once(recorder, i);
    const History history = make_history(recorder, i, most);
    const Tensor* factors = history.factors.shape.rank() > 0 ? &history.factors : nullptr;
    for (uint32_t done = 0; done < i.count;) {
        const uint32_t first = i.first + done;
        const uint32_t count = std::min(most, i.count - done);
        done += count;
        if (count == 1) { // the states are what this token sees
            accumulate(recorder, i, first, 1, nullptr, nullptr);
            answer(recorder, i, first, 1, i.g, i.s, factors);
            continue;
        }
        const Tensor kept_g{Arena::activations, history.g.offset, {k[0], count, k[2], k[3], k[3]}};
        const Tensor kept_s{Arena::activations, history.s.offset, {k[0], count, k[2], k[3], columns}}; // empty with x
        accumulate(recorder, i, first, count, &kept_g, &kept_s);
        answer(recorder, i, first, count, kept_g.as({k[0] * count, k[2], k[3], k[3]}),
               kept_s.as({k[0] * count, k[2], k[3], columns}), factors);
    }
}

void by_square_root(Recorder& recorder, const CausalIntention& i)
{
    SquareRoot root;
    root.k = i.k;
    root.v = i.v;
    root.q = i.q;
    root.y = i.y;
    root.variance = i.variance;
    root.report = i.report;
    root.decay = i.decay;
    root.beta = i.beta;
    root.ridge = i.ridge;
    root.factor = i.kept.factor;
    if (i.is_afresh) {
        root.initial_g = i.initial_g;
        root.initial_s = i.initial_s;
        root.start = i.initial_g ? RootStart::from_sums : RootStart::zeros;
    }
    root.forget = i.settings.forget;
    root.alpha = i.settings.alpha;
    root.is_relative = i.settings.is_relative;
    root.is_causal = true;
    root.map = i.map;
    root.first = i.first;
    root.count = i.count;
    square_root(recorder, root);
}

void by_rls(Recorder& recorder, const CausalIntention& i)
{
    Rls rls;
    rls.k = i.k;
    rls.v = i.v;
    rls.q = &i.q;
    rls.y = &i.y;
    rls.variance = i.variance;
    rls.report = i.report;
    rls.beta = i.beta;
    rls.ridge = i.ridge;
    rls.inverse = i.kept.inverse;
    rls.weights = i.kept.weights;
    rls.record = i.kept.record;
    rls.start = i.is_afresh ? RlsStart::afresh : RlsStart::where_empty;
    if (i.is_afresh) {
        rls.initial_g = i.initial_g;
        rls.initial_s = i.initial_s;
    }
    rls.alpha = i.settings.alpha;
    rls.map = i.map;
    rls.first = i.first;
    rls.count = i.count;
    recursive_least_squares(recorder, rls);
}

} // namespace

QuerySolver query_solver(const IntentionSettings& settings)
{
    if (settings.solver == IntentionSolver::cg) return QuerySolver::gradients;
    if (settings.solver != IntentionSolver::cg_compat) return QuerySolver::cholesky;
    return settings.starts_from_zero ? QuerySolver::compatible_from_zero : QuerySolver::compatible;
}

void causal_intention(Recorder& recorder, const CausalIntention& i)
{
    if (i.settings.solver == IntentionSolver::qr) by_square_root(recorder, i);
    if (i.settings.solver == IntentionSolver::rls) by_rls(recorder, i);
    if (i.settings.solver >= IntentionSolver::qr)
        accumulate(recorder, i, i.first, i.count, nullptr, nullptr);
    else
        by_queries(recorder, i);
}

} // namespace gramian
