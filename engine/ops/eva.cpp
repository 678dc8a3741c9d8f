// The operator `eva`: attention over a window, and over the summaries of all chunks, in one softmax (Zheng et al. 2023,
// arXiv:2302.04542), as their code has it: what lies in chunks and in the window counts twice unless `exclude_local`.
//
// q, k, v: [B,T,H,D], maps of chunk means mu_q.* and mu_k.*: [D,D] and [D], relative.weight -> o: [B,T,H,D].
// Token by token a stream keeps its window and a pair of vectors for every chunk that is over: that state grows, up to
// `capacity` tokens.
#include "ops/copy.hpp"
#include "ops/eva_settings.hpp"
#include "ops/local_attention.hpp"

#include <cmath>

namespace gramian {
namespace {

std::vector<Constant> constants(const Attributes& attributes, const Tensors& in)
{
    const EvaSettings s = eva_settings(attributes, in.at("q").shape[1]);
    if (s.relative != EvaBias::t5) return {};
    std::vector<float> buckets; // by key minus query + window - 1
    const auto end = static_cast<int32_t>(s.window + 2 * s.window_overlap);
    for (int32_t relative = 1 - static_cast<int32_t>(s.window); relative < end; ++relative) {
        buckets.push_back(static_cast<float>(eva_bucket(relative, s)));
    }
    return {{"buckets", std::move(buckets)}};
}

std::vector<std::pair<std::string, Shape>> infer(const Attributes& attributes, const Tensors& in)
{
    const Shape& q = in.at("q").shape;
    if (q.rank() != 4 || in.at("k").shape != q || in.at("v").shape != q) {
        raise(Status::invalid_argument, "eva: q {}, k {} and v {}: expected the same [B,T,H,D]", q.text(),
              in.at("k").shape.text(), in.at("v").shape.text());
    }
    const EvaSettings s = eva_settings(attributes, q[1]);
    (void)eva_capacity(attributes);
    if (s.projection != EvaProjection::none) check_chunk_map(in, "mu_q", q[3], s.projection == EvaProjection::qk);
    check_chunk_map(in, "mu_k", q[3], s.projection != EvaProjection::no_ln);
    const uint32_t wide = s.window + 2 * s.window_overlap;
    const uint32_t buckets = eva_bucket_count(s);
    if (s.relative == EvaBias::t5) require_shape(in, "relative.weight", {{buckets, q[2]}, {buckets, 1}});
    if (s.relative == EvaBias::table && s.chunking.grid == 0) {
        require_shape(in, "relative.weight", {{q[2], s.window, wide}});
    }
    if (s.relative == EvaBias::table && s.chunking.grid > 0) {
        require_shape(in, "relative.weight", {{2 * (s.window - 1) * (s.window + 1) + 1, q[2]}});
    }
    return {{"o", q}};
}

ChunkForm form_of(EvaProjection projection)
{
    if (projection == EvaProjection::none) return ChunkForm::keys_only;
    return projection == EvaProjection::no_ln ? ChunkForm::linear : ChunkForm::normalized;
}

/// `places`: chunks that the call may end, of a slot. Their summaries go to chunk_k and chunk_v.
void attend(Recorder& recorder, const EvaSettings& s, const Tensors& in, const Tensor& o, const Tensor& chunk_k,
            const Tensor& chunk_v, uint32_t places, const LocalState* state, const SlotMap& map)
{
    const Shape& q = in.at("q").shape;
    ChunkMeans means;
    means.q = in.at("q");
    means.k = in.at("k");
    means.chunk_k = chunk_k;
    means.mu = recorder.temporary({q[0], places, q[2], q[3]});
    means.chunking = s.chunking;
    means.form = form_of(s.projection);
    means.is_causal = s.is_causal;
    means.of_q = chunk_map_of(in, "mu_q", s.projection == EvaProjection::qk);
    means.of_k = chunk_map_of(in, "mu_k", s.projection != EvaProjection::no_ln);
    means.factor = s.is_causal ? 1.0F : 0.5F; // so differ the two forms of the published code
    means.state = state;
    means.map = map;
    chunk_means(recorder, means);

    LocalAttention attention;
    attention.q = means.mu;
    attention.k = in.at("k");
    attention.v = in.at("v");
    attention.o = chunk_v;
    attention.form = s.chunking.grid > 0 ? LocalForm::square_chunks : LocalForm::chunks;
    attention.is_causal = s.is_causal;
    attention.overlap = s.chunking.overlap;
    attention.chunking = s.chunking;
    attention.bias = LocalBias::key_norm;
    attention.scale = 1 / std::sqrt(static_cast<float>(q[3]));
    attention.state = state;
    attention.map = map;
    local_attention(recorder, attention);

    attention.q = in.at("q");
    attention.o = o;
    attention.form = s.chunking.grid > 0 ? LocalForm::squares : LocalForm::windows;
    attention.window = s.window;
    attention.overlap = s.window_overlap;
    attention.chunk_k = &chunk_k;
    attention.chunk_v = &chunk_v;
    attention.excludes_local = s.excludes_local;
    attention.bias = s.relative == EvaBias::t5      ? LocalBias::buckets
                     : s.relative == EvaBias::table ? LocalBias::table
                                                    : LocalBias::none;
    attention.bias_table = s.relative == EvaBias::none ? nullptr : in.find("relative.weight");
    attention.buckets = in.find("buckets");
    local_attention(recorder, attention);
}

void record(Recorder& recorder, const Attributes& attributes, const Tensors& in, const Tensors& out)
{
    const Shape& q = in.at("q").shape;
    const EvaSettings s = eva_settings(attributes, q[1]);
    const Shape chunks{q[0], s.chunking.count, q[2], q[3]};
    const Tensor chunk_k = recorder.temporary(chunks);
    const Tensor chunk_v = recorder.temporary(chunks);
    attend(recorder, s, in, out.at("o"), chunk_k, chunk_v, s.chunking.count, nullptr, {});
}

// A node that carries its state from token to token ----------------------------------------------------------------

std::vector<StateShape> recurrent_states(const Attributes& attributes, const Tensors& in)
{
    const Shape& q = in.at("q").shape;
    const EvaSettings s = eva_settings(attributes, q[1]);
    if (!s.is_causal) {
        raise(Status::unsupported, "{}: a node that goes token by token needs 'causal'", attributes.where());
    }
    const uint32_t ring = s.window + s.window_overlap;
    const uint32_t chunks = ceil_div(eva_capacity(attributes), s.chunking.side);
    return {{"held", {q[2]}},
            {"sum_q", {q[2], q[3]}},
            {"sum_k", {q[2], q[3]}},
            {"ring_k", {ring, q[2], q[3]}},
            {"ring_v", {ring, q[2], q[3]}},
            {"chunk_k", {chunks, q[2], q[3]}},
            {"chunk_v", {chunks, q[2], q[3]}}};
}

void record_recurrent(Recorder& recorder, const Attributes& attributes, const Tensors& in, const Tensors& kept,
                      const Tensors& out, const SlotMap& map)
{
    const Shape& q = in.at("q").shape;
    EvaSettings s = eva_settings(attributes, q[1]);
    const LocalState state{kept.at("held"), kept.at("sum_q"), kept.at("sum_k"), kept.at("ring_k"), kept.at("ring_v")};
    s.chunking.count = kept.at("chunk_k").shape[1];
    attend(recorder, s, in, out.at("o"), kept.at("chunk_k"), kept.at("chunk_v"), touched_chunks(q[1], s.chunking.side),
           &state, map);
    local_keep(recorder, in.at("q"), in.at("k"), in.at("v"), state, s.chunking.side, map);
}

const RecurrentOps kRecurrent{recurrent_states, record_recurrent, eva_capacity};

} // namespace

Operator eva_operator()
{
    constexpr bool kOptional = true;
    constexpr bool kConstant = true;
    return {.name = "eva",
            .layout = Layout::heads,
            .inputs = {{"q"},
                       {"k"},
                       {"v"},
                       {"mu_q.weight", kOptional, kConstant, transposed},
                       {"mu_q.bias", kOptional, kConstant},
                       {"mu_q.norm.weight", kOptional, kConstant},
                       {"mu_q.norm.bias", kOptional, kConstant},
                       {"mu_k.weight", kOptional, kConstant, transposed},
                       {"mu_k.bias", kOptional, kConstant},
                       {"mu_k.norm.weight", kOptional, kConstant},
                       {"mu_k.norm.bias", kOptional, kConstant},
                       {"relative.weight", kOptional, kConstant}},
            .outputs = {"o"},
            .attributes = {"causal", "window", "chunk", "landmarks", "overlap", "projection", "relative", "grid",
                           "exclude_local", "capacity"},
            .infer = infer,
            .record = record,
            .constants = constants,
            .recurrent = &kRecurrent};
}

} // namespace gramian
