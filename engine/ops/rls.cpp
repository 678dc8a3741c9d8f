#include "ops/rls.hpp"

#include "ops/kernels.hpp"
#include "ops/rls_twin.hpp"
#include "ops/state_read.hpp"
#include "shaders/rls.h"

#include <bit>

namespace gramian {
namespace {

constexpr uint64_t kMaxTrips = 60'000; // drivers exist that stop silently after 65,535
constexpr uint32_t kMaxWidth = 128;
constexpr uint32_t kMaxLocalWidth = 64; // a longer line along a row takes seconds to compile

/// One head as the host function walks through it.
class HostHead {
public:
    HostHead(const HostLaunch& launch, const gpu::RlsParameters& p, uint32_t slot, uint32_t stream, uint32_t head)
        : launch_(launch), p_(p), c_(launch.constants), slot_(slot), head_(head),
          at_(size_t{stream} * p.heads + head), state_{launch.floats(c_[5], p.inverse) + at_ * p.width * p.width,
                                                       launch.floats(c_[5], p.weights) + at_ * p.width * p.columns,
                                                       p.width, p.columns},
          record_(launch.floats(c_[5], p.record) + at_ * 4)
    {
    }

    void run(uint32_t end)
    {
        const bool has_tokens = end > p_.first; // an idle slot may name any stream
        if (c_[9] == 1 || c_[9] == 3 || (c_[9] == 2 && has_tokens && record_[3] == 0)) start();
        for (uint32_t t = p_.first; t < std::min(p_.first + p_.count, end); ++t) {
            take((size_t{slot_} * p_.tokens + t) * p_.heads + head_);
        }
    }

private:
    void start()
    {
        const float* g =
            p_.initial_g == kNone ? nullptr : launch_.floats(c_[5], p_.initial_g) + at_ * p_.width * p_.width;
        const float* ridge = p_.ridge == kNone ? nullptr : launch_.floats(c_[4], p_.ridge) + size_t{head_} * p_.width;
        auto state = state_;
        if (c_[9] != 1) state.columns = 0; // W stays as it is
        const auto report = twin::rls_start<float>(state, g, nullptr, ridge, p_.alpha, p_.attempts);
        record_[0] = report.alpha;
        record_[1] = report.retries;
        record_[2] = static_cast<float>(report.status);
        record_[3] = 1;
    }

    void take(size_t token)
    {
        const float* k = launch_.floats(c_[0], p_.k) + token * p_.width;
        const float* v = launch_.floats(c_[1], p_.v) + token * p_.columns;
        const float beta = p_.beta == kNone ? 1.0F : launch_.floats(Arena::activations, p_.beta)[token];
        const float seen = twin::rls_step(state_, k, v, beta);
        if (beta * seen > 0 && record_[2] == 1) record_[2] = 0;
        if (p_.y != kNone) {
            const float variance = twin::rls_read(state_, launch_.floats(c_[2], p_.q) + token * p_.width,
                                                  launch_.floats(c_[3], p_.y) + token * p_.columns);
            if (p_.variance != kNone) launch_.floats(c_[3], p_.variance)[token] = variance;
        }
        if (p_.report != kNone) report(launch_.floats(c_[6], p_.report) + token * 8, k, v);
    }

    void report(float* out, const float* k, const float* v) const
    {
        float largest = 0;
        for (uint32_t i = 0; i < p_.width; ++i) largest = std::max(largest, state_.p[size_t{i} * p_.width + i]);
        float error = 0;
        float size = 0;
        for (uint32_t c = 0; c < p_.columns; ++c) {
            float left = v[c];
            for (uint32_t i = 0; i < p_.width; ++i) left -= state_.w[size_t{i} * p_.columns + c] * k[i];
            error += left * left;
            size += v[c] * v[c];
        }
        out[0] = largest > 0 ? 1 / largest : 0;
        out[1] = record_[0];
        out[2] = record_[1];
        out[3] = size > 0 ? std::sqrt(error / size) : 0;
        out[4] = record_[2];
    }

    const HostLaunch& launch_;
    const gpu::RlsParameters& p_;
    std::span<const uint32_t> c_;
    uint32_t slot_;
    uint32_t head_;
    size_t at_;
    twin::RlsState<float> state_;
    float* record_;
};

void on_host(const HostLaunch& launch)
{
    const auto p = launch.parameters<gpu::RlsParameters>();
    const auto* words = reinterpret_cast<const uint32_t*>(launch.arenas[static_cast<size_t>(Arena::io)]);
    for (uint32_t slot = 0; slot < launch.groups[1]; ++slot) {
        const uint32_t stream = p.streams == kNone ? slot : words[p.streams + slot];
        if (stream == kNone) continue;
        const uint32_t end = p.counts == kNone ? p.tokens : words[p.counts + slot];
        for (uint32_t head = 0; head < p.heads; ++head) HostHead(launch, p, slot, stream, head).run(end);
    }
}

void check(const Rls& r)
{
    const Shape& k = r.k.shape;
    const Shape& v = r.v.shape;
    const Shape& inverse = r.inverse.shape;
    const bool fits =
        k.rank() == 4 && v.rank() == 4 && v[0] == k[0] && v[1] == k[1] && v[2] == k[2] && inverse.rank() == 4 &&
        inverse[1] == k[2] && inverse[2] == k[3] && inverse[3] == k[3] &&
        r.weights.shape == Shape{inverse[0], k[2], k[3], v[3]} && r.record.shape == Shape{inverse[0], k[2], 4} &&
        r.first + r.count <= k[1] && (!r.ridge || r.ridge->shape == Shape{k[2], k[3]}) && !r.q == !r.y &&
        (!r.initial_g || r.initial_g->shape == inverse) && (!r.initial_s || r.initial_s->shape == r.weights.shape);
    if (!fits) {
        raise(Status::invalid_argument, "rls: k {}, v {} and P {} do not fit together", k.text(), v.text(),
              inverse.text());
    }
    if (k[3] > kMaxWidth) raise(Status::unsupported, "intention: key width {}, at most {} by rls", k[3], kMaxWidth);
}

/// Invocations of a workgroup: no more than there are rows of P and W^T.
uint32_t lanes_of(const Rls& r)
{
    return std::clamp(std::bit_ceil(r.k.shape[3] + r.v.shape[3]), 8U, 64U);
}

struct Trips {
    uint64_t start; // of one inversion
    uint64_t token;
};

Trips trips_of(const Rls& r)
{
    const uint64_t width = r.k.shape[3];
    const uint64_t lanes = lanes_of(r);
    const uint64_t rows = (width + r.v.shape[3] + lanes - 1) / lanes;
    const uint64_t keys = (width + lanes - 1) / lanes;
    return {width * keys * (width + 4) + width * r.v.shape[3] / lanes + 16, rows * (width / 4 + width + 8) + 32};
}

/// Rows of P and W^T that a lane of the kernel for software drivers holds: see there.
uint32_t local_rows(const Rls& r)
{
    return 4 * ceil_div(r.k.shape[3], 32) + ceil_div(r.v.shape[3], 8);
}

/// Whether P and W fit the local array that the kernel for software drivers keeps them in.
bool stays_local(const Caps& caps, const Rls& r)
{
    const uint32_t width = r.k.shape[3];
    const bool is_aligned =
        width % 4 == 0 && r.k.offset % 4 == 0 && r.inverse.offset % 4 == 0 && (!r.q || r.q->offset % 4 == 0);
    return keeps_rows_local(caps) && is_aligned && width <= kMaxLocalWidth &&
           width + r.v.shape[3] <= 2 * kMaxLocalWidth;
}

Kernel any_kernel(const Rls& r, RlsStart start)
{
    const auto arena = [](const Tensor* tensor) { return tensor ? arena_constant(*tensor) : 0U; };
    return {&kernels::rls,
            {arena_constant(r.k), arena_constant(r.v), arena(r.q), arena(r.y), arena(r.ridge),
             arena_constant(r.inverse), arena(r.report), r.k.shape[3] + r.v.shape[3], lanes_of(r),
             static_cast<uint32_t>(start)}};
}

/// The same constants and two more.
Kernel local_kernel(const Caps& caps, const Rls& r)
{
    Kernel kernel = any_kernel(r, RlsStart::goes_on);
    kernel.shader = &kernels::rls_software;
    kernel.constants[8] = caps.subgroup_size;
    for (const uint32_t more : {r.k.shape[3] / 4, r.y ? 1U : 0U}) kernel.constants.push_back(more);
    return kernel;
}

void launch_rls(Recorder& recorder, const Rls& r, const gpu::RlsParameters& p, Kernel kernel)
{
    Launch launch;
    launch.kernel = std::move(kernel);
    launch.set_push(p);
    launch.groups = {p.heads, r.k.shape[0], 1};
    launch.reads = {r.k.slice(), r.v.slice(), r.inverse.slice(), r.weights.slice(), r.record.slice()};
    for (const Tensor* tensor : {r.q, r.beta, r.ridge, r.initial_g}) {
        if (tensor) launch.reads.push_back(tensor->slice());
    }
    launch.writes = {r.inverse.slice(), r.weights.slice(), r.record.slice()};
    for (const Tensor* tensor : {r.y, r.variance, r.report}) {
        if (tensor) launch.writes.push_back(tensor->slice());
    }
    follow_slots(recorder, launch, 1, r.k.shape[0]);
    launch.host = on_host;
    recorder.list.append(std::move(launch));
}

/// W = P S, a row of P (which is symmetric) as a query.
void start_weights(Recorder& recorder, const Rls& r)
{
    const Shape& w = r.weights.shape;
    StateRead read;
    read.q = r.inverse.as({w[0] * w[1], w[2], 1, w[2]});
    read.s = r.initial_s->as({w[0] * w[1], 1, w[2], w[3]});
    read.y = r.weights.as({w[0] * w[1], w[2], 1, w[3]});
    state_read(recorder, read);
}

} // namespace

bool keeps_rows_local(const Caps& caps)
{
    return caps.is_software && caps.has_subgroup_operations && caps.subgroup_size >= 8 &&
           !caps.refuses(kernels::rls_software.name);
}

void recursive_least_squares(Recorder& recorder, const Rls& r)
{
    check(r);
    const auto offset = [](const Tensor* tensor) { return tensor ? tensor->offset : kNone; };
    const Trips trips = trips_of(r);
    const uint64_t attempts = r.initial_g ? std::clamp<uint64_t>((kMaxTrips - trips.token) / trips.start, 1, 7) : 1;
    gpu::RlsParameters p{r.k.offset,
                         r.v.offset,
                         offset(r.q),
                         offset(r.y),
                         offset(r.variance),
                         offset(r.report),
                         offset(r.beta),
                         offset(r.ridge),
                         offset(r.initial_g),
                         r.inverse.offset,
                         r.weights.offset,
                         r.record.offset,
                         r.map.streams,
                         r.map.counts,
                         r.k.shape[1],
                         r.first,
                         0,
                         r.k.shape[2],
                         r.k.shape[3],
                         r.v.shape[3],
                         static_cast<uint32_t>(attempts),
                         static_cast<float>(r.alpha)};
    if (r.start == RlsStart::afresh || r.start == RlsStart::anew) {
        launch_rls(recorder, r, p, any_kernel(r, r.start));
        if (r.initial_s) start_weights(recorder, r);
    }
    const bool is_local = stays_local(recorder.caps, r);
    RlsStart start = r.start == RlsStart::where_empty ? r.start : RlsStart::goes_on;
    if (is_local && start == RlsStart::where_empty) { // apart from the tokens
        p.first = r.first;
        launch_rls(recorder, r, p, any_kernel(r, start));
        start = RlsStart::goes_on;
    }
    const uint64_t moved = uint64_t{local_rows(r)} * (2 * ceil_div(r.k.shape[3], 4) + 4); // in and out
    const uint64_t each = is_local ? local_rows(r) + 1 : trips.token;
    for (uint32_t done = 0; done < r.count; done += p.count) {
        const uint64_t once = start == RlsStart::where_empty ? trips.start * attempts : is_local ? moved : 0;
        const uint64_t most = std::max<uint64_t>(1, (kMaxTrips - once) / each);
        p.first = r.first + done;
        p.count = std::min(r.count - done, static_cast<uint32_t>(std::min<uint64_t>(most, UINT32_MAX)));
        launch_rls(recorder, r, p, is_local ? local_kernel(recorder.caps, r) : any_kernel(r, start));
        start = RlsStart::goes_on;
    }
}

} // namespace gramian
