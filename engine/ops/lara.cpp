// The operator `lara`: attention by importance sampling from a few landmarks (Zheng et al. 2022, arXiv:2204.04667), in
// the form of the code of arXiv:2302.04542. It sees all tokens at once: there is no causal form of it.
//
// q, k, v: [B,T,H,D], maps of tokens mu_q.* and mu_k.*: [D,D] and [D] -> o: [B,T,H,D].
#include "shaders/lara.h"
#include "ops/eva_settings.hpp"
#include "ops/eva_twin.hpp"
#include "ops/kernels.hpp"
#include "ops/local_attention.hpp"

#include <cmath>

namespace gramian {
namespace {

constexpr uint32_t kMaxLandmarks = 1'024; // three numbers of each fit Vulkan's least shared memory
constexpr uint64_t kMaxTrips = 60'000;    // drivers exist that stop silently after 65,535
constexpr float kLeastAlpha = 1e-8F;

using Parameters = gpu::LaraParameters;

/// One token and head; as the kernel, without what all landmarks share.
void mix(const HostLaunch& launch, const Parameters& p, uint32_t row, uint32_t head)
{
    const auto at = [&](uint32_t c) { return (size_t{row / p.tokens} * p.landmarks + c) * p.heads + head; };
    const auto vector = [&](uint32_t offset, uint32_t c) {
        return launch.floats(Arena::activations, offset) + at(c) * p.width;
    };
    const auto sums = [&](uint32_t offset, uint32_t c) {
        return launch.floats(Arena::activations, offset) + 2 * at(c);
    };
    const size_t token = (size_t{row} * p.heads + head) * p.width;
    const float* q = launch.floats(launch.constants[0], p.q) + token;
    std::vector<float> shares, powers, weights;
    float mean = 0;
    for (uint32_t c = 0; c < p.landmarks; ++c) {
        const float* mu = vector(p.mu, c);
        const float own = p.scale * twin::dot(mu, mu, p.width) / 2;
        const float* keys = sums(p.key_sums, c);
        const float* means = sums(p.mean_sums, c);
        const float* mus = sums(p.mu_sums, c);
        shares.push_back(std::exp(p.scale * twin::dot(q, vector(p.mean_q, c), p.width) - means[0]) / means[1]);
        weights.push_back(std::exp(own - mus[0]) / mus[1]);
        powers.push_back(p.scale * twin::dot(q, mu, p.width) + std::log(keys[1]) + keys[0] - own);
        mean += shares.back() / static_cast<float>(p.landmarks);
    }
    const float largest = *std::max_element(powers.begin(), powers.end());
    float* o = launch.floats(launch.constants[1], p.o) + token;
    std::fill_n(o, p.width, 0.0F);
    float total = 0;
    for (uint32_t c = 0; c < p.landmarks; ++c) {
        const float alpha = std::max(weights[c] + p.alpha * (shares[c] - mean), kLeastAlpha);
        const float weight = alpha * std::exp(powers[c] - largest);
        total += weight;
        for (uint32_t i = 0; i < p.width; ++i) o[i] += weight * vector(p.values, c)[i];
    }
    for (uint32_t i = 0; i < p.width; ++i) o[i] /= total;
}

void on_host(const HostLaunch& launch)
{
    const auto p = launch.parameters<Parameters>();
    for (uint32_t row = p.first_row; row < p.first_row + launch.groups[0]; ++row) {
        for (uint32_t head = 0; head < p.heads; ++head) mix(launch, p, row, head);
    }
}

std::vector<std::pair<std::string, Shape>> infer(const Attributes& attributes, const Tensors& in)
{
    const Shape& q = in.at("q").shape;
    if (q.rank() != 4 || in.at("k").shape != q || in.at("v").shape != q) {
        raise(Status::invalid_argument, "lara: q {}, k {} and v {}: expected the same [B,T,H,D]", q.text(),
              in.at("k").shape.text(), in.at("v").shape.text());
    }
    if (!attributes.has("landmarks")) {
        raise(attributes.status(), "{}: attribute 'landmarks' is missing", attributes.where());
    }
    const uint32_t landmarks = attributes.count("landmarks", 0, 1, kMaxLandmarks);
    if (q[1] == 1 && landmarks > 1) { // as a model is read, one token at a time
        raise(Status::unsupported, "{}: {} landmarks of 1 token: lara sees all tokens at once, and is no node",
              attributes.where(), landmarks);
    }
    if (q[1] % landmarks != 0) {
        raise(attributes.status(), "{}: attribute 'landmarks': {} do not divide the {} tokens", attributes.where(),
              landmarks, q[1]);
    }
    attributes.number("alpha", 1, 0, 1e30);
    check_chunk_map(in, "mu_q", q[3], true);
    check_chunk_map(in, "mu_k", q[3], true);
    return {{"o", q}};
}

/// y = f(x) of every token.
struct MappedTokens {
    Tensor q;
    Tensor k;
};

MappedTokens map_tokens(Recorder& recorder, const Tensors& in)
{
    const Tensor& q = in.at("q");
    ChunkMeans each; // a token is a chunk
    each.q = q;
    each.k = in.at("k");
    each.chunk_k = recorder.temporary(q.shape);
    const Tensor mean_q = recorder.temporary(q.shape);
    each.mean_q = &mean_q;
    each.mu = recorder.temporary(q.shape);
    each.chunking.count = q.shape[1];
    each.of_q = chunk_map_of(in, "mu_q", true);
    each.of_k = chunk_map_of(in, "mu_k", true);
    chunk_means(recorder, each);
    return {mean_q, each.chunk_k};
}

void record_mix(Recorder& recorder, Parameters p, const Tensor& q, const Tensor& o,
                std::initializer_list<const Tensor*> landmarks)
{
    const uint64_t trips =
        uint64_t{ceil_div(p.landmarks, 64)} * (p.width + 3) + uint64_t{ceil_div(p.width, 64)} * (p.landmarks + 1) + 24;
    if (trips > kMaxTrips) {
        raise(Status::unsupported, "lara: {} landmarks of width {} take {} loop trips, at most {}", p.landmarks,
              p.width, trips, kMaxTrips);
    }
    const uint32_t rows = q.shape[0] * q.shape[1];
    for (uint32_t first = 0; first < rows; first += std::min(recorder.caps.max_groups, rows - first)) {
        p.first_row = first;
        Launch launch;
        launch.kernel = {&kernels::lara, {arena_constant(q), arena_constant(o), p.landmarks}};
        launch.set_push(p);
        launch.groups = {std::min(recorder.caps.max_groups, rows - first), p.heads, 1};
        launch.reads = {q.slice()};
        for (const Tensor* tensor : landmarks) launch.reads.push_back(tensor->slice());
        launch.writes = {o.slice()};
        launch.host = on_host;
        recorder.list.append(std::move(launch));
    }
}

void record(Recorder& recorder, const Attributes& attributes, const Tensors& in, const Tensors& out)
{
    const Tensor& q = in.at("q");
    const Shape& s = q.shape;
    const uint32_t landmarks = attributes.count("landmarks", 0, 1, kMaxLandmarks);
    const Shape each{s[0], landmarks, s[2], s[3]};
    const Shape pair{s[0], landmarks, s[2], 2};
    const MappedTokens mapped = map_tokens(recorder, in);
    ChunkMeans means;
    means.q = mapped.q;
    means.k = mapped.k;
    means.chunk_k = recorder.temporary(each);
    means.mu = recorder.temporary(each);
    const Tensor mean_q = recorder.temporary(each);
    means.mean_q = &mean_q;
    means.chunking.side = s[1] / landmarks;
    means.chunking.count = landmarks;
    means.form = ChunkForm::means;
    chunk_means(recorder, means);

    const Tensor key_sums = recorder.temporary(pair);
    const Tensor mean_sums = recorder.temporary(pair);
    const Tensor mu_sums = recorder.temporary(pair);
    const Tensor values = recorder.temporary(each);
    const Tensor unused = recorder.temporary(each);
    LocalAttention attention;
    attention.scale = 1 / std::sqrt(static_cast<float>(s[3]));
    attention.bias = LocalBias::key_norm;
    attention.q = means.mu;
    attention.k = in.at("k");
    attention.v = in.at("v");
    attention.o = values;
    attention.sums = &key_sums;
    local_attention(recorder, attention);
    attention.k = means.mu;
    attention.v = means.mu;
    attention.o = unused;
    attention.sums = &mu_sums;
    local_attention(recorder, attention);
    attention.bias = LocalBias::none;
    attention.q = mean_q;
    attention.k = q;
    attention.v = q;
    attention.sums = &mean_sums;
    local_attention(recorder, attention);

    const auto alpha = static_cast<float>(attributes.number("alpha", 1, 0, 1e30));
    record_mix(recorder,
               {q.offset, out.at("o").offset, mean_q.offset, means.mu.offset, values.offset, key_sums.offset,
                mean_sums.offset, mu_sums.offset, 0, s[1], s[2], s[3], landmarks, attention.scale, alpha},
               q, out.at("o"), {&mean_q, &means.mu, &values, &key_sums, &mean_sums, &mu_sums});
}

std::vector<StateShape> recurrent_states(const Attributes& attributes, const Tensors&)
{
    raise(Status::unsupported, "{}: lara sees all tokens at once and has no causal form: it is no node",
          attributes.where());
}

const RecurrentOps kRecurrent{recurrent_states, nullptr};

} // namespace

Operator lara_operator()
{
    constexpr bool kConstant = true;
    return {.name = "lara",
            .layout = Layout::heads,
            .inputs = {{"q"},
                       {"k"},
                       {"v"},
                       {"mu_q.weight", false, kConstant, transposed},
                       {"mu_q.bias", false, kConstant},
                       {"mu_q.norm.weight", false, kConstant},
                       {"mu_q.norm.bias", false, kConstant},
                       {"mu_k.weight", false, kConstant, transposed},
                       {"mu_k.bias", false, kConstant},
                       {"mu_k.norm.weight", false, kConstant},
                       {"mu_k.norm.bias", false, kConstant}},
            .outputs = {"o"},
            .attributes = {"landmarks", "alpha"},
            .infer = infer,
            .record = record,
            .recurrent = &kRecurrent};
}

} // namespace gramian
