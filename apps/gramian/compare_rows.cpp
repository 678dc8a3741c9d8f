#include "compare_rows.hpp"

#include "compare_lara.hpp"
#include "compare_measures.hpp"
#include "compare_weights.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <fmt/format.h>
#include <random.hpp>

namespace gramian::app {
namespace {

/// One way to answer a trace: nodes from q, k, v to o.
struct Candidate {
    std::string name;
    std::string op;
    Json attributes;
    std::vector<Weight> weights; // of the node, under the port's name
    bool normalizes_keys = false;
    bool has_weights = true; // of the keys, whatever their values
};

std::vector<float> random_projection(const AttentionTrace& trace, uint32_t features)
{
    tasks::Random random(tasks::Purpose::evaluation, tasks::Lane::system, 7, features);
    std::vector<float> values(size_t{trace.heads} * features * trace.width);
    for (float& value : values) value = static_cast<float>(random.normal());
    return values;
}

Weight projection(const AttentionTrace& trace, uint32_t features)
{
    return {"projection", {trace.heads, features, trace.width}, random_projection(trace, features)};
}

Json retention_decay(uint32_t heads)
{
    Json decay = Json::array();
    for (uint32_t h = 0; h < heads; ++h) decay.push_back(std::log1p(-std::exp2(-5.0 - h)));
    return decay;
}

std::vector<Candidate> candidates(const AttentionTrace& trace, uint32_t budget)
{
    const uint32_t all = trace.tokens;
    const auto window = [&](uint32_t size) { return std::min(size, all); };
    std::vector<Candidate> list{
        {"softmax, all keys", "softmax_attention", {{"causal", true}, {"capacity", all}}, {}},
        {fmt::format("softmax, window {}", window(64)),
         "softmax_attention",
         {{"causal", true}, {"window", window(64)}, {"capacity", window(64)}},
         {}},
        {fmt::format("softmax, {} largest weights", budget),
         "softmax_attention",
         {{"causal", true}, {"capacity", all}, {"budget", budget}, {"method", "oblivious"}},
         {}},
        {fmt::format("softmax, {} keys refitted", budget),
         "softmax_attention",
         {{"causal", true}, {"capacity", all}, {"budget", budget}, {"method", "topk_refit"}},
         {},
         false,
         false},
        {"log-space (Heinsen)", "log_attention", {{"signed", true}}, {}},
        {"linear, elu + 1", "linear_attention", {{"feature", "elu1"}, {"normalize", true}}, {}},
        {"linear, relu",
         "linear_attention",
         {{"feature", "relu"}, {"normalize", true}, {"epsilon", 1e-6}, {"denominator_min", 1e-6}},
         {}},
        {"linear, exp", "linear_attention", {{"feature", "exp"}, {"normalize", true}}, {}},
        {"retention", "linear_attention", {{"head_decay", retention_decay(trace.heads)}}, {}},
        {"delta rule, unit keys", "linear_attention", {{"rule", "delta"}, {"scale", 1}}, {}, true},
        {"Intention", "intention", {{"causal", true}, {"alpha_relative", 1e-2}}, {}},
        {"sigma-Intention", "sigma_intention", {{"causal", true}, {"capacity", all}}, {}},
        {"EVA, window 32, chunks of 8",
         "eva",
         {{"causal", true}, {"window", 32}, {"chunk", 8}, {"projection", "no_ln"}, {"capacity", all}},
         plain_maps(trace.width, false)},
        {"EVA, local chunks left out",
         "eva",
         {{"causal", true},
          {"window", 32},
          {"chunk", 8},
          {"projection", "no_ln"},
          {"exclude_local", true},
          {"capacity", all}},
         plain_maps(trace.width, false)},
    };
    for (const uint32_t features : {64U, 256U}) {
        list.push_back({fmt::format("Performer, {} features", features),
                        "random_feature_attention",
                        {{"features", "favor"}, {"causal", true}, {"denominator_min", 1e-6}},
                        {projection(trace, features)}});
        list.push_back({fmt::format("RFA, {} features", 2 * features),
                        "linear_attention",
                        {{"feature", "rfa"}, {"normalize", true}, {"scale", 1}, {"denominator_min", 1e-2}},
                        {projection(trace, features)}});
    }
    return list;
}

std::vector<std::byte> model_of(const Candidate& candidate, const AttentionTrace& trace)
{
    const uint32_t keys = trace.heads * trace.width;
    const uint32_t values = trace.heads * trace.columns;
    Json nodes = Json::array();
    const auto unit = [&](const char* from, const char* to) {
        nodes.push_back({{"op", "l2_norm"}, {"in", {from}}, {"out", {to}}, {"attributes", {{"heads", trace.heads}}}});
    };
    if (candidate.normalizes_keys) unit("q", "unit_q");
    if (candidate.normalizes_keys) unit("k", "unit_k");
    const char* q = candidate.normalizes_keys ? "unit_q" : "q";
    const char* k = candidate.normalizes_keys ? "unit_k" : "k";
    Json attributes = candidate.attributes.is_null() ? Json::object() : candidate.attributes;
    attributes["heads"] = trace.heads;
    Json named = Json::object();
    TensorsHandle tensors;
    for (const Weight& weight : candidate.weights) {
        named[weight.name] = weight.name;
        tensors.add(weight.name, weight.shape, weight.values.data());
    }
    nodes.push_back({{"op", candidate.op},
                     {"in", {{"q", q}, {"k", k}, {"v", "v"}}},
                     {"out", {"o"}},
                     {"weights", named},
                     {"attributes", attributes}});
    const auto port = [](const char* name, uint32_t size) { return Json{{"name", name}, {"size", size}}; };
    const Json model{{"version", 1},
                     {"name", candidate.name},
                     {"inputs", {port("q", keys), port("k", keys), port("v", values)}},
                     {"outputs", {port("o", values)}},
                     {"nodes", nodes}};
    tensors.set_text("gramian.model", model.dump());
    return tensors.serialize();
}

/// The token t of every sequence, [B, row].
void gather(const std::vector<float>& all, uint32_t batch, uint32_t tokens, uint32_t t, size_t row,
            std::vector<float>& token)
{
    for (uint32_t b = 0; b < batch; ++b) {
        std::copy_n(all.data() + (size_t{b} * tokens + t) * row, row, token.data() + b * row);
    }
}

void decode(const DeviceHandle& device, const Candidate& candidate, const AttentionTrace& trace,
            const std::vector<double>& exact, PriceRow& row)
{
    const ModelHandle model(device, model_of(candidate, trace), candidate.name);
    gramian_session_options options = gramian_session_options_default();
    options.streams = trace.batch;
    SessionHandle session(model, options);
    const size_t keys = size_t{trace.heads} * trace.width;
    const size_t values = size_t{trace.heads} * trace.columns;
    std::vector<float> q(trace.batch * keys), k(q), v(trace.batch * values), o(v);
    const float* in[] = {q.data(), k.data(), v.data()};
    float* out[] = {o.data()};
    ErrorSum sum;
    std::vector<double> spent;
    for (uint32_t t = 0; t < trace.tokens; ++t) {
        gather(trace.q, trace.batch, trace.tokens, t, keys, q);
        gather(trace.k, trace.batch, trace.tokens, t, keys, k);
        gather(trace.v, trace.batch, trace.tokens, t, values, v);
        const auto start = std::chrono::steady_clock::now();
        api::check(gramian_session_step(session.get(), in, out));
        spent.push_back(std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count());
        for (uint32_t b = 0; b < trace.batch; ++b) {
            const double* wanted = exact.data() + trace.at(b, t, 0) * trace.columns;
            double off = 0, all = 0;
            for (size_t i = 0; i < values; ++i) {
                const double found = static_cast<double>(o[b * values + i]);
                off += (found - wanted[i]) * (found - wanted[i]);
                all += wanted[i] * wanted[i];
            }
            sum.add(off, all);
        }
    }
    row.error = sum.relative();
    row.worst_token = sum.relative_worst();
    row.state_bytes = session.info().state_bytes / trace.batch;
    row.bytes = static_cast<double>(session.info().step_bytes_moved) / trace.batch;
    row.us = median(std::move(spent)) / trace.batch;
    if (candidate.has_weights) row.weight_error = weight_error(session, trace);
}

// Value-aware sparsity -------------------------------------------------------------------------------------------

constexpr const char* kMethods[] = {"oblivious", "topk_refit", "frank_wolfe", "forward"};
constexpr Kernel kKernels[] = {Kernel::exp, Kernel::exp_half, Kernel::softplus, Kernel::quadratic};
constexpr uint32_t kSampledTokens = 12;

/// Positions that hold more keys than the budget, evenly spread up to the last one.
std::vector<uint32_t> sample_tokens(uint32_t tokens, uint32_t budget)
{
    std::vector<uint32_t> sampled;
    if (tokens <= budget) return sampled;
    const uint32_t count = std::min(kSampledTokens, tokens - budget);
    for (uint32_t i = 1; i <= count; ++i) sampled.push_back(budget + (tokens - budget) * i / count - 1);
    return sampled;
}

/// The weights and values that one token sees in every sequence and head: p [B H, N], v [B H, N, E].
struct SparseProblem {
    uint32_t problems = 0;
    uint32_t keys = 0;
    std::vector<float> p;
    std::vector<float> v;
};

SparseProblem problem_of(const AttentionTrace& trace, Kernel kernel, uint32_t t)
{
    SparseProblem problem{trace.batch * trace.heads, t + 1, {}, {}};
    for (uint32_t b = 0; b < trace.batch; ++b) {
        for (uint32_t h = 0; h < trace.heads; ++h) {
            for (const double weight : exact_weights(trace, kernel, b, t, h)) {
                problem.p.push_back(static_cast<float>(weight));
            }
            for (uint32_t n = 0; n <= t; ++n) {
                const float* v = trace.value(b, n, h);
                problem.v.insert(problem.v.end(), v, v + trace.columns);
            }
        }
    }
    return problem;
}

double top_share(const SparseProblem& problem, uint32_t budget)
{
    double share = 0;
    for (uint32_t i = 0; i < problem.problems; ++i) {
        std::vector<float> p(problem.p.begin() + static_cast<ptrdiff_t>(size_t{i} * problem.keys),
                             problem.p.begin() + static_cast<ptrdiff_t>(size_t{i + 1} * problem.keys));
        std::sort(p.begin(), p.end(), std::greater<>());
        for (uint32_t r = 0; r < std::min(budget, problem.keys); ++r) share += static_cast<double>(p[r]);
    }
    return share / problem.problems;
}

/// Errors of the chosen keys and weights, computed here from the problem itself.
void judge(const SparseProblem& problem, uint32_t columns, uint32_t budget, const TensorsHandle& chosen, ErrorSum& sum,
           double& weight_error)
{
    const gramian_tensor_view indices = chosen.find("indices");
    const gramian_tensor_view weights = chosen.find("weights");
    for (uint32_t i = 0; i < problem.problems; ++i) {
        const float* p = problem.p.data() + size_t{i} * problem.keys;
        const float* v = problem.v.data() + size_t{i} * problem.keys * columns;
        std::vector<double> difference(problem.keys); // p - w
        for (uint32_t n = 0; n < problem.keys; ++n) difference[n] = static_cast<double>(p[n]);
        for (uint32_t r = 0; r < budget; ++r) {
            const float index = indices.values[size_t{i} * budget + r];
            if (index >= 0) difference[static_cast<size_t>(index)] -= weights.values[size_t{i} * budget + r];
        }
        double off = 0, all = 0;
        for (uint32_t e = 0; e < columns; ++e) {
            double d = 0, o = 0;
            for (uint32_t n = 0; n < problem.keys; ++n) {
                d += difference[n] * static_cast<double>(v[size_t{n} * columns + e]);
                o += static_cast<double>(p[n]) * static_cast<double>(v[size_t{n} * columns + e]);
            }
            off += d * d;
            all += o * o;
        }
        for (const double d : difference) weight_error += std::abs(d);
        sum.add(off, all);
    }
}

SparseRow run_method(const DeviceHandle& device, const AttentionTrace& trace,
                     const std::vector<SparseProblem>& problems, const char* method, Kernel kernel, uint32_t budget)
{
    SparseRow row{method, kernel};
    const std::string attributes = Json{{"budget", budget}, {"method", method}}.dump();
    ErrorSum sum;
    double spent = 0;
    for (const SparseProblem& problem : problems) {
        TensorsHandle in;
        in.add("p", std::vector<uint64_t>{problem.problems, problem.keys}, problem.p.data());
        in.add("v", std::vector<uint64_t>{problem.problems, problem.keys, trace.columns}, problem.v.data());
        const auto start = std::chrono::steady_clock::now();
        const TensorsHandle chosen = run_operator(device, "value_aware_sparse", attributes, in);
        spent += std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count();
        judge(problem, trace.columns, budget, chosen, sum, row.weight_error);
    }
    row.error = sum.relative();
    row.worst_token = sum.relative_worst();
    row.weight_error /= static_cast<double>(sum.count);
    row.us = spent / static_cast<double>(sum.count);
    return row;
}

void study_kernels(const DeviceHandle& device, const AttentionTrace& trace, SparseStudy& study)
{
    for (const Kernel kernel : kKernels) {
        std::vector<SparseProblem> problems;
        double share = 0;
        for (const uint32_t t : study.tokens) {
            problems.push_back(problem_of(trace, kernel, t));
            share += top_share(problems.back(), study.budget) / static_cast<double>(study.tokens.size());
        }
        study.skew.emplace_back(kernel, share);
        double oblivious = 0;
        for (const char* method : kMethods) {
            SparseRow row = run_method(device, trace, problems, method, kernel, study.budget);
            if (row.method == kMethods[0]) oblivious = row.error;
            row.gain = oblivious > 0 ? 1 - row.error / oblivious : 0;
            study.rows.push_back(std::move(row));
        }
    }
}

} // namespace

std::vector<PriceRow> price_operators(const DeviceHandle& device, const AttentionTrace& trace,
                                      const std::vector<double>& exact, uint32_t budget)
{
    std::vector<PriceRow> rows;
    for (const Candidate& candidate : candidates(trace, budget)) {
        PriceRow row{candidate.name, candidate.op, candidate.attributes.is_null() ? "" : candidate.attributes.dump()};
        try {
            decode(device, candidate, trace, exact, row);
        } catch (const ApiError& error) {
            if (error.status() == GRAMIAN_DEVICE_LOST || error.status() == GRAMIAN_TIMEOUT) throw;
            row.refusal = std::string(error.what()).substr(candidate.name.size() + 2); // the model's name leads
            row.refusal.erase(std::min(row.refusal.find("; there are"), row.refusal.size()));
        }
        rows.push_back(std::move(row));
    }
    rows.push_back(price_lara(device, trace));
    return rows;
}

SparseStudy study_sparse(const DeviceHandle& device, const AttentionTrace& trace, uint32_t budget)
{
    SparseStudy study;
    study.budget = budget;
    study.tokens = sample_tokens(trace.tokens, budget);
    if (study.tokens.empty()) {
        study.refusal = fmt::format("a budget of {} keys, and the trace holds {} tokens", budget, trace.tokens);
        return study;
    }
    try {
        study_kernels(device, trace, study);
    } catch (const ApiError& error) {
        if (error.status() != GRAMIAN_UNSUPPORTED && error.status() != GRAMIAN_INVALID_ARGUMENT) throw;
        study.refusal = error.what();
    }
    return study;
}

} // namespace gramian::app
