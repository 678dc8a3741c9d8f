#include "ops/linear_attention_chunked.hpp"

#include "ops/kernels.hpp"
#include "ops/linear_attention_chunked_host.hpp"
#include "shaders/linear_attention_chunk.h"

#include <bit>

namespace gramian {
namespace {

using namespace chunked;

// Drivers exist that stop silently after 65,535 loop trips of an invocation: longer work becomes several launches.
constexpr uint64_t kMaxTrips = 60'000;
constexpr uint64_t kMaxCellFloats = uint64_t{1} << 23; // 32 MiB: what all chunks of a segment keep for each other

/// 0: not given, 1: a number a head, 2: a number a key feature.
uint32_t form_of(const Tensor* tensor)
{
    return !tensor ? 0U : tensor->shape.rank() == 3 ? 1U : 2U;
}

/// How one recurrence is cut: C, F, E and what follows from them.
struct Cut {
    uint64_t chunk, width, columns;

    [[nodiscard]] uint64_t cell_floats() const
    {
        return 6 * chunk * width + 4 * chunk * chunk + width + (width + chunk) * columns;
    }
    /// Columns of a workgroup: the state and what is erased of them must fit shared memory.
    [[nodiscard]] uint32_t group_columns(const Caps& caps) const
    {
        const uint64_t most = caps.max_shared_bytes / (4 * (width + chunk));
        if (most == 0) return 0;
        return static_cast<uint32_t>(std::min(std::bit_floor(most), std::bit_ceil(std::min(columns, uint64_t{16}))));
    }
    /// Loop trips of an invocation for one chunk, the test that ends a loop counted.
    [[nodiscard]] uint64_t state_trips(uint32_t group_columns) const
    {
        const uint64_t groups = 64 / group_columns;
        const uint64_t rows = (chunk + groups - 1) / groups;
        return rows * (width + chunk + 3) + (chunk + 1) * (rows + 2) + (width + groups - 1) / groups * (chunk + 2) +
               rows + 8;
    }
    [[nodiscard]] uint64_t score_trips() const
    {
        return ceil_div(static_cast<uint32_t>(chunk * chunk), 64) * (width + 2);
    }
    [[nodiscard]] uint64_t output_trips(uint32_t group_columns) const
    {
        return (chunk * group_columns + 63) / 64 * (width + chunk + 4);
    }
};

Cut cut_of(const LinearRecurrence& r, uint32_t chunk)
{
    return {chunk, r.k.shape[3], r.v.shape[3]};
}

std::vector<uint32_t> constants_of(const LinearRecurrence& r, const Cut& cut, uint32_t group_columns)
{
    return {arena_constant(r.q),
            arena_constant(r.k),
            arena_constant(r.v),
            arena_constant(r.o),
            arena_constant(r.state),
            static_cast<uint32_t>(r.feature),
            form_of(r.decay),
            r.is_neg_exp,
            r.head_decay != nullptr,
            form_of(r.beta),
            static_cast<uint32_t>(r.rule),
            r.erases_pre,
            r.writes_plain,
            r.reads_before,
            r.value_gain != nullptr,
            r.bonus != nullptr,
            1U,
            static_cast<uint32_t>(cut.chunk),
            static_cast<uint32_t>(cut.width),
            group_columns};
}

gpu::LinearAttentionChunkParameters parameters_of(const LinearRecurrence& r, const Tensor& cells)
{
    const auto offset = [](const Tensor* tensor) { return tensor ? tensor->offset : kNone; };
    gpu::LinearAttentionChunkParameters p{};
    p.q = r.q.offset;
    p.k = r.k.offset;
    p.v = r.v.offset;
    p.o = r.o.offset;
    p.initial = r.initial ? r.initial->offset : r.state.offset;
    p.state = r.state.offset;
    p.decay = offset(r.decay);
    p.head_decay = offset(r.head_decay);
    p.beta = offset(r.beta);
    p.erase_read = offset(r.erase_read);
    p.erase_write = offset(r.erase_write);
    p.value_gain = offset(r.value_gain);
    p.bonus = offset(r.bonus);
    p.cells = cells.offset;
    p.streams = r.map.streams;
    p.counts = r.map.counts;
    p.tokens = r.k.shape[1];
    p.heads = r.k.shape[2];
    p.columns = r.v.shape[3];
    p.scale = r.scale;
    return p;
}

/// Some chunks of a recurrence, as many as have a cell.
class Segment {
public:
    Segment(Recorder& recorder, const LinearRecurrence& r, const Cut& cut, const Tensor& cells)
        : recorder_(recorder), r_(r), cut_(cut), cells_(cells), group_columns_(cut.group_columns(recorder.caps)),
          constants_(constants_of(r, cut, group_columns_))
    {
    }

    void record(gpu::LinearAttentionChunkParameters& p, bool& has_initial)
    {
        const uint32_t blocks = ceil_div(p.columns, group_columns_);
        const auto inputs = {&r_.q, &r_.k};
        Launch decay = launch(kernels::linear_attention_chunk_decay, p, p.chunks, decay_on_host);
        for (const Tensor* tensor : inputs) decay.reads.push_back(tensor->slice());
        decay.writes = {cells_.slice()};
        recorder_.list.append(std::move(decay));

        Launch scores = launch(kernels::linear_attention_chunk_scores, p, p.chunks, scores_on_host);
        for (const Tensor* tensor : inputs) scores.reads.push_back(tensor->slice());
        scores.reads.push_back(cells_.slice());
        scores.writes = {cells_.slice()};
        recorder_.list.append(std::move(scores));

        record_states(p, blocks, has_initial);

        Launch outputs = launch(kernels::linear_attention_chunk_outputs, p, p.chunks * blocks, outputs_on_host);
        outputs.reads.insert(outputs.reads.end(), {r_.v.slice(), cells_.slice()});
        outputs.writes = {r_.o.slice()};
        recorder_.list.append(std::move(outputs));
    }

private:
    Launch launch(const Shader& shader, const gpu::LinearAttentionChunkParameters& p, uint32_t groups,
                  HostFunction host) const
    {
        Launch one;
        one.kernel = {&shader, constants_};
        one.set_push(p);
        one.groups = {groups, p.heads, r_.k.shape[0]};
        for (const Tensor* tensor :
             {r_.decay, r_.head_decay, r_.beta, r_.erase_read, r_.erase_write, r_.value_gain, r_.bonus}) {
            if (tensor) one.reads.push_back(tensor->slice());
        }
        follow_slots(recorder_, one, 2, r_.k.shape[0]);
        one.host = host;
        return one;
    }

    void record_states(gpu::LinearAttentionChunkParameters& p, uint32_t blocks, bool& has_initial)
    {
        const auto most = static_cast<uint32_t>(kMaxTrips / cut_.state_trips(group_columns_));
        for (p.first_chunk = 0; p.first_chunk < p.chunks; p.first_chunk += p.chunk_count) {
            p.chunk_count = std::min(most, p.chunks - p.first_chunk);
            Launch states = launch(kernels::linear_attention_chunk_states, p, blocks, states_on_host);
            states.kernel.constants[kHasInitial] = has_initial;
            states.reads.insert(states.reads.end(), {r_.v.slice(), cells_.slice()});
            if (has_initial) {
                states.reads.push_back(p.initial == p.state ? r_.state.slice() : r_.initial->slice());
            }
            states.writes = {cells_.slice(), r_.state.slice()};
            recorder_.list.append(std::move(states));
            has_initial = true;
            p.initial = p.state; // what follows goes on from where this stopped
        }
        p.first_chunk = 0;
    }

    Recorder& recorder_;
    const LinearRecurrence& r_;
    Cut cut_;
    const Tensor& cells_;
    uint32_t group_columns_;
    std::vector<uint32_t> constants_;
};

} // namespace

bool can_chunk(const Caps& caps, const LinearRecurrence& r, uint32_t chunk)
{
    const Cut cut = cut_of(r, chunk);
    const uint32_t columns = cut.group_columns(caps);
    const uint64_t cells = uint64_t{r.k.shape[0]} * r.k.shape[2] * cut.cell_floats();
    return !r.state_z && columns > 0 && cells <= caps.max_storage_bytes / 8 &&
           std::max({cut.state_trips(columns), cut.score_trips(), cut.output_trips(columns)}) <= kMaxTrips;
}

uint32_t preferred_chunk(const Caps& caps, const LinearRecurrence& r)
{
    // Less work in sequence, more work in all: worth it for long sequences of few heads on a device of many cores. What
    // many is no device says; none has been measured.
    constexpr uint32_t kChunkTokens = 16;
    constexpr uint32_t kFewestTokens = 64;
    constexpr uint32_t kMostHeads = 64;
    if (caps.is_host || caps.is_software) return 0;
    const bool is_long = r.count >= kFewestTokens && r.k.shape[0] * r.k.shape[2] <= kMostHeads;
    return is_long && can_chunk(caps, r, kChunkTokens) ? kChunkTokens : 0;
}

void linear_recurrence_chunked(Recorder& recorder, const LinearRecurrence& r, uint32_t chunk)
{
    if (!can_chunk(recorder.caps, r, chunk)) {
        raise(Status::unsupported, "linear_recurrence: k {} and v {}{} in chunks of {} tokens", r.k.shape.text(),
              r.v.shape.text(), r.state_z ? ", normalised," : "", chunk);
    }
    const Cut cut = cut_of(r, chunk);
    const uint32_t slots = r.k.shape[0];
    const uint32_t heads = r.k.shape[2];
    const uint64_t row = uint64_t{slots} * heads * cut.cell_floats();
    const auto most = static_cast<uint32_t>(std::clamp<uint64_t>(kMaxCellFloats / row, 1, 1024));
    const uint32_t chunks = std::min(ceil_div(r.count, chunk), most);
    const Tensor cells = recorder.temporary({slots, heads, chunks, static_cast<uint32_t>(cut.cell_floats())});
    gpu::LinearAttentionChunkParameters p = parameters_of(r, cells);
    Segment segment(recorder, r, cut, cells);
    bool has_initial = r.initial != nullptr;
    for (uint32_t done = 0; done < r.count; done += p.count) {
        p.first = r.first + done;
        p.count = std::min(chunks * chunk, r.count - done);
        p.chunks = ceil_div(p.count, chunk);
        segment.record(p, has_initial);
    }
}

} // namespace gramian
