#include "ops/linear_recurrence.hpp"

#include "ops/hot_kernels.hpp"
#include "ops/kernels.hpp"
#include "ops/linear_attention_chunked.hpp"
#include "ops/linear_recurrence_twin.hpp"
#include "ops/state_read.hpp"
#include "shaders/linear_attention.h"

#include <algorithm>
#include <cstring>

namespace gramian {
namespace {

// Drivers exist that stop silently after 65,535 loop trips of an invocation: longer work becomes several launches.
constexpr uint64_t kMaxTrips = 60'000;
constexpr uint32_t kMaxNormalizedWidth = 1'024; // z in shared memory

enum Constant : uint32_t {
    kQArena,
    kKArena,
    kVArena,
    kOArena,
    kStateArena,
    kColumns,
    kHasInitial,
    kFeature,
    kDecay,
    kIsNegExp,
    kHasHeadFactor,
    kBeta,
    kRule,
    kErasesPre,
    kWritesPlain,
    kReadsBefore,
    kHasGain,
    kHasBonus,
    kNormalize,
    kConstantCount, // the kernels for 16, 32, 64 and 128 features and columns have more, by which they share out the
                    // state
};

/// The tensors of one head as the host function walks through them.
class HostHead {
public:
    HostHead(const HostLaunch& launch, const gpu::LinearAttentionParameters& p, uint32_t slot, uint32_t head)
        : launch_(launch), p_(p), slot_(slot), head_(head), q_(p.width), k_(p.width)
    {
        const auto& c = launch.constants;
        rule_ = {p.width,
                 p.columns,
                 static_cast<EraseRule>(c[kRule]),
                 c[kDecay] == 2,
                 c[kBeta] == 2,
                 c[kIsNegExp] != 0,
                 c[kErasesPre] != 0,
                 c[kWritesPlain] != 0,
                 c[kReadsBefore] != 0};
    }

    void run()
    {
        const auto& c = launch_.constants;
        const auto* words = reinterpret_cast<const uint32_t*>(launch_.arenas[static_cast<size_t>(Arena::io)]);
        const uint32_t stream = p_.streams == kNone ? slot_ : words[p_.streams + slot_];
        if (stream == kNone) return;
        const uint32_t end = p_.counts == kNone ? p_.tokens : words[p_.counts + slot_];
        const size_t state_head = size_t{stream} * p_.heads + head_;
        float* s = place(c[kStateArena], p_.state, p_.initial, state_head * p_.width * p_.columns,
                         size_t{p_.width} * p_.columns);
        float* z =
            c[kNormalize] ? place(c[kStateArena], p_.state_z, p_.initial_z, state_head * p_.width, p_.width) : nullptr;
        for (uint32_t t = p_.first; t < std::min(p_.first + p_.count, end); ++t) take(t, s, z);
    }

private:
    float* place(uint32_t arena, uint32_t to, uint32_t from, size_t at, size_t size)
    {
        float* state = launch_.floats(arena, to) + at;
        if (!launch_.constants[kHasInitial])
            std::memset(state, 0, 4 * size);
        else if (from != to)
            std::memcpy(state, launch_.floats(arena, from) + at, 4 * size);
        return state;
    }

    void take(uint32_t t, float* s, float* z)
    {
        const auto& c = launch_.constants;
        const size_t at = (size_t{slot_} * p_.tokens + t) * p_.heads + head_;
        const auto feature = static_cast<Feature>(c[kFeature]);
        const float* q = launch_.floats(c[kQArena], p_.q) + at * p_.width;
        const float* k = launch_.floats(c[kKArena], p_.k) + at * p_.width;
        for (uint32_t i = 0; i < p_.width; ++i) {
            q_[i] = twin::feature(feature, q[i]);
            k_[i] = twin::feature(feature, k[i]);
        }
        const auto given = [&](uint32_t kind, uint32_t offset, uint32_t size) -> const float* {
            if (kind == 0) return nullptr;
            return launch_.floats(Arena::activations, offset) + at * (kind == 1 ? 1 : size);
        };
        const uint32_t general = rule_.rule == EraseRule::general ? 2U : 0U;
        twin::RecurrenceToken<float> token{q_.data(),
                                           k_.data(),
                                           launch_.floats(c[kVArena], p_.v) + at * p_.columns,
                                           given(c[kDecay], p_.decay, p_.width),
                                           given(c[kBeta], p_.beta, p_.width),
                                           given(general, p_.erase_read, p_.width),
                                           given(general, p_.erase_write, p_.width),
                                           given(c[kHasGain] * 2, p_.value_gain, p_.columns),
                                           nullptr,
                                           1.0F};
        if (c[kHasBonus]) token.bonus = launch_.floats(Arena::weights, p_.bonus) + size_t{head_} * p_.width;
        if (c[kHasHeadFactor]) token.head_factor = launch_.floats(Arena::weights, p_.head_factor)[head_];
        twin::recurrence_step(rule_, token, s, z, launch_.floats(c[kOArena], p_.o) + at * p_.columns, p_.scale,
                              p_.epsilon, p_.denominator_min);
    }

    const HostLaunch& launch_;
    const gpu::LinearAttentionParameters& p_;
    uint32_t slot_;
    uint32_t head_;
    std::vector<float> q_;
    std::vector<float> k_;
    twin::RecurrenceRule rule_;
};

void on_host(const HostLaunch& launch)
{
    const auto p = launch.parameters<gpu::LinearAttentionParameters>();
    for (uint32_t slot = 0; slot < launch.groups[2]; ++slot) {
        for (uint32_t head = 0; head < p.heads; ++head) HostHead(launch, p, slot, head).run();
    }
}

/// 0: not given, 1: a number a head, 2: a number a key feature.
uint32_t form_of(const Tensor* tensor)
{
    return !tensor ? 0U : tensor->shape.rank() == 3 ? 1U : 2U;
}

void check(const LinearRecurrence& r)
{
    const Shape& k = r.k.shape;
    const Shape& v = r.v.shape;
    const Shape& s = r.state.shape;
    const bool fits = k.rank() == 4 && r.q.shape == k && v.rank() == 4 && r.o.shape == v && v[0] == k[0] &&
                      v[1] == k[1] && v[2] == k[2] && s.rank() == 4 && s[1] == k[2] && s[2] == k[3] && s[3] == v[3] &&
                      r.first + r.count <= k[1];
    if (!fits) {
        raise(Status::invalid_argument, "linear_recurrence: q {}, k {}, v {} and state {} do not fit together",
              r.q.shape.text(), k.text(), v.text(), s.text());
    }
    if (r.state_z && k[3] > kMaxNormalizedWidth) {
        raise(Status::unsupported, "linear_recurrence: {} key features, at most {} when normalised", k[3],
              kMaxNormalizedWidth);
    }
}

std::vector<uint32_t> constants_of(const LinearRecurrence& r, uint32_t group_columns)
{
    std::vector<uint32_t> c(kConstantCount);
    c[kQArena] = arena_constant(r.q);
    c[kKArena] = arena_constant(r.k);
    c[kVArena] = arena_constant(r.v);
    c[kOArena] = arena_constant(r.o);
    c[kStateArena] = arena_constant(r.state);
    c[kColumns] = group_columns;
    c[kHasInitial] = r.initial != nullptr;
    c[kFeature] = static_cast<uint32_t>(r.feature);
    c[kDecay] = form_of(r.decay);
    c[kIsNegExp] = r.is_neg_exp;
    c[kHasHeadFactor] = r.head_factor != nullptr;
    c[kBeta] = form_of(r.beta);
    c[kRule] = static_cast<uint32_t>(r.rule);
    c[kErasesPre] = r.erases_pre;
    c[kWritesPlain] = r.writes_plain;
    c[kReadsBefore] = r.reads_before;
    c[kHasGain] = r.value_gain != nullptr;
    c[kHasBonus] = r.bonus != nullptr;
    c[kNormalize] = r.state_z != nullptr;
    return c;
}

gpu::LinearAttentionParameters parameters_of(const LinearRecurrence& r)
{
    const auto offset = [](const Tensor* tensor) { return tensor ? tensor->offset : kNone; };
    const Shape& k = r.k.shape;
    return {r.q.offset,
            r.k.offset,
            r.v.offset,
            r.o.offset,
            r.initial ? r.initial->offset : r.state.offset,
            r.initial_z ? r.initial_z->offset : offset(r.state_z),
            r.state.offset,
            offset(r.state_z),
            offset(r.decay),
            offset(r.head_factor),
            offset(r.beta),
            offset(r.erase_read),
            offset(r.erase_write),
            offset(r.value_gain),
            offset(r.bonus),
            r.map.streams,
            r.map.counts,
            k[1],
            r.first,
            r.count,
            k[2],
            k[3],
            r.v.shape[3],
            r.scale,
            r.epsilon,
            r.denominator_min};
}

/// How one token is shared out: which kernel, its constants, and what of 60,000 loop trips a token takes.
struct Layout {
    Kernel kernel;
    uint32_t blocks = 1; // workgroups a head
    uint64_t trips = 0;
};

bool is_hot_shape(const LinearRecurrence& r)
{
    const auto tensors = {&r.q,    &r.k,   &r.v,         &r.o,          &r.state,     r.initial,
                          r.decay, r.beta, r.erase_read, r.erase_write, r.value_gain, r.bonus};
    return has_hot_width(r.k.shape[3]) && has_hot_width(r.v.shape[3]) && !r.state_z &&
           std::all_of(tensors.begin(), tensors.end(), is_vector_aligned);
}

Layout sharded_layout(const LinearRecurrence& r)
{
    // 8 numbers of state a lane: with 16, the compilers of VideoCore spill some forms.
    const uint32_t width = r.k.shape[3];
    const HeadShards shards = head_shards(width, r.v.shape[3]);
    Layout layout;
    layout.kernel = {&kernels::linear_attention_sharded, constants_of(r, 0)};
    const auto add = {shards.lanes, width, shards.pairs};
    layout.kernel.constants.insert(layout.kernel.constants.end(), add);
    layout.blocks = shards.blocks;
    layout.trips = 1 + 2 * (shards.shares + 5);
    return layout;
}

const Shader* software_kernel(const Caps& caps)
{
    return vector_kernel(caps, kernels::linear_attention_software_texels, kernels::linear_attention_software_storage);
}

const Shader* software_step_kernel(const Caps& caps)
{
    return vector_kernel(caps, kernels::linear_attention_software_step_texels,
                         kernels::linear_attention_software_step_storage);
}

/// Whether every slot has one token and nothing is erased, and lanes share columns and rows evenly.
bool is_software_step(const Recorder& recorder, const LinearRecurrence& r)
{
    const uint32_t share = 4 * recorder.caps.subgroup_size;
    return r.rule == EraseRule::none && is_step(recorder, r.count, r.map) && r.k.shape[3] % share == 0 &&
           r.v.shape[3] % share == 0 && software_step_kernel(recorder.caps);
}

Layout software_step_layout(const Caps& caps, const LinearRecurrence& r)
{
    constexpr uint32_t kMostVectors = 128; // of state a lane: more take seconds to compile
    const uint32_t width = r.k.shape[3];
    const uint32_t vectors = r.v.shape[3] / 4;
    const uint32_t lanes = caps.subgroup_size;
    const uint32_t block = 2 * width <= kMostVectors && vectors % (2 * lanes) == 0 ? 2 : 1;
    const uint32_t fours = width / (4 * lanes);
    Layout layout;
    layout.kernel = {software_step_kernel(caps), constants_of(r, 0)};
    const auto add = {lanes, width, vectors, fours, block};
    layout.kernel.constants.insert(layout.kernel.constants.end(), add);
    layout.blocks = vectors / (block * lanes);
    layout.trips = 1 + fours + uint64_t{block} * width;
    return layout;
}

Layout software_layout(const Recorder& recorder, const LinearRecurrence& r)
{
    constexpr uint32_t kMostVectors = 64; // of state a lane: more take seconds to compile
    const uint32_t width = r.k.shape[3];
    const uint32_t vectors = r.v.shape[3] / 4;
    const uint32_t lanes = recorder.caps.subgroup_size;
    const uint32_t fours = ceil_div(width, 4 * lanes);
    const uint32_t block = std::clamp(kMostVectors / (4 * fours), 1U, 4U);
    Layout layout;
    layout.kernel = {software_kernel(recorder.caps), constants_of(r, 0)};
    const auto add = {lanes, width, vectors, fours, block, is_step(recorder, r.count, r.map) ? 1U : 0U};
    layout.kernel.constants.insert(layout.kernel.constants.end(), add);
    layout.blocks = vectors / block;
    layout.trips = 1 + fours + uint64_t{2} * block * 4 * fours;
    return layout;
}

Layout any_layout(const LinearRecurrence& r)
{
    const uint32_t width = r.k.shape[3];
    const uint32_t columns = r.v.shape[3];
    const uint32_t group_columns = columns_per_group(columns);
    const uint32_t blocks = ceil_div(columns, group_columns);
    // Rows of S once or twice, rows of z, the sums over lanes, and the trip that ends each of these loops.
    const uint32_t rows = ceil_div(width, 64 / group_columns);
    const uint64_t sweeps = r.rule == EraseRule::none ? 1 : 2;
    const uint64_t trips = (sweeps * (rows + 8) + ceil_div(width, 64) + 1) * (r.state_z ? blocks : 1) + 1;
    return {{&kernels::linear_attention, constants_of(r, group_columns)}, r.state_z ? 1 : blocks, trips};
}

Layout layout_of(const Recorder& recorder, const LinearRecurrence& r)
{
    if (!is_hot_shape(r)) return any_layout(r);
    if (shares_by_subgroup(recorder.caps)) {
        return is_software_step(recorder, r) ? software_step_layout(recorder.caps, r) : software_layout(recorder, r);
    }
    return recorder.caps.refuses(kernels::linear_attention_sharded.name) ? any_layout(r) : sharded_layout(r);
}

} // namespace

bool shares_by_subgroup(const Caps& caps)
{
    return runs_subgroups_as_vectors(caps) && software_kernel(caps);
}

void linear_recurrence(Recorder& recorder, const LinearRecurrence& r)
{
    check(r);
    const uint32_t chunk = recorder.chunk == kNone ? preferred_chunk(recorder.caps, r) : recorder.chunk;
    if (chunk > 0 && r.count > 1) return linear_recurrence_chunked(recorder, r, chunk);
    const Shape& k = r.k.shape;
    const Layout layout = layout_of(recorder, r);
    const auto tokens_per_launch = static_cast<uint32_t>(std::max<uint64_t>(1, kMaxTrips / layout.trips));
    gpu::LinearAttentionParameters p = parameters_of(r);
    for (uint32_t done = 0; done < r.count; done += p.count) {
        p.first = r.first + done;
        p.count = std::min(tokens_per_launch, r.count - done);
        Launch launch;
        launch.kernel = layout.kernel;
        launch.kernel.constants[kHasInitial] = done > 0 || r.initial;
        launch.set_push(p);
        launch.groups = {layout.blocks, k[2], k[0]};
        launch.reads = {r.q.slice(), r.k.slice(), r.v.slice()};
        for (const Tensor* tensor : {r.initial, r.initial_z, r.decay, r.head_factor, r.beta, r.erase_read,
                                     r.erase_write, r.value_gain, r.bonus}) {
            if (tensor) launch.reads.push_back(tensor->slice());
        }
        launch.writes = {r.o.slice(), r.state.slice()};
        if (r.state_z) launch.writes.push_back(r.state_z->slice());
        follow_slots(recorder, launch, 2, k[0]);
        launch.host = on_host;
        recorder.list.append(std::move(launch));
        p.initial = p.state; // the next launch goes on from where this one stopped
        p.initial_z = p.state_z;
    }
}

} // namespace gramian
