// The operator `embedding`: a table of vectors, read by row number.
#include "ops/embedding.hpp"

#include "ops/half_weights.hpp"
#include "ops/kernels.hpp"
#include "ops/operator.hpp"
#include "shaders/embedding.h"

#include <algorithm>

namespace gramian {
namespace {

constexpr uint32_t kMaxTableRows = 1U << 24; // whole numbers that a float holds

template <bool kHalves>
void on_host(const HostLaunch& launch)
{
    const auto p = launch.parameters<gpu::EmbeddingParameters>();
    const float* x = launch.floats(launch.constants[0], p.x);
    float* y = launch.floats(launch.constants[1], p.y);
    const auto table = weights_at<kHalves>(launch, p.weight);
    const float last = static_cast<float>(p.table_rows - 1);
    for (uint32_t row = 0; row < launch.rows(p.count) / p.size; ++row) {
        const auto at = static_cast<size_t>(std::min(std::max(x[row], 0.0F), last)); // a NaN becomes 0
        for (uint32_t i = 0; i < p.size; ++i) y[size_t{row} * p.size + i] = table(at * p.size + i);
    }
}

std::vector<std::pair<std::string, Shape>> infer(const Attributes&, const Tensors& in)
{
    const Shape& x = in.at("x").shape;
    const Shape& table = in.at("weight").shape;
    if (x.rank() != 2 || x[1] != 1 || table.rank() != 2 || table[0] > kMaxTableRows) {
        raise(Status::invalid_argument, "embedding: x {} and weight {}: expected [rows, 1] and [n, size], n up to {}",
              x.text(), table.text(), kMaxTableRows);
    }
    return {{"y", {x[0], table[1]}}};
}

void record(Recorder& recorder, const Attributes&, const Tensors& in, const Tensors& out)
{
    embedding(recorder, in.at("x"), in.at("weight"), out.at("y"));
}

} // namespace

void embedding(Recorder& recorder, const Tensor& x, const Tensor& weight, const Tensor& y)
{
    const auto count = static_cast<uint32_t>(y.element_count());
    Launch launch;
    const bool has_halves = weight.dtype == DType::f16;
    launch.kernel = {has_halves ? &kernels::embedding_halves : &kernels::embedding,
                     {arena_constant(x), arena_constant(y)}};
    launch.set_push(
        gpu::EmbeddingParameters{x.offset, weight.offset, y.offset, count, weight.shape[1], weight.shape[0]});
    set_line(recorder, launch, count, count / weight.shape[1]);
    launch.reads = {x.slice(), weight.slice()};
    launch.writes = {y.slice()};
    launch.host = has_halves ? on_host<true> : on_host<false>;
    recorder.list.append(std::move(launch));
}

Operator embedding_operator()
{
    return {.name = "embedding",
            .inputs = {{.name = "x", .indexes = "weight"},
                       {.name = "weight", .is_constant = true, .halves = &kernels::embedding_halves}},
            .outputs = {"y"},
            .infer = infer,
            .record = record};
}

} // namespace gramian
