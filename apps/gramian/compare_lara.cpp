#include "compare_lara.hpp"

#include "compare_measures.hpp"

#include <chrono>
#include <fmt/format.h>

namespace gramian::app {
namespace {

constexpr uint32_t kMostLandmarks = 32;

/// Softmax attention of every query over all keys, later ones too, in float64: [B, T, H, E].
std::vector<double> exact_over_all(const AttentionTrace& trace)
{
    std::vector<double> o(trace.v.size());
    const double scale = 1 / std::sqrt(static_cast<double>(trace.width));
    std::vector<double> weights(trace.tokens);
    for (uint32_t b = 0; b < trace.batch; ++b) {
        for (uint32_t i = 0; i < trace.tokens * trace.heads; ++i) {
            const uint32_t t = i / trace.heads;
            const uint32_t h = i % trace.heads;
            double largest = -INFINITY, total = 0;
            for (uint32_t s = 0; s < trace.tokens; ++s) {
                double sum = 0;
                for (uint32_t d = 0; d < trace.width; ++d) {
                    sum += static_cast<double>(trace.query(b, t, h)[d]) * static_cast<double>(trace.key(b, s, h)[d]);
                }
                weights[s] = scale * sum;
                largest = std::max(largest, weights[s]);
            }
            double* row = o.data() + trace.at(b, t, h) * trace.columns;
            for (uint32_t s = 0; s < trace.tokens; ++s) {
                const double weight = std::exp(weights[s] - largest);
                total += weight;
                for (uint32_t e = 0; e < trace.columns; ++e) {
                    row[e] += weight * static_cast<double>(trace.value(b, s, h)[e]);
                }
            }
            for (uint32_t e = 0; e < trace.columns; ++e) row[e] /= total;
        }
    }
    return o;
}

constexpr uint32_t kCalls = 5;

/// The answer, and the time of each call.
std::vector<float> run_lara(const DeviceHandle& device, const AttentionTrace& trace, const std::string& setting,
                            std::vector<double>& spent)
{
    std::vector<float> found;
    const std::vector<uint64_t> shape{trace.batch, trace.tokens, trace.heads, trace.width};
    TensorsHandle in;
    in.add("q", shape, trace.q.data());
    in.add("k", shape, trace.k.data());
    in.add("v", shape, trace.v.data());
    const std::vector<Weight> maps = plain_maps(trace.width, true);
    for (const Weight& weight : maps) in.add(weight.name, weight.shape, weight.values.data());
    for (uint32_t i = 0; i < kCalls; ++i) {
        const auto start = std::chrono::steady_clock::now();
        const TensorsHandle out = run_operator(device, "lara", setting, in);
        spent.push_back(std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count());
        const gramian_tensor_view o = out.find("o");
        found.assign(o.values, o.values + o.element_count);
    }
    return found;
}

void measure(const DeviceHandle& device, const AttentionTrace& trace, PriceRow& row)
{
    std::vector<double> spent;
    const std::vector<float> found = run_lara(device, trace, row.setting, spent);
    const std::vector<double> exact = exact_over_all(trace);
    ErrorSum sum;
    const size_t values = size_t{trace.heads} * trace.columns;
    for (size_t first = 0; first < exact.size(); first += values) {
        double off = 0, all = 0;
        for (size_t i = first; i < first + values; ++i) {
            off += (static_cast<double>(found[i]) - exact[i]) * (static_cast<double>(found[i]) - exact[i]);
            all += exact[i] * exact[i];
        }
        sum.add(off, all);
    }
    row.error = sum.relative();
    row.worst_token = sum.relative_worst();
    row.us = median(std::move(spent)) / (static_cast<double>(trace.batch) * trace.tokens);
}

} // namespace

std::vector<Weight> plain_maps(uint32_t width, bool has_norms)
{
    std::vector<Weight> weights;
    for (const char* side : {"mu_q", "mu_k"}) {
        Weight matrix{fmt::format("{}.weight", side), {width, width}, std::vector<float>(size_t{width} * width)};
        for (uint32_t i = 0; i < width; ++i) matrix.values[size_t{i} * width + i] = 1;
        weights.push_back(std::move(matrix));
        weights.push_back({fmt::format("{}.bias", side), {width}, std::vector<float>(width)});
        if (!has_norms) continue;
        weights.push_back({fmt::format("{}.norm.weight", side), {width}, std::vector<float>(width, 1)});
        weights.push_back({fmt::format("{}.norm.bias", side), {width}, std::vector<float>(width)});
    }
    return weights;
}

PriceRow price_lara(const DeviceHandle& device, const AttentionTrace& trace)
{
    uint32_t landmarks = std::min(kMostLandmarks, trace.tokens);
    while (trace.tokens % landmarks != 0) --landmarks;
    PriceRow row{fmt::format("LARA, {} landmarks, not causal", landmarks), "lara",
                 Json{{"landmarks", landmarks}}.dump()};
    row.is_causal = false;
    if (trace.columns != trace.width) {
        row.refusal = fmt::format("values of {} channels and keys of {}: expected as many", trace.columns, trace.width);
        return row;
    }
    try {
        measure(device, trace, row);
    } catch (const ApiError& error) {
        if (error.status() == GRAMIAN_DEVICE_LOST || error.status() == GRAMIAN_TIMEOUT) throw;
        row.refusal = error.what();
    }
    return row;
}

} // namespace gramian::app
