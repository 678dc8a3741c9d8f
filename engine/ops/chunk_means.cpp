#include "ops/chunk_means.hpp"

#include "ops/eva_twin.hpp"
#include "ops/kernels.hpp"
#include "shaders/chunk_means.h"

namespace gramian {
namespace {

// Drivers exist that stop silently after 65,535 loop trips of an invocation.
constexpr uint64_t kMaxTrips = 60'000;
constexpr uint32_t kMaxWidth = 1'024; // three vectors of this size fit Vulkan's least shared memory

enum Constant : uint32_t { kQArena, kKArena, kChunkArena, kForm, kIsCausal };

using Parameters = gpu::ChunkMeansParameters;

uint32_t token_of(const Parameters& p, uint32_t chunk, uint32_t n, uint32_t all)
{
    if (p.grid > 0) {
        const uint32_t across = p.grid / p.chunk;
        return (chunk / across * p.chunk + n / p.chunk) * p.grid + chunk % across * p.chunk + n % p.chunk;
    }
    const uint32_t past = chunk * p.chunk + n;
    return past < p.overlap || past - p.overlap >= all ? kNone : past - p.overlap;
}

/// One slot, head and chunk.
struct HostChunk {
    const HostLaunch& launch;
    const Parameters& p;
    uint32_t slot, head, stream, held, chunk;

    /// The mean of the members' rows of x, after the sum over those that came before this call.
    [[nodiscard]] std::vector<float> mean(const float* x, const float* sum) const
    {
        const uint32_t members = p.grid > 0 ? p.chunk * p.chunk : p.chunk + 2 * p.overlap;
        std::vector<float> mean(p.width);
        if (sum) std::copy_n(sum + (size_t{stream} * p.heads + head) * p.width, p.width, mean.begin());
        for (uint32_t n = 0; n < members; ++n) {
            const uint32_t s = token_of(p, chunk, n, held + p.tokens);
            if (s == kNone || s < held) continue;
            const float* row = x + ((size_t{slot} * p.tokens + s - held) * p.heads + head) * p.width;
            for (uint32_t i = 0; i < p.width; ++i) mean[i] += row[i];
        }
        for (float& value : mean) value /= static_cast<float>(members);
        return mean;
    }
    [[nodiscard]] std::vector<float> mapped(const std::vector<float>& x, bool has_norm, uint32_t weight, uint32_t bias,
                                            uint32_t norm_weight, uint32_t norm_bias) const
    {
        const float* w = launch.floats(Arena::weights, weight);
        std::vector<float> y(p.width);
        twin::affine(
            x.data(), [&](uint32_t i, uint32_t j) { return w[size_t{j} * p.width + i]; },
            launch.floats(Arena::weights, bias), y.data(), p.width);
        if (has_norm) {
            twin::normalize_chunk(launch.floats(Arena::weights, norm_weight), launch.floats(Arena::weights, norm_bias),
                                  y.data(), p.width);
        }
        return y;
    }
};

void write(const HostChunk& c, uint32_t place, const float* q, const float* k)
{
    const Parameters& p = c.p;
    const auto form = static_cast<ChunkForm>(c.launch.constants[kForm]);
    const bool is_first = place == 0 && p.held != kNone;
    const bool has_maps = form != ChunkForm::means;
    const bool has_norms = form == ChunkForm::normalized || form == ChunkForm::keys_only;
    const size_t at = ((size_t{c.slot} * p.places + place) * p.heads + c.head) * p.width;
    std::vector<float> of_q(p.width);
    if (form != ChunkForm::keys_only) {
        of_q = c.mean(q, is_first ? c.launch.floats(Arena::state, p.sum_q) : nullptr);
        if (has_maps) of_q = c.mapped(of_q, has_norms, p.q_weight, p.q_bias, p.q_norm_weight, p.q_norm_bias);
    }
    std::vector<float> of_k = c.mean(k, is_first ? c.launch.floats(Arena::state, p.sum_k) : nullptr);
    if (has_maps) of_k = c.mapped(of_k, has_norms, p.k_weight, p.k_bias, p.k_norm_weight, p.k_norm_bias);
    float* chunk_k = c.launch.floats(c.launch.constants[kChunkArena], p.chunk_k) +
                     ((size_t{c.stream} * p.chunks + c.chunk) * p.heads + c.head) * p.width;
    std::copy(of_k.begin(), of_k.end(), chunk_k);
    if (p.mean_q != kNone) std::copy(of_q.begin(), of_q.end(), c.launch.floats(Arena::activations, p.mean_q) + at);
    for (uint32_t i = 0; i < p.width; ++i) {
        c.launch.floats(Arena::activations, p.mu)[at + i] =
            form == ChunkForm::keys_only ? 0 : p.factor * (of_q[i] + of_k[i]);
    }
}

void on_host(const HostLaunch& launch)
{
    const auto p = launch.parameters<Parameters>();
    const auto* words = reinterpret_cast<const uint32_t*>(launch.arenas[static_cast<size_t>(Arena::io)]);
    const auto* state = reinterpret_cast<const uint32_t*>(launch.floats(Arena::state, 0));
    const bool is_causal = launch.constants[kIsCausal] != 0;
    const uint32_t end = p.first_row + launch.rows(launch.groups[0]);
    for (uint32_t row = p.first_row; row < end; ++row) {
        const uint32_t slot = row / p.places;
        const uint32_t place = row % p.places;
        const uint32_t stream = p.streams == kNone ? slot : words[p.streams + slot];
        if (stream == kNone) continue;
        const uint32_t count = p.counts == kNone ? p.tokens : words[p.counts + slot];
        for (uint32_t head = 0; head < p.heads; ++head) {
            const uint32_t held = p.held == kNone ? 0 : state[p.held + stream * p.heads + head];
            const uint32_t chunk = held / p.chunk + place;
            if (is_causal && ((chunk + 1) * p.chunk > held + count || chunk >= p.chunks)) continue;
            write({launch, p, slot, head, stream, held, chunk}, place, launch.floats(launch.constants[kQArena], p.q),
                  launch.floats(launch.constants[kKArena], p.k));
        }
    }
}

uint32_t offset_of(const Tensor* tensor)
{
    return tensor ? tensor->offset : kNone;
}

void check(const ChunkMeans& means)
{
    const Shape& q = means.q.shape;
    const Chunking& cut = means.chunking;
    const uint64_t members = cut.grid > 0 ? uint64_t{cut.side} * cut.side : uint64_t{cut.side} + 2 * cut.overlap;
    const uint64_t trips = 2 * (ceil_div(q[3], 64) * (members + q[3] + 3) + 2 * uint64_t{q[3]});
    if (q[3] > kMaxWidth || trips > kMaxTrips) {
        raise(Status::unsupported, "chunks of {} tokens of width {}: {} loop trips, at most {}, and a width up to {}",
              members, q[3], trips, kMaxTrips, kMaxWidth);
    }
}

Parameters parameters_of(const ChunkMeans& m)
{
    const Shape& q = m.q.shape;
    Parameters p{};
    p.q = m.q.offset;
    p.k = m.k.offset;
    p.chunk_k = m.chunk_k.offset;
    p.mu = m.mu.offset;
    p.mean_q = offset_of(m.mean_q);
    p.held = m.state ? m.state->held.offset : kNone;
    p.sum_q = m.state ? m.state->sum_q.offset : kNone;
    p.sum_k = m.state ? m.state->sum_k.offset : kNone;
    p.streams = m.map.streams;
    p.counts = m.map.counts;
    p.tokens = q[1];
    p.heads = q[2];
    p.width = q[3];
    p.places = m.mu.shape[1];
    p.chunks = m.chunk_k.shape[1];
    p.chunk = m.chunking.side;
    p.overlap = m.chunking.overlap;
    p.grid = m.chunking.grid;
    p.q_weight = offset_of(m.of_q.weight);
    p.q_bias = offset_of(m.of_q.bias);
    p.q_norm_weight = offset_of(m.of_q.norm_weight);
    p.q_norm_bias = offset_of(m.of_q.norm_bias);
    p.k_weight = offset_of(m.of_k.weight);
    p.k_bias = offset_of(m.of_k.bias);
    p.k_norm_weight = offset_of(m.of_k.norm_weight);
    p.k_norm_bias = offset_of(m.of_k.norm_bias);
    p.factor = m.factor;
    return p;
}

std::vector<Slice> reads_of(const ChunkMeans& means)
{
    std::vector<Slice> reads{means.q.slice(), means.k.slice()};
    for (const ChunkMap* map : {&means.of_q, &means.of_k}) {
        for (const Tensor* tensor : {map->weight, map->bias, map->norm_weight, map->norm_bias}) {
            if (tensor) reads.push_back(tensor->slice());
        }
    }
    if (means.state) {
        for (const Tensor* tensor : {&means.state->held, &means.state->sum_q, &means.state->sum_k}) {
            reads.push_back(tensor->slice());
        }
    }
    return reads;
}

} // namespace

void chunk_means(Recorder& recorder, const ChunkMeans& means)
{
    check(means);
    const Shape& q = means.q.shape;
    Parameters p = parameters_of(means);
    const uint32_t rows = q[0] * p.places;
    for (uint32_t first = 0; first < rows; first += std::min(recorder.caps.max_groups, rows - first)) {
        p.first_row = first;
        Launch launch;
        launch.kernel = {&kernels::chunk_means,
                         {arena_constant(means.q), arena_constant(means.k), arena_constant(means.chunk_k),
                          static_cast<uint32_t>(means.form), means.is_causal ? 1U : 0U, q[3]}};
        launch.set_push(p);
        launch.groups = {std::min(recorder.caps.max_groups, rows - first), q[2], 1};
        follow_slots(recorder, launch, 0, rows, 1, first);
        launch.reads = reads_of(means);
        launch.writes = {means.chunk_k.slice(), means.mu.slice()};
        if (means.mean_q) launch.writes.push_back(means.mean_q->slice());
        launch.host = on_host;
        recorder.list.append(std::move(launch));
    }
}

uint32_t touched_chunks(uint32_t tokens, uint32_t chunk)
{
    return (tokens + chunk - 2) / chunk + 1; // the first token may be the last one of its chunk
}

} // namespace gramian
