#include "shaders/log_state.h"
#include "ops/kernels.hpp"
#include "ops/log_attention.hpp"
#include "ops/scaled_sum_twin.hpp"

namespace gramian {
namespace {

enum class Form : uint32_t { logs_to_pairs, pairs_to_logs, means_to_sums, sums_to_means };

void on_host(const HostLaunch& launch)
{
    const auto p = launch.parameters<gpu::LogStateParameters>();
    const auto form = static_cast<Form>(launch.constants[0]);
    const float* x = launch.floats(Arena::activations, p.x);
    float* y = launch.floats(Arena::activations, p.y);
    for (uint32_t i = 0; i < p.count; ++i) {
        const uint32_t row = i / p.columns;
        const size_t pair = size_t{row} * 2 * p.columns + i % p.columns;
        if (form == Form::logs_to_pairs) {
            const auto sum = twin::ScaledSum<float>::exp(x[i]);
            y[pair] = sum.sum == 0 ? 0.0F : sum.exponent;
            y[pair + p.columns] = sum.sum;
        } else if (form == Form::pairs_to_logs) {
            y[i] = twin::ScaledSum<float>{x[pair], x[pair + p.columns]}.log();
        } else {
            const float* z = launch.floats(Arena::activations, p.z);
            const float sum = z[size_t{row / p.width * 2 + 1} * p.width + row % p.width];
            y[i] = sum == 0 ? 0.0F : form == Form::means_to_sums ? x[i] * sum : x[i] / sum;
        }
    }
}

/// `plain`: the tensor of [R, C] elements, x or y.
void convert(Recorder& recorder, Form form, const Tensor& x, const Tensor& y, const Tensor* z, const Tensor& plain)
{
    assert(x.arena == Arena::activations && y.arena == Arena::activations);
    const auto count = static_cast<uint32_t>(plain.element_count());
    const uint32_t groups = ceil_div(count, 64);
    const uint32_t lines = ceil_div(groups, recorder.caps.max_groups);
    Launch launch;
    launch.kernel = {&kernels::log_state, {static_cast<uint32_t>(form)}};
    launch.set_push(gpu::LogStateParameters{x.offset, y.offset, z ? z->offset : kNone, count, plain.shape.last(),
                                            z ? z->shape.last() : 1});
    launch.groups = {ceil_div(groups, lines), lines, 1};
    launch.reads = {x.slice()};
    if (z) launch.reads.push_back(z->slice());
    launch.writes = {y.slice()};
    launch.host = on_host;
    recorder.list.append(std::move(launch));
}

} // namespace

void logs_to_pairs(Recorder& recorder, const Tensor& logs, const Tensor& pairs)
{
    assert(pairs.element_count() == 2 * logs.element_count() && pairs.shape.last() == logs.shape.last());
    convert(recorder, Form::logs_to_pairs, logs, pairs, nullptr, logs);
}

void pairs_to_logs(Recorder& recorder, const Tensor& pairs, const Tensor& logs)
{
    assert(pairs.element_count() == 2 * logs.element_count() && pairs.shape.last() == logs.shape.last());
    convert(recorder, Form::pairs_to_logs, pairs, logs, nullptr, logs);
}

void means_to_sums(Recorder& recorder, const Tensor& means, const Tensor& z, const Tensor& sums)
{
    convert(recorder, Form::means_to_sums, means, sums, &z, sums);
}

void sums_to_means(Recorder& recorder, const Tensor& sums, const Tensor& z, const Tensor& means)
{
    convert(recorder, Form::sums_to_means, sums, means, &z, means);
}

} // namespace gramian
