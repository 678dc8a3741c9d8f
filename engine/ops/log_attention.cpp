#include "ops/log_attention.hpp"

#include "ops/hot_kernels.hpp"
#include "ops/kernels.hpp"
#include "ops/log_attention_twin.hpp"
#include "ops/state_read.hpp"
#include "shaders/log_attention.h"

#include <algorithm>

namespace gramian {
namespace {

// Drivers exist that stop silently after 65,535 loop trips of an invocation: longer work becomes several launches.
constexpr uint64_t kMaxTrips = 60'000;
constexpr uint32_t kMaxWidth = 768; // Z and the rows of a token fill 20 bytes a key channel of 16 KiB

enum Constant : uint32_t {
    kQArena,
    kKArena,
    kVArena,
    kYArena,
    kStateArena,
    kColumns,
    kWidth,
    kHasInitial,
    kIsSigned,
    kUpdates,
    kReads
};

// The kernels for hot shapes have their own from 5 on; those that all have stand in the same places.
static_assert(kWidth == 6 && kHasInitial == 7 && kIsSigned == 8);

/// What a launch of the sharded kernel is for: constant 5 there.
enum ShardedPart : uint32_t { kColumnsOnly, kZOnly, kColumnsAndZ };

struct Halves {
    bool updates;
    bool reads;
};

void run_head(const HostLaunch& launch, const gpu::LogAttentionParameters& p, uint32_t slot, uint32_t head)
{
    const auto& c = launch.constants;
    const auto* words = reinterpret_cast<const uint32_t*>(launch.arenas[static_cast<size_t>(Arena::io)]);
    const uint32_t stream = p.streams == kNone ? slot : words[p.streams + slot];
    if (stream == kNone) return;
    const twin::LogAttentionSize size{c[kWidth], p.columns, c[kIsSigned] != 0};
    const uint32_t count = c[kUpdates] ? p.count : launch.groups[0];
    const uint32_t end = std::min(p.first + count, p.counts == kNone ? p.tokens : words[p.counts + slot]);
    if (end <= p.first) return;
    const size_t at = size_t{stream} * p.heads + head;
    const auto place = [&](uint32_t to, uint32_t from, size_t row) {
        float* state = launch.floats(c[kStateArena], to) + at * row;
        if (!c[kHasInitial])
            std::fill_n(state, row, 0.0F);
        else if (from != to)
            std::copy_n(launch.floats(c[kStateArena], from) + at * row, row, state);
        return state;
    };
    float* s = place(p.state, p.initial, size.width * size.row());
    float* z = place(p.state_z, p.initial_z, size_t{2} * size.width);
    for (uint32_t t = p.first; t < end; ++t) {
        const size_t row = (size_t{slot} * p.tokens + t) * p.heads + head;
        if (c[kUpdates]) {
            twin::log_attention_write(size, launch.floats(c[kKArena], p.k) + row * size.width,
                                      launch.floats(c[kVArena], p.v) + row * size.columns, s, z);
        }
        if (c[kReads]) {
            twin::log_attention_read(size, launch.floats(c[kQArena], p.q) + row * size.width, s, z,
                                     launch.floats(c[kYArena], p.y) + row * size.columns);
        }
    }
}

void on_host(const HostLaunch& launch)
{
    const auto p = launch.parameters<gpu::LogAttentionParameters>();
    for (uint32_t slot = 0; slot < launch.groups[2]; ++slot) {
        for (uint32_t head = 0; head < p.heads; ++head) run_head(launch, p, slot, head);
    }
}

/// Z alone. The host executor has one launch for all, so only devices that keep Z apart have this one.
void z_on_host(const HostLaunch& launch)
{
    auto p = launch.parameters<gpu::LogAttentionParameters>();
    p.columns = 0;
    for (uint32_t slot = 0; slot < launch.groups[2]; ++slot) {
        for (uint32_t head = 0; head < p.heads; ++head) run_head(launch, p, slot, head);
    }
}

void check(const LogAttention& a, Halves halves)
{
    const Shape& q = a.q.shape;
    const Shape& k = halves.updates ? a.k.shape : q;
    const Shape& z = a.state_z.shape;
    const uint32_t columns = a.state.shape.last();
    const Shape values{k[0], k[1], k[2], columns};
    const bool fits = k.rank() == 4 && z.rank() == 4 && z[1] == k[2] && z[2] == 2 && z[3] == k[3] &&
                      (!halves.reads || (q == k && a.y.shape == values)) && (!halves.updates || a.v.shape == values) &&
                      a.first + a.count <= k[1] &&
                      a.state.element_count() == uint64_t{z[0]} * z[1] * z[3] * columns * (a.is_signed ? 1 : 2);
    if (!fits) {
        raise(Status::invalid_argument, "log_attention: q {}, k {}, v {} and state {} do not fit together", q.text(),
              a.k.shape.text(), a.v.shape.text(), a.state.shape.text());
    }
    if (k[3] > kMaxWidth) {
        raise(Status::unsupported, "log_attention: {} key channels a head, at most {}", k[3], kMaxWidth);
    }
}

std::vector<uint32_t> constants_of(const LogAttention& a, Halves halves, uint32_t width)
{
    const auto arena = [](const Tensor& tensor, bool is_used) {
        return is_used ? arena_constant(tensor) : static_cast<uint32_t>(Arena::activations);
    };
    return {arena(a.q, halves.reads),
            arena(a.k, halves.updates),
            arena(a.v, halves.updates),
            arena(a.y, halves.reads),
            arena_constant(a.state),
            columns_per_group(a.state.shape.last()),
            width,
            0U,
            a.is_signed,
            halves.updates,
            halves.reads};
}

/// Which kernel, its constants, and what of 60,000 loop trips a token takes.
struct Layout {
    Kernel kernel;
    uint64_t trips = 1;
    uint32_t blocks = 1;  // workgroups a head
    Kernel z_kernel = {}; // of the launch that brings Z further, where the first one only follows it
};

const Shader* software_kernel(const Caps& caps)
{
    return vector_kernel(caps, kernels::log_attention_software_texels, kernels::log_attention_software_storage);
}

bool is_hot_shape(const LogAttention& a, Halves halves)
{
    const auto tensors = {&a.q, &a.k, &a.v, &a.y, &a.state, &a.state_z, a.initial, a.initial_z};
    return halves.updates && halves.reads && has_hot_width(a.k.shape[3]) && has_hot_width(a.state.shape.last()) &&
           std::all_of(tensors.begin(), tensors.end(), is_vector_aligned);
}

const Shader* software_step_kernel(const Caps& caps)
{
    return vector_kernel(caps, kernels::log_attention_software_step_texels,
                         kernels::log_attention_software_step_storage);
}

/// Whether every slot has one token, and lanes share columns and rows evenly.
bool is_software_step(const Recorder& recorder, const LogAttention& a)
{
    const uint32_t share = 4 * recorder.caps.subgroup_size;
    return is_step(recorder, a.count, a.map) && a.k.shape[3] % share == 0 && a.state.shape.last() % share == 0 &&
           software_step_kernel(recorder.caps);
}

/// more: the constants after `signed`.
Kernel software_kernel_of(const Shader* shader, const LogAttention& a, uint32_t invocations,
                          std::initializer_list<uint32_t> more)
{
    Kernel kernel{shader,
                  {arena_constant(a.q), arena_constant(a.k), arena_constant(a.v), arena_constant(a.y),
                   arena_constant(a.state), invocations, a.k.shape[3], 0, a.is_signed}};
    kernel.constants.insert(kernel.constants.end(), more);
    return kernel;
}

Layout software_step_layout(const Caps& caps, const LogAttention& a)
{
    constexpr uint32_t kMostVectors = 256; // of state a lane: more take seconds to compile
    const uint32_t width = a.k.shape[3];
    const uint32_t vectors = a.state.shape.last() / 4;
    const uint32_t lanes = caps.subgroup_size;
    const uint32_t row = a.is_signed ? 1 : 2;
    const uint32_t block = 2 * width * row <= kMostVectors && vectors % (2 * lanes) == 0 ? 2 : 1;
    Layout layout;
    layout.kernel = software_kernel_of(software_step_kernel(caps), a, vectors / block,
                                       {lanes, vectors, width / (4 * lanes), block});
    layout.trips = 1 + width + uint64_t{2} * block * width;
    return layout;
}

Layout software_layout(const Recorder& recorder, const LogAttention& a)
{
    constexpr uint32_t kMostVectors = 64; // of state a lane: more take seconds to compile
    const uint32_t width = a.k.shape[3];
    const uint32_t vectors = a.state.shape.last() / 4;
    const uint32_t lanes = recorder.caps.subgroup_size;
    const uint32_t fours = ceil_div(width, 4 * lanes);
    const uint32_t block = std::clamp(kMostVectors / (4 * fours * (a.is_signed ? 1 : 2)), 1U, 4U);
    Layout layout;
    layout.kernel = software_kernel_of(software_kernel(recorder.caps), a, lanes * vectors / block,
                                       {lanes, vectors, fours, block, is_step(recorder, a.count, a.map)});
    layout.trips = 2 + width / 4 + 3 * fours + uint64_t{2} * block * 4 * fours;
    return layout;
}

Layout sharded_layout(const LogAttention& a)
{
    // 8 numbers of state a lane, sums or exponents and sums: VideoCore has room for no more.
    const uint32_t width = a.k.shape[3];
    const HeadShards shards = head_shards(width, a.state.shape.last() * (a.is_signed ? 1 : 2));
    const auto kernel = [&](ShardedPart part, uint32_t lanes) {
        return Kernel{&kernels::log_attention_sharded,
                      {arena_constant(a.q), arena_constant(a.k), arena_constant(a.v), arena_constant(a.y),
                       arena_constant(a.state), part, width, 0, a.is_signed, lanes, shards.pairs}};
    };
    Layout layout;
    layout.blocks = shards.blocks;
    layout.kernel = kernel(shards.blocks > 1 ? kColumnsOnly : kColumnsAndZ, shards.lanes);
    if (shards.blocks > 1) layout.z_kernel = kernel(kZOnly, width);
    layout.trips = 1 + 2 * (shards.shares + 1);
    return layout;
}

Layout any_layout(const LogAttention& a, Halves halves)
{
    const uint32_t width = (halves.updates ? a.k : a.q).shape[3];
    const uint32_t columns = a.state.shape.last();
    const uint32_t group_columns = columns_per_group(columns);
    // The test that ends a loop counted: rows of Z twice, rows of S, the merging of the lanes twice.
    const uint64_t block = 2 * ceil_div(width, 64) + ceil_div(width, 64 / group_columns) + 18;
    return {{&kernels::log_attention, constants_of(a, halves, width)}, ceil_div(columns, group_columns) * block};
}

Layout layout_of(const Recorder& recorder, const LogAttention& a, Halves halves)
{
    const Caps& caps = recorder.caps;
    if (caps.is_host || !is_hot_shape(a, halves)) return any_layout(a, halves);
    if (log_attention_shares_by_subgroup(caps)) {
        return is_software_step(recorder, a) ? software_step_layout(caps, a) : software_layout(recorder, a);
    }
    return caps.refuses(kernels::log_attention_sharded.name) ? any_layout(a, halves) : sharded_layout(a);
}

Slice pairs_of(const Tensor& state)
{
    Slice slice = state.slice();
    slice.pair_columns = state.shape.last();
    return slice;
}

/// After the launch that reads Z.
void append_z(Recorder& recorder, const LogAttention& a, const Layout& layout, const gpu::LogAttentionParameters& p,
              const Tensor* initial)
{
    Launch launch;
    launch.kernel = layout.z_kernel;
    launch.kernel.constants[kHasInitial] = initial != nullptr;
    launch.set_push(p);
    launch.groups = {1, a.k.shape[2], a.k.shape[0]};
    launch.reads = {a.k.slice()};
    if (initial) launch.reads.push_back(initial->slice());
    launch.writes = {pairs_of(a.state_z)};
    follow_slots(recorder, launch, 2, a.k.shape[0]);
    launch.host = z_on_host;
    recorder.list.append(std::move(launch));
}

void record(Recorder& recorder, const LogAttention& a, Halves halves)
{
    check(a, halves);
    const Shape& k = halves.updates ? a.k.shape : a.q.shape;
    const uint32_t columns = a.state.shape.last();
    const Layout layout = layout_of(recorder, a, halves);
    const uint32_t most = halves.updates ? static_cast<uint32_t>(std::max<uint64_t>(1, kMaxTrips / layout.trips))
                                         : recorder.caps.max_groups;
    bool has_initial = !halves.updates || a.initial != nullptr;
    const Tensor& initial = halves.updates && a.initial ? *a.initial : a.state;
    const Tensor& initial_z = halves.updates && a.initial_z ? *a.initial_z : a.state_z;
    gpu::LogAttentionParameters p{a.q.offset,
                                  a.k.offset,
                                  a.v.offset,
                                  a.y.offset,
                                  initial.offset,
                                  initial_z.offset,
                                  a.state.offset,
                                  a.state_z.offset,
                                  a.map.streams,
                                  a.map.counts,
                                  k[1],
                                  a.first,
                                  0,
                                  k[2],
                                  columns};
    for (uint32_t done = 0; done < a.count; done += p.count) {
        p.first = a.first + done;
        p.count = std::min(most, a.count - done);
        Launch launch;
        launch.kernel = layout.kernel;
        launch.kernel.constants[kHasInitial] = has_initial;
        launch.set_push(p);
        launch.groups = {halves.updates ? layout.blocks : p.count, k[2], k[0]};
        if (has_initial) launch.reads = {initial.slice(), initial_z.slice()};
        if (halves.updates) {
            launch.reads.insert(launch.reads.end(), {a.k.slice(), a.v.slice()});
            launch.writes = {a.is_signed ? a.state.slice() : pairs_of(a.state)};
            if (!layout.z_kernel.shader) launch.writes.push_back(pairs_of(a.state_z));
        }
        if (halves.reads) {
            launch.reads.push_back(a.q.slice());
            launch.writes.push_back(a.y.slice());
        }
        follow_slots(recorder, launch, 2, k[0]);
        launch.host = on_host;
        recorder.list.append(std::move(launch));
        if (layout.z_kernel.shader) append_z(recorder, a, layout, p, has_initial ? &initial_z : nullptr);
        has_initial = true;
        p.initial = p.state; // the next launch goes on from where this one stopped
        p.initial_z = p.state_z;
    }
}

} // namespace

bool log_attention_shares_by_subgroup(const Caps& caps)
{
    return runs_subgroups_as_vectors(caps) && software_kernel(caps);
}

void log_attention(Recorder& recorder, const LogAttention& attention)
{
    record(recorder, attention, {true, true});
}

void log_attention_write(Recorder& recorder, const LogAttention& attention)
{
    record(recorder, attention, {true, false});
}

void log_attention_read(Recorder& recorder, const LogAttention& attention)
{
    record(recorder, attention, {false, true});
}

} // namespace gramian
