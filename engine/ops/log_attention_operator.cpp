// The operator `log_attention`: over a sequence, token by token in a node, and over what a stream was shown
// (Heinsen 2024, arXiv:2404.05843).
//
// q, k: [B,T,H,D], log_v: [B,T,H,E] -> log_y: [B,T,H,E], state_s: [B,H,D,E], state_z: [B,H,D], and with `chunks` the
// states after each piece. Signed: v and y instead of their logarithms, and state_s is a mean.
#include "ops/log_attention.hpp"
#include "ops/operator.hpp"
#include "ops/pieces.hpp"

namespace gramian {
namespace {

bool is_signed(const Attributes& attributes)
{
    return attributes.flag("signed", false);
}

const Tensor& values_of(const Attributes& attributes, const Tensors& in)
{
    return in.at(is_signed(attributes) ? "v" : "log_v");
}

void require_shape(const Tensors& in, const char* port, const Shape& expected)
{
    const Tensor* given = in.find(port);
    if (!given || given->shape == expected) return;
    raise(Status::invalid_argument, "log_attention: {}: expected {}, found {}", port, expected.text(),
          given->shape.text());
}

std::vector<std::pair<std::string, Shape>> infer(const Attributes& attributes, const Tensors& in)
{
    const Shape& q = in.at("q").shape;
    const Shape& k = in.at("k").shape;
    const Shape& v = values_of(attributes, in).shape;
    const bool is_causal = attributes.flag("causal", true);
    const char* value_port = is_signed(attributes) ? "v" : "log_v";
    if (q.rank() != 4 || k.rank() != 4 || v.rank() != 4 || k[0] != q[0] || k[2] != q[2] || k[3] != q[3] ||
        v[0] != k[0] || v[1] != k[1] || v[2] != k[2]) {
        raise(Status::invalid_argument,
              "log_attention: q {}, k {} and {} {}: expected [B,M,H,D], [B,T,H,D] and [B,T,H,E]", q.text(), k.text(),
              value_port, v.text());
    }
    if (is_causal && q[1] != k[1]) {
        raise(Status::invalid_argument, "log_attention: causal with {} queries and {} keys: expected as many", q[1],
              k[1]);
    }
    if (!is_causal && attributes.has("chunks")) {
        raise(Status::invalid_argument, "log_attention: attribute 'chunks' needs causal");
    }
    const Shape state{k[0], k[2], k[3], v[3]};
    const Shape state_z{k[0], k[2], k[3]};
    require_shape(in, "state_s", state);
    require_shape(in, "state_z", state_z);
    if (in.has("state_s") != in.has("state_z")) {
        raise(Status::invalid_argument, "log_attention: state_s and state_z go together, found {} alone",
              in.has("state_s") ? "state_s" : "state_z");
    }
    std::vector<std::pair<std::string, Shape>> out{
        {is_signed(attributes) ? "y" : "log_y", {q[0], q[1], q[2], v[3]}}, {"state_s", state}, {"state_z", state_z}};
    if (attributes.has("chunks")) {
        const auto pieces = static_cast<uint32_t>(pieces_of(attributes, k[1]).size());
        out.emplace_back("state_s_chunks", Shape{pieces, k[0], k[2], k[3], v[3]});
        out.emplace_back("state_z_chunks", Shape{pieces, k[0], k[2], k[3]});
    }
    return out;
}

Shape inner_state(const Attributes& attributes, const Shape& k, const Shape& v, uint32_t leading)
{
    return is_signed(attributes) ? Shape{leading, k[2], k[3], v[3]} : Shape{leading, k[2], k[3], 2, v[3]};
}

/// From the logarithms and means outside to the pairs and sums inside.
void import_state(Recorder& recorder, const LogAttention& a, const Tensor& state_s, const Tensor& state_z)
{
    logs_to_pairs(recorder, state_z, a.state_z);
    if (a.is_signed)
        means_to_sums(recorder, state_s, a.state_z, a.state);
    else
        logs_to_pairs(recorder, state_s, a.state);
}

void export_state(Recorder& recorder, const LogAttention& a, const Tensor& state_s, const Tensor& state_z)
{
    pairs_to_logs(recorder, a.state_z, state_z);
    if (a.is_signed)
        sums_to_means(recorder, a.state, a.state_z, state_s);
    else
        pairs_to_logs(recorder, a.state, state_s);
}

void record_causal(Recorder& recorder, const Attributes& attributes, const Tensors& out, LogAttention& a)
{
    uint32_t piece = 0;
    for (const uint32_t count : pieces_of(attributes, a.k.shape[1])) {
        a.count = count;
        log_attention(recorder, a);
        a.first += count;
        a.initial = &a.state;
        a.initial_z = &a.state_z;
        if (const Tensor* all = out.find("state_s_chunks")) {
            export_state(recorder, a, piece_of(*all, piece), piece_of(out.at("state_z_chunks"), piece));
        }
        ++piece;
    }
}

void record(Recorder& recorder, const Attributes& attributes, const Tensors& in, const Tensors& out)
{
    const Shape& k = in.at("k").shape;
    LogAttention a;
    a.q = in.at("q");
    a.k = in.at("k");
    a.v = values_of(attributes, in);
    a.is_signed = is_signed(attributes);
    a.y = out.at(a.is_signed ? "y" : "log_y");
    a.state = recorder.temporary(inner_state(attributes, k, a.v.shape, k[0]));
    a.state_z = recorder.temporary({k[0], k[2], 2, k[3]});
    if (in.has("state_s")) {
        import_state(recorder, a, in.at("state_s"), in.at("state_z"));
        a.initial = &a.state;
        a.initial_z = &a.state_z;
    }
    if (attributes.flag("causal", true)) {
        record_causal(recorder, attributes, out, a);
    } else {
        a.count = k[1];
        log_attention_write(recorder, a);
        a.count = a.q.shape[1];
        log_attention_read(recorder, a);
    }
    export_state(recorder, a, out.at("state_s"), out.at("state_z"));
}

std::vector<StateShape> states(const Attributes& attributes, const Tensors& in)
{
    const Shape& k = in.at("k").shape;
    const uint32_t columns = values_of(attributes, in).shape[3];
    const Shape s = is_signed(attributes) ? Shape{k[2], k[3], columns} : Shape{k[2], k[3], 2, columns};
    return {{"state_s", s}, {"state_z", {k[2], 2, k[3]}}};
}

// A node that carries its state from token to token ----------------------------------------------------------------

std::vector<StateShape> recurrent_states(const Attributes& attributes, const Tensors& in)
{
    if (!attributes.flag("causal", true)) {
        raise(Status::unsupported, "{}: causal false: a node sees all tokens over a context input only",
              attributes.where());
    }
    return states(attributes, in);
}

void record_recurrent(Recorder& recorder, const Attributes& attributes, const Tensors& in, const Tensors& kept,
                      const Tensors& out, const SlotMap& map)
{
    LogAttention a;
    a.q = in.at("q");
    a.k = in.at("k");
    a.v = values_of(attributes, in);
    a.is_signed = is_signed(attributes);
    a.y = out.entries().front().tensor;
    a.state = kept.at("state_s");
    a.state_z = kept.at("state_z");
    a.initial = &a.state;
    a.initial_z = &a.state_z;
    a.map = map;
    a.count = a.k.shape[1];
    log_attention(recorder, a);
}

const RecurrentOps kRecurrent{recurrent_states, record_recurrent};

// Over a context ---------------------------------------------------------------------------------------------------

std::vector<StateShape> context_states(const Attributes& attributes, const Tensors& in)
{
    if (attributes.flag("causal", true)) {
        raise(Status::invalid_argument,
              "{}: over a context input every query sees all that was shown: expected "
              "causal false",
              attributes.where());
    }
    return states(attributes, in);
}

void observe(Recorder& recorder, const Attributes& attributes, const Tensors& in, const Tensors& kept,
             const SlotMap& map)
{
    LogAttention a;
    a.k = in.at("k");
    a.v = values_of(attributes, in);
    a.is_signed = is_signed(attributes);
    a.state = kept.at("state_s");
    a.state_z = kept.at("state_z");
    a.initial = &a.state;
    a.initial_z = &a.state_z;
    a.map = map;
    a.count = a.k.shape[1];
    log_attention_write(recorder, a);
}

void read(Recorder& recorder, const Attributes& attributes, const Tensors& in, const Tensors& kept, const Tensors& out,
          const SlotMap& map)
{
    LogAttention a;
    a.q = in.at("q");
    a.y = out.first();
    a.is_signed = is_signed(attributes);
    a.state = kept.at("state_s");
    a.state_z = kept.at("state_z");
    a.map = map;
    a.count = a.q.shape[1];
    log_attention_read(recorder, a);
}

const ContextOps kContext{{"k", "log_v", "v"}, context_states, observe, nullptr, read};

} // namespace

Operator log_attention_operator()
{
    constexpr bool kOptional = true;
    return {.name = "log_attention",
            .layout = Layout::heads,
            .inputs = {{"q"},
                       {"k"},
                       {.name = "log_v", .flag = "signed", .flag_value = false},
                       {.name = "v", .flag = "signed", .flag_value = true},
                       {"state_s", kOptional},
                       {"state_z", kOptional}},
            .outputs = {"log_y"},
            .attributes = {"causal", "signed", "chunks"},
            .infer = infer,
            .record = record,
            .context = &kContext,
            .recurrent = &kRecurrent};
}

} // namespace gramian
