#include "attention_trace.hpp"

#include <gramian/gramian.hpp>
#include <random.hpp>

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <map>

namespace gramian::app {
namespace {

struct View {
    std::vector<uint64_t> shape;
    const float* values = nullptr;
};

std::string text_of(const View& view)
{
    return fmt::format("[{}]", fmt::join(view.shape, ", "));
}

/// The first `tokens` of [B, T, H, C].
std::vector<float> cut(const View& view, uint32_t tokens)
{
    const uint64_t row = view.shape[2] * view.shape[3];
    std::vector<float> values;
    values.reserve(view.shape[0] * tokens * row);
    for (uint64_t b = 0; b < view.shape[0]; ++b) {
        const float* from = view.values + b * view.shape[1] * row;
        values.insert(values.end(), from, from + tokens * row);
    }
    return values;
}

AttentionTrace trace_of(const std::string& path, const std::string& name, std::map<std::string, View>& parts,
                        uint32_t most_tokens)
{
    const std::string where = name.empty() ? path : path + ": " + name;
    for (const char* part : {"q", "k", "v"}) {
        if (parts.contains(part)) continue;
        throw std::runtime_error(fmt::format("{}: expected tensors q, k and v, found no {}", where, part));
    }
    const View &q = parts["q"], &k = parts["k"], &v = parts["v"];
    const bool fits = q.shape.size() == 4 && k.shape == q.shape && v.shape.size() == 4 && v.shape[0] == q.shape[0] &&
                      v.shape[1] == q.shape[1] && v.shape[2] == q.shape[2];
    if (!fits) {
        throw std::runtime_error(fmt::format("{}: q {}, k {} and v {}: expected [B, T, H, D], [B, T, H, D] and "
                                             "[B, T, H, E]",
                                             where, text_of(q), text_of(k), text_of(v)));
    }
    AttentionTrace trace;
    trace.name = name;
    trace.batch = static_cast<uint32_t>(q.shape[0]);
    trace.tokens = static_cast<uint32_t>(std::min<uint64_t>(q.shape[1], most_tokens));
    trace.heads = static_cast<uint32_t>(q.shape[2]);
    trace.width = static_cast<uint32_t>(q.shape[3]);
    trace.columns = static_cast<uint32_t>(v.shape[3]);
    trace.q = cut(q, trace.tokens);
    trace.k = cut(k, trace.tokens);
    trace.v = cut(v, trace.tokens);
    for (const std::vector<float>* part : {&trace.q, &trace.k, &trace.v}) {
        const auto bad = std::find_if(part->begin(), part->end(), [](float x) { return !std::isfinite(x); });
        if (bad == part->end()) continue;
        throw std::runtime_error(
            fmt::format("{}: element {} is {}: expected finite numbers", where, bad - part->begin(), *bad));
    }
    return trace;
}

double kernel_value(Kernel kernel, double s)
{
    switch (kernel) {
        case Kernel::exp_half:
            return std::exp(s / 2);
        case Kernel::quadratic:
            return (1 + s) * (1 + s);
        case Kernel::softplus:
            return std::log1p(std::exp(-std::abs(s))) + std::max(s, 0.0);
        default:
            return std::exp(s);
    }
}

} // namespace

std::vector<AttentionTrace> load_traces(const std::string& path, uint32_t most_tokens)
{
    const TensorsHandle tensors = TensorsHandle::load(path);
    std::map<std::string, std::map<std::string, View>> nodes;
    for (uint32_t i = 0; i < gramian_tensors_count(tensors.get()); ++i) {
        gramian_tensor_view view{};
        view.size = sizeof view;
        api::check(gramian_tensors_get(tensors.get(), i, &view));
        const std::string name = view.name;
        const size_t dot = name.rfind('.');
        const std::string node = dot == std::string::npos ? "" : name.substr(0, dot);
        const std::string part = dot == std::string::npos ? name : name.substr(dot + 1);
        if (part != "q" && part != "k" && part != "v") continue;
        nodes[node][part] = {{view.shape, view.shape + view.rank}, view.values};
    }
    if (nodes.empty()) throw std::runtime_error(path + ": expected tensors q, k and v, found none of them");
    std::vector<AttentionTrace> traces;
    for (auto& [name, parts] : nodes) traces.push_back(trace_of(path, name, parts, most_tokens));
    return traces;
}

void save_traces(const std::vector<AttentionTrace>& traces, const std::string& path)
{
    TensorsHandle tensors;
    for (const AttentionTrace& trace : traces) {
        const std::string prefix = traces.size() == 1 ? "" : trace.name + ".";
        const std::vector<uint64_t> keys{trace.batch, trace.tokens, trace.heads, trace.width};
        const std::vector<uint64_t> values{trace.batch, trace.tokens, trace.heads, trace.columns};
        tensors.add(prefix + "q", keys, trace.q.data());
        tensors.add(prefix + "k", keys, trace.k.data());
        tensors.add(prefix + "v", values, trace.v.data());
    }
    tensors.save(path);
}

AttentionTrace generate_trace(uint32_t tokens, uint32_t heads, uint32_t width, double skew, uint64_t seed)
{
    AttentionTrace trace;
    trace.batch = 1;
    trace.tokens = tokens;
    trace.heads = heads;
    trace.width = trace.columns = width;
    tasks::Random random(tasks::Purpose::evaluation, tasks::Lane::policy, seed, 0);
    // q.k D^-1/2 of standard normal vectors has deviation 1: scaling q by `skew` gives the logits that deviation.
    const auto fill = [&](std::vector<float>& values, double scale) {
        values.resize(size_t{tokens} * heads * width);
        for (float& value : values) value = static_cast<float>(scale * random.normal());
    };
    fill(trace.q, skew);
    fill(trace.k, 1);
    fill(trace.v, 1);
    return trace;
}

const char* kernel_name(Kernel kernel)
{
    constexpr const char* kNames[] = {"exp(s)", "exp(s/2)", "(1+s)^2", "log(1+exp(s))"};
    return kNames[static_cast<size_t>(kernel)];
}

std::vector<double> exact_weights(const AttentionTrace& trace, Kernel kernel, uint32_t b, uint32_t t, uint32_t h)
{
    std::vector<double> weights(t + 1);
    const float* q = trace.query(b, t, h);
    for (uint32_t n = 0; n <= t; ++n) {
        const float* k = trace.key(b, n, h);
        double s = 0;
        for (uint32_t i = 0; i < trace.width; ++i) s += static_cast<double>(q[i]) * static_cast<double>(k[i]);
        weights[n] = s / std::sqrt(static_cast<double>(trace.width));
    }
    const bool is_exponential = kernel == Kernel::exp || kernel == Kernel::exp_half;
    const double most = is_exponential ? *std::max_element(weights.begin(), weights.end()) : 0.0;
    double sum = 0;
    for (double& weight : weights) sum += weight = kernel_value(kernel, weight - most);
    for (double& weight : weights) weight /= sum;
    return weights;
}

std::vector<double> exact_outputs(const AttentionTrace& trace)
{
    std::vector<double> outputs(size_t{trace.batch} * trace.tokens * trace.heads * trace.columns);
    for (uint32_t b = 0; b < trace.batch; ++b) {
        for (uint32_t t = 0; t < trace.tokens; ++t) {
            for (uint32_t h = 0; h < trace.heads; ++h) {
                const std::vector<double> weights = exact_weights(trace, Kernel::exp, b, t, h);
                double* o = outputs.data() + trace.at(b, t, h) * trace.columns;
                for (uint32_t n = 0; n <= t; ++n) {
                    const float* v = trace.value(b, n, h);
                    for (uint32_t e = 0; e < trace.columns; ++e) o[e] += weights[n] * static_cast<double>(v[e]);
                }
            }
        }
    }
    return outputs;
}

} // namespace gramian::app
