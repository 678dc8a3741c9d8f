#include "ops/square_root.hpp"

#include "ops/kernels.hpp"
#include "ops/square_root_twin.hpp"
#include "shaders/square_root.h"

namespace gramian {
namespace {

constexpr uint64_t kMaxTrips = 60'000; // drivers exist that stop silently after 65,535
constexpr uint32_t kMaxSpan = 1'024;   // D + E: a row in shared memory
constexpr uint32_t kReportWords = 8;   // behind a settled factor
enum Phase : uint32_t { kTokens, kSettle, kQueries };

/// One head as the host function walks through it.
class HostHead {
public:
    HostHead(const HostLaunch& launch, const gpu::SquareRootParameters& p, uint32_t slot, uint32_t stream,
             uint32_t head)
        : launch_(launch), p_(p), c_(launch.constants), slot_(slot), head_(head), at_(size_t{stream} * p.heads + head),
          span_(p.width + p.columns), root_{launch.floats(c_[5], p.factor) + at_ * p.width * span_, p.width, span_}
    {
    }

    void run(uint32_t end, uint32_t query)
    {
        const uint32_t phase = c_[11];
        if (phase == kTokens) start();
        for (uint32_t t = p_.first; t < std::min(p_.first + p_.count, end) && phase == kTokens; ++t) take(token(t));
        if (phase == kSettle) keep(settle());
        if (phase == kQueries) {
            auto settled = recall();
            answer(settled, token(p_.first + query));
        }
    }

private:
    [[nodiscard]] size_t token(uint32_t t) const { return (size_t{slot_} * p_.tokens + t) * p_.heads + head_; }
    [[nodiscard]] float* settled_at() const
    {
        const size_t stride = size_t{p_.width} * span_ + kReportWords;
        return launch_.floats(Arena::activations, p_.settled) + (size_t{slot_} * p_.heads + head_) * stride;
    }

    void start()
    {
        if (c_[10] == 1) std::fill_n(root_.rows, size_t{p_.width} * span_, 0.0F);
        if (c_[10] != 2) return;
        twin::root_of_sums<float>(root_, launch_.floats(c_[5], p_.initial_g) + at_ * p_.width * p_.width,
                                  launch_.floats(c_[5], p_.initial_s) + at_ * p_.width * p_.columns);
    }

    void take(size_t token)
    {
        const float beta = p_.beta == kNone ? 1.0F : launch_.floats(Arena::activations, p_.beta)[token];
        const float decay = p_.decay == kNone ? 1.0F : std::exp(launch_.floats(Arena::activations, p_.decay)[token]);
        std::vector<float> row(span_);
        const float* k = launch_.floats(c_[0], p_.k) + token * p_.width;
        const float* v = launch_.floats(c_[1], p_.v) + token * p_.columns;
        for (uint32_t j = 0; j < span_; ++j) row[j] = std::sqrt(beta) * (j < p_.width ? k[j] : v[j - p_.width]);
        twin::rotate_in(root_, row, 0, std::sqrt(p_.forget * decay));
    }

    [[nodiscard]] twin::SettledRoot<float> settle() const
    {
        const float* ridge = p_.ridge == kNone ? nullptr : launch_.floats(c_[4], p_.ridge) + size_t{head_} * p_.width;
        return twin::settle_root<float>(root_, ridge, p_.alpha, c_[9] != 0, p_.retries);
    }

    void keep(const twin::SettledRoot<float>& settled) const
    {
        float* out = std::copy(settled.rows.begin(), settled.rows.end(), settled_at());
        const twin::SolveReport<float>& report = settled.report;
        const float words[] = {report.min_pivot, report.alpha, report.retries, static_cast<float>(report.status),
                               settled.has_answer ? 1.0F : 0.0F};
        std::copy(std::begin(words), std::end(words), out);
    }

    [[nodiscard]] twin::SettledRoot<float> recall() const
    {
        const size_t size = size_t{p_.width} * span_;
        const float* rows = settled_at();
        const float* words = rows + size;
        return {{rows, rows + size},
                {words[0], words[1], words[2], 0.0F, static_cast<SolveStatus>(words[3])},
                words[4] > 0};
    }

    void answer(twin::SettledRoot<float>& settled, size_t token) const
    {
        float residual = 0;
        const float variance =
            twin::answer_root(settled, p_.width, p_.columns, launch_.floats(c_[2], p_.q) + token * p_.width,
                              launch_.floats(c_[3], p_.y) + token * p_.columns, residual);
        if (p_.variance != kNone) launch_.floats(c_[3], p_.variance)[token] = variance;
        if (p_.report == kNone) return;
        float* out = launch_.floats(c_[6], p_.report) + token * kSolveReportWords;
        out[0] = settled.report.min_pivot;
        out[1] = settled.report.alpha;
        out[2] = settled.report.retries;
        out[3] = residual;
        out[4] = static_cast<float>(settled.report.status);
    }

    const HostLaunch& launch_;
    const gpu::SquareRootParameters& p_;
    std::span<const uint32_t> c_;
    uint32_t slot_;
    uint32_t head_;
    size_t at_;
    uint32_t span_;
    twin::Root<float> root_;
};

void on_host(const HostLaunch& launch)
{
    const auto p = launch.parameters<gpu::SquareRootParameters>();
    const auto* words = reinterpret_cast<const uint32_t*>(launch.arenas[static_cast<size_t>(Arena::io)]);
    for (uint32_t slot = 0; slot < launch.groups[1]; ++slot) {
        const uint32_t stream = p.streams == kNone ? slot : words[p.streams + slot];
        if (stream == kNone) continue;
        const uint32_t end = p.counts == kNone ? p.tokens : words[p.counts + slot];
        for (uint32_t head = 0; head < p.heads; ++head) {
            for (uint32_t query = 0; query < launch.groups[2]; ++query) {
                HostHead(launch, p, slot, stream, head).run(end, query);
            }
        }
    }
}

void check(const SquareRoot& r)
{
    const Shape& k = r.k.shape;
    const Shape& v = r.v.shape;
    const Shape& q = r.q.shape;
    const Shape& factor = r.factor.shape;
    const bool fits = k.rank() == 4 && v.rank() == 4 && q.rank() == 4 && v[0] == k[0] && v[1] == k[1] && v[2] == k[2] &&
                      q[0] == k[0] && q[2] == k[2] && q[3] == k[3] && r.y.shape == Shape{q[0], q[1], q[2], v[3]} &&
                      factor.rank() == 4 && factor[1] == k[2] && factor[2] == k[3] && factor[3] == k[3] + v[3] &&
                      (!r.is_causal || (q[1] == k[1] && r.first + r.count <= k[1])) && !r.initial_g == !r.initial_s;
    if (fits) return;
    raise(Status::invalid_argument, "square_root: k {}, v {}, q {} and factor {} do not fit together", k.text(),
          v.text(), q.text(), factor.text());
}

/// Loop trips of an invocation, which owns every 64th column.
struct Trips {
    uint64_t start, token, settle, answer;
    uint32_t retries;
};

Trips trips_of(const SquareRoot& r)
{
    const uint64_t width = r.k.shape[3];
    const uint64_t span = width + r.v.shape[3];
    const uint64_t owned = (span + 63) / 64;
    const uint64_t keys = (width + 63) / 64;
    Trips trips{};
    trips.start = owned * width * (width / 2 + 3);
    trips.token = width * (owned + 1) + 2 * owned;
    trips.settle = width * (width + 1) / 2 * (owned + 1) + width * (owned + 1) * 2 + 2 * keys * width + 16;
    trips.answer = width * (owned + 1) + keys * width + 2 * owned + 16;
    if (span > kMaxSpan || std::max({trips.start, trips.token + 8 * width, trips.settle}) > kMaxTrips) {
        raise(Status::unsupported, "intention: key width {} and value width {} are too much for the solver qr", width,
              span - width);
    }
    trips.retries = static_cast<uint32_t>(std::min<uint64_t>(6, kMaxTrips / trips.settle - 1));
    return trips;
}

class Recording {
public:
    Recording(Recorder& recorder, const SquareRoot& r) : recorder_(recorder), r_(r), trips_(trips_of(r))
    {
        const Shape& k = r.k.shape;
        settled_ = recorder.temporary({k[0], k[2], k[3] * (k[3] + r.v.shape[3]) + kReportWords});
    }

    void run()
    {
        if (r_.start == RootStart::from_sums) launch(kTokens, r_.start, 0, 0);
        start_ = r_.start == RootStart::zeros ? r_.start : RootStart::goes_on;
        if (!r_.is_causal) {
            take(0, r_.k.shape[1]);
            launch(kSettle, RootStart::goes_on, 0, 0);
            answer(0, r_.q.shape[1]);
        }
        for (uint32_t t = r_.first; t < r_.first + r_.count && r_.is_causal; ++t) {
            take(t, 1);
            launch(kSettle, RootStart::goes_on, 0, 0);
            answer(t, 1);
        }
    }

private:
    [[nodiscard]] gpu::SquareRootParameters parameters(Phase phase, uint32_t first, uint32_t count) const
    {
        const auto offset = [](const Tensor* tensor) { return tensor ? tensor->offset : kNone; };
        const Shape& k = r_.k.shape;
        return {r_.k.offset,
                r_.v.offset,
                r_.q.offset,
                r_.y.offset,
                offset(r_.variance),
                offset(r_.report),
                offset(r_.beta),
                offset(r_.decay),
                offset(r_.ridge),
                offset(r_.initial_g),
                offset(r_.initial_s),
                r_.factor.offset,
                settled_.offset,
                r_.map.streams,
                r_.map.counts,
                phase == kQueries ? r_.q.shape[1] : k[1],
                first,
                count,
                k[2],
                k[3],
                r_.v.shape[3],
                trips_.retries,
                r_.forget,
                static_cast<float>(r_.alpha)};
    }

    void take(uint32_t first, uint32_t count)
    {
        const auto most = static_cast<uint32_t>((kMaxTrips - r_.k.shape[3] * 8) / trips_.token);
        for (uint32_t done = 0; done < count; done += most) {
            launch(kTokens, start_, first + done, std::min(most, count - done));
            start_ = RootStart::goes_on;
        }
    }

    void answer(uint32_t first, uint32_t count)
    {
        const uint32_t groups = recorder_.caps.max_groups;
        for (uint32_t done = 0; done < count; done += groups) {
            launch(kQueries, RootStart::goes_on, first + done, std::min(groups, count - done));
        }
    }

    void launch(Phase phase, RootStart start, uint32_t first, uint32_t count)
    {
        const auto arena = [](const Tensor* tensor) { return tensor ? arena_constant(*tensor) : 0U; };
        const Shape& k = r_.k.shape;
        Launch launch;
        launch.kernel = {&kernels::square_root,
                         {arena_constant(r_.k), arena_constant(r_.v), arena_constant(r_.q), arena_constant(r_.y),
                          arena(r_.ridge), arena_constant(r_.factor), arena(r_.report), k[3], k[3] + r_.v.shape[3],
                          r_.is_relative ? 1U : 0U, static_cast<uint32_t>(start), phase}};
        launch.set_push(parameters(phase, first, count));
        launch.groups = {k[2], k[0], phase == kQueries ? count : 1};
        follow_slots(recorder_, launch, 1, k[0]);
        launch.reads = {r_.k.slice(), r_.v.slice(), r_.q.slice(), r_.factor.slice(), settled_.slice()};
        for (const Tensor* tensor : {r_.beta, r_.decay, r_.ridge, r_.initial_g, r_.initial_s}) {
            if (tensor) launch.reads.push_back(tensor->slice());
        }
        if (phase == kTokens) launch.writes.push_back(r_.factor.slice());
        if (phase == kSettle) launch.writes.push_back(settled_.slice());
        if (phase == kQueries) {
            launch.writes.push_back(r_.y.slice());
            if (r_.variance) launch.writes.push_back(r_.variance->slice());
            if (r_.report) launch.writes.push_back(r_.report->slice());
        }
        launch.host = on_host;
        recorder_.list.append(std::move(launch));
    }

    Recorder& recorder_;
    const SquareRoot& r_;
    Trips trips_;
    Tensor settled_;
    RootStart start_ = RootStart::goes_on;
};

} // namespace

void square_root(Recorder& recorder, const SquareRoot& root)
{
    check(root);
    Recording(recorder, root).run();
}

} // namespace gramian
