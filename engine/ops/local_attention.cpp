#include "ops/local_attention.hpp"

#include "ops/eva_twin.hpp"
#include "ops/kernels.hpp"
#include "ops/state_read.hpp"
#include "shaders/local_attention.h"

namespace gramian {
namespace {

// Drivers exist that stop silently after 65,535 loop trips of an invocation.
constexpr uint64_t kMaxTrips = 60'000;

enum Constant : uint32_t { kQ, kK, kV, kO, kChunkArena, kForm, kIsCausal, kBias, kExcludesLocal, kColumns, kVectors };

using Parameters = gpu::LocalAttentionParameters;

struct Key {
    const float* k;
    const float* v;
    float bias;
};

uint32_t minus(uint32_t a, uint32_t b)
{
    return a > b ? a - b : 0;
}

/// The keys of one query and head.
class HostKeys {
public:
    HostKeys(const HostLaunch& launch, const Parameters& p, uint32_t row, uint32_t head)
        : launch_(launch), p_(p), form_(static_cast<LocalForm>(launch.constants[kForm])), slot_(row / p.queries),
          head_(head)
    {
        const auto* words = reinterpret_cast<const uint32_t*>(launch.arenas[static_cast<size_t>(Arena::io)]);
        const auto* state = reinterpret_cast<const uint32_t*>(launch.floats(Arena::state, 0));
        stream_ = p.streams == kNone ? slot_ : words[p.streams + slot_];
        if (stream_ == kNone) return;
        count_ = p.counts == kNone ? p.tokens : words[p.counts + slot_];
        held_ = p.held == kNone ? 0 : state[p.held + stream_ * p.heads + head];
        place_ = is_chunk() ? held_ / p.chunk + row % p.queries : held_ + row % p.queries;
    }

    /// Whether the answer is wanted: idle slots, tokens beyond a slot's own and chunks that are not over have none.
    [[nodiscard]] bool is_wanted() const
    {
        if (stream_ == kNone) return false;
        if (!is_causal()) return true;
        if (is_chunk()) return (place_ + 1) * p_.chunk <= held_ + count_ && place_ < p_.chunks;
        return place_ < held_ + count_;
    }
    [[nodiscard]] bool is_chunk() const { return form_ == LocalForm::chunks || form_ == LocalForm::square_chunks; }
    /// Row of the output: chunks lie by their number.
    [[nodiscard]] size_t output_row(uint32_t row) const
    {
        return is_chunk() ? size_t{stream_} * p_.chunks + place_ : row;
    }

    std::vector<Key> all()
    {
        const uint32_t known = held_ + p_.tokens;
        switch (form_) {
            case LocalForm::all:
                add_range(0, p_.tokens);
                break;
            case LocalForm::windows:
                begin_ = place_ / p_.window * p_.window;
                add_range(minus(begin_, p_.overlap),
                          is_causal() ? place_ + 1 : std::min(known, begin_ + p_.window + p_.overlap));
                break;
            case LocalForm::squares:
                begin_ = place_ / p_.grid / p_.window * p_.window * p_.grid + place_ % p_.grid / p_.window * p_.window;
                add_square(p_.window);
                break;
            case LocalForm::chunks:
                add_range(minus(place_ * p_.chunk, p_.overlap), std::min(known, (place_ + 1) * p_.chunk + p_.overlap));
                break;
            case LocalForm::square_chunks:
                begin_ = place_ / (p_.grid / p_.chunk) * p_.chunk * p_.grid + place_ % (p_.grid / p_.chunk) * p_.chunk;
                add_square(p_.chunk);
                break;
        }
        if (launch_.constants[kChunkArena] != 0) add_chunks();
        return std::move(keys_);
    }

private:
    [[nodiscard]] bool is_causal() const { return launch_.constants[kIsCausal] != 0; }

    void add_token(uint32_t s, float bias)
    {
        const bool is_kept = s < held_;
        const size_t row = is_kept ? size_t{stream_} * p_.ring + s % p_.ring : size_t{slot_} * p_.tokens + s - held_;
        const size_t at = (row * p_.heads + head_) * p_.width;
        keys_.push_back(
            {is_kept ? launch_.floats(Arena::state, p_.ring_k) + at : launch_.floats(launch_.constants[kK], p_.k) + at,
             is_kept ? launch_.floats(Arena::state, p_.ring_v) + at : launch_.floats(launch_.constants[kV], p_.v) + at,
             bias});
    }
    void add_range(uint32_t first, uint32_t end)
    {
        first_ = first;
        for (uint32_t s = first; s < end; ++s) add_token(s, bias_in_row(s));
    }
    void add_square(uint32_t side)
    {
        for (uint32_t n = 0; n < side * side; ++n) {
            add_token(begin_ + n / side * p_.grid + n % side, bias_in_square(n));
        }
    }
    [[nodiscard]] float table(size_t at) const { return launch_.floats(Arena::weights, p_.bias)[at]; }
    [[nodiscard]] float bias_in_row(uint32_t s) const
    {
        const auto kind = static_cast<LocalBias>(launch_.constants[kBias]);
        if (kind != LocalBias::buckets && kind != LocalBias::table) return 0;
        const uint32_t i = place_ - begin_;
        const uint32_t j = s + p_.overlap - begin_;
        if (kind == LocalBias::table) {
            return table((size_t{head_} * p_.window + i) * (p_.window + 2 * p_.overlap) + j);
        }
        const float bucket = launch_.floats(Arena::weights, p_.buckets)[j + p_.window - 1 - i];
        return p_.scale * table(static_cast<size_t>(bucket) * p_.bias_heads + (p_.bias_heads == 1 ? 0 : head_));
    }
    [[nodiscard]] float bias_in_square(uint32_t n) const
    {
        if (form_ != LocalForm::squares || launch_.constants[kBias] != static_cast<uint32_t>(LocalBias::table))
            return 0;
        const uint32_t dy = place_ / p_.grid % p_.window + p_.window - 1 - n / p_.window;
        const uint32_t dx = place_ % p_.grid % p_.window + p_.window - 1 - n % p_.window;
        return table((size_t{dy} * p_.window + dx) * p_.heads + head_);
    }
    void add_chunks()
    {
        const bool excludes = launch_.constants[kExcludesLocal] != 0;
        const uint32_t arena = launch_.constants[kChunkArena];
        const uint32_t over = (excludes ? first_ : place_) / p_.chunk;
        const uint32_t count = is_causal() ? std::min(p_.chunks, over) : p_.chunks;
        for (uint32_t chunk = 0; chunk < count; ++chunk) {
            if (excludes && !is_causal() && is_local(chunk)) continue;
            const size_t at = ((size_t{stream_} * p_.chunks + chunk) * p_.heads + head_) * p_.width;
            keys_.push_back({launch_.floats(arena, p_.chunk_k) + at, launch_.floats(arena, p_.chunk_v) + at, 0});
        }
    }
    [[nodiscard]] bool is_local(uint32_t chunk) const
    {
        const auto meets = [&](uint32_t from, uint32_t low, uint32_t high) {
            return from < high && from + p_.chunk > low;
        };
        if (form_ == LocalForm::squares) {
            const uint32_t across = p_.grid / p_.chunk;
            const uint32_t x = begin_ % p_.grid;
            const uint32_t y = begin_ / p_.grid;
            return meets(chunk % across * p_.chunk, x, x + p_.window) &&
                   meets(chunk / across * p_.chunk, y, y + p_.window);
        }
        return meets(chunk * p_.chunk, minus(begin_, p_.overlap), begin_ + p_.window + p_.overlap);
    }

    const HostLaunch& launch_;
    const Parameters& p_;
    LocalForm form_;
    uint32_t slot_;
    uint32_t head_;
    uint32_t stream_ = 0;
    uint32_t count_ = 0;
    uint32_t held_ = 0;
    uint32_t place_ = 0; // of the query in its sequence; of a chunk: its number
    uint32_t begin_ = 0;
    uint32_t first_ = 0;
    std::vector<Key> keys_;
};

void answer(const HostLaunch& launch, const Parameters& p, uint32_t row, uint32_t head)
{
    HostKeys of_query(launch, p, row, head);
    if (!of_query.is_wanted()) return;
    const std::vector<Key> keys = of_query.all();
    const bool has_norm = launch.constants[kBias] == static_cast<uint32_t>(LocalBias::key_norm);
    const float* q = launch.floats(launch.constants[kQ], p.q) + (size_t{row} * p.heads + head) * p.width;
    std::vector<float> scores;
    for (const Key& key : keys) {
        scores.push_back((has_norm ? twin::prm(q, key.k, p.width, p.scale) : p.scale * twin::dot(q, key.k, p.width)) +
                         key.bias);
    }
    float* o = launch.floats(launch.constants[kO], p.o) + (of_query.output_row(row) * p.heads + head) * p.width;
    const auto [largest, total] = twin::softmax_mean(
        scores, [&](size_t n) { return keys[n].v; }, o, p.width);
    if (p.sums == kNone) return;
    float* sums = launch.floats(Arena::activations, p.sums) + 2 * (size_t{row} * p.heads + head);
    sums[0] = largest;
    sums[1] = total;
}

void on_host(const HostLaunch& launch)
{
    const auto p = launch.parameters<Parameters>();
    const uint32_t end = p.first_row + launch.rows(launch.groups[0]);
    for (uint32_t row = p.first_row; row < end; ++row) {
        for (uint32_t head = 0; head < p.heads; ++head) answer(launch, p, row, head);
    }
}

/// The most keys that a query may see, summaries included.
uint64_t most_keys(const LocalAttention& a)
{
    const uint64_t summaries = a.chunk_k ? a.chunk_k->shape[1] : 0;
    switch (a.form) {
        case LocalForm::windows:
            return summaries + a.window + 2 * uint64_t{a.overlap};
        case LocalForm::squares:
            return summaries + uint64_t{a.window} * a.window;
        case LocalForm::chunks:
            return a.chunking.side + 2 * uint64_t{a.overlap};
        case LocalForm::square_chunks:
            return uint64_t{a.chunking.side} * a.chunking.side;
        default:
            return a.k.shape[1];
    }
}

bool has_vectors(const LocalAttention& a)
{
    if (a.q.shape.last() % 4 != 0) return false;
    for (const Tensor* tensor : {&a.q, &a.k, a.chunk_k, a.state ? &a.state->ring_k : nullptr}) {
        if (tensor && (tensor->arena == Arena::io || tensor->offset % 4 != 0)) return false;
    }
    return true;
}

Parameters parameters_of(const LocalAttention& a)
{
    const Shape& q = a.q.shape;
    Parameters p{};
    p.q = a.q.offset;
    p.k = a.k.offset;
    p.v = a.v.offset;
    p.o = a.o.offset;
    p.sums = a.sums ? a.sums->offset : kNone;
    p.held = a.state ? a.state->held.offset : kNone;
    p.ring_k = a.state ? a.state->ring_k.offset : kNone;
    p.ring_v = a.state ? a.state->ring_v.offset : kNone;
    p.ring = a.state ? a.state->ring_k.shape[1] : 1;
    p.streams = a.map.streams;
    p.counts = a.map.counts;
    p.queries = q[1];
    p.tokens = a.k.shape[1];
    p.heads = q[2];
    p.width = q[3];
    p.scale = a.scale;
    p.window = a.window;
    p.overlap = a.overlap;
    p.grid = a.chunking.grid;
    p.chunk = a.chunking.side;
    p.chunks = a.chunking.count;
    p.chunk_k = a.chunk_k ? a.chunk_k->offset : kNone;
    p.chunk_v = a.chunk_v ? a.chunk_v->offset : kNone;
    p.bias = a.bias_table ? a.bias_table->offset : kNone;
    p.bias_heads = a.bias_table ? a.bias_table->shape.last() : 1;
    p.buckets = a.buckets ? a.buckets->offset : kNone;
    return p;
}

} // namespace

void local_attention(Recorder& recorder, const LocalAttention& a)
{
    const Shape& q = a.q.shape;
    const uint32_t group_columns = columns_per_group(q[3]);
    // Where keys of a block lie in different places, lanes wait for each other: up to three rows for 64 keys.
    const uint64_t trips = (most_keys(a) + 63) / 64 * (q[3] + group_columns + 10) + 4 * uint64_t{q[3]};
    if (trips > kMaxTrips) {
        raise(Status::unsupported, "attention over {} keys of width {} takes {} loop trips, at most {}", most_keys(a),
              q[3], trips, kMaxTrips);
    }
    Parameters p = parameters_of(a);
    const uint32_t rows = q[0] * q[1];
    for (uint32_t first = 0; first < rows; first += std::min(recorder.caps.max_groups, rows - first)) {
        p.first_row = first;
        Launch launch;
        launch.kernel = {&kernels::local_attention,
                         {arena_constant(a.q), arena_constant(a.k), arena_constant(a.v), arena_constant(a.o),
                          a.chunk_k ? arena_constant(*a.chunk_k) : 0U, static_cast<uint32_t>(a.form),
                          a.is_causal ? 1U : 0U, static_cast<uint32_t>(a.bias), a.excludes_local ? 1U : 0U,
                          group_columns, has_vectors(a) ? 1U : 0U, a.state ? 1U : 0U}};
        launch.set_push(p);
        launch.groups = {std::min(recorder.caps.max_groups, rows - first), q[2], ceil_div(q[3], group_columns)};
        follow_slots(recorder, launch, 0, rows, 1, first);
        launch.reads = {a.q.slice(), a.k.slice(), a.v.slice()};
        for (const Tensor* tensor : {a.chunk_k, a.chunk_v, a.bias_table, a.buckets}) {
            if (tensor) launch.reads.push_back(tensor->slice());
        }
        if (a.state) {
            for (const Tensor* tensor : {&a.state->held, &a.state->ring_k, &a.state->ring_v}) {
                launch.reads.push_back(tensor->slice());
            }
        }
        launch.writes = {a.o.slice()};
        if (a.sums) launch.writes.push_back(a.sums->slice());
        launch.host = on_host;
        recorder.list.append(std::move(launch));
    }
}

} // namespace gramian
