#include "ops/value_aware.hpp"

#include "ops/kernels.hpp"
#include "ops/value_aware_twin.hpp"
#include "shaders/value_aware.h"

namespace gramian {
namespace {

// Drivers exist that stop silently after 65,535 loop trips of an invocation: longer work becomes several launches.
constexpr uint32_t kMaxTrips = 60'000;
constexpr uint32_t kMaxBatch = 65'535;
constexpr uint32_t kMostColumns = 1'024;    // of a simplex, in shared memory
constexpr uint32_t kMostExactColumns = 256; // of `exact`
constexpr uint32_t kTrials = 4'096;         // keys that one launch of `forward` tries

using Parameters = gpu::ValueAwareParameters;

enum SelectMode : uint32_t { kLargest, kNearest, kSteepest, kBestScore };

std::vector<double> doubles(const float* values, size_t count)
{
    return {values, values + count};
}

/// The host solves whole problems, in double: what a kernel gains by working from the points, this gains by its digits.
void simplex_on_host(const HostLaunch& launch)
{
    const auto p = launch.parameters<Parameters>();
    for (uint32_t b = 0; b < launch.groups[1]; ++b) {
        const auto v = doubles(launch.floats(Arena::activations, p.v) + size_t{b} * p.keys * p.columns,
                               size_t{p.keys} * p.columns);
        const auto target = doubles(launch.floats(Arena::activations, p.target) + size_t{b} * p.columns, p.columns);
        const twin::SimplexLeastSquares<double> solved(v.data(), target.data(), p.keys, p.columns);
        for (uint32_t i = 0; i < p.keys; ++i) {
            launch.floats(Arena::activations, p.weights)[size_t{b} * p.keys + i] =
                static_cast<float>(solved.weights()[i]);
        }
        launch.floats(Arena::activations, p.error)[b] = static_cast<float>(solved.error());
    }
}

std::vector<double> weights_of(const HostLaunch& launch, const Parameters& p, uint32_t b)
{
    if (p.logits == kNone) return doubles(launch.floats(Arena::activations, p.p) + size_t{b} * p.keys, p.keys);
    std::vector<double> weights = doubles(launch.floats(Arena::activations, p.logits) + size_t{b} * p.keys, p.keys);
    const double most = *std::max_element(weights.begin(), weights.end());
    double sum = 0;
    for (double& weight : weights) sum += weight = std::exp(weight - most);
    for (double& weight : weights) weight /= sum;
    return weights;
}

void sparse_on_host(const HostLaunch& launch)
{
    const auto p = launch.parameters<Parameters>();
    const auto method = static_cast<SparseMethod>(launch.constants[0]);
    for (uint32_t b = 0; b < launch.groups[0]; ++b) {
        const std::vector<double> weights = weights_of(launch, p, b);
        const auto v = doubles(launch.floats(Arena::activations, p.v) + size_t{b} * p.keys * p.columns,
                               size_t{p.keys} * p.columns);
        twin::ValueAware<double> sparse(weights.data(), v.data(), p.keys, p.columns, p.budget);
        sparse.solve(method);
        float* indices = launch.floats(Arena::activations, p.indices) + size_t{b} * p.budget;
        float* chosen = launch.floats(Arena::activations, p.chosen) + size_t{b} * p.budget;
        std::fill_n(indices, p.budget, -1.0F);
        std::fill_n(chosen, p.budget, 0.0F);
        for (uint32_t n = 0; n < p.keys; ++n) {
            if (sparse.weights()[n] <= 0) continue;
            *indices++ = static_cast<float>(n);
            *chosen++ = static_cast<float>(sparse.weights()[n]);
        }
        launch.floats(Arena::activations, p.error)[b] = static_cast<float>(sparse.error());
    }
}

/// Of the launches that only a Vulkan device gets.
void not_on_host(const HostLaunch&)
{
    raise(Status::internal, "value_aware: the host executor solves whole problems");
}

void check_size(const char* op, uint32_t batch, uint32_t points, uint32_t columns)
{
    if (batch <= kMaxBatch && points <= kMostPoints && columns <= kMostColumns) return;
    raise(Status::unsupported, "{}: {} problems of {} points with {} values: at most {}, {} and {}", op, batch, points,
          columns, kMaxBatch, kMostPoints, kMostColumns);
}

/// Loop trips of an invocation of simplex.comp: before its iterations, and for one of them.
uint32_t simplex_trips(uint32_t points, uint32_t columns, uint32_t lanes)
{
    const uint32_t answer = ceil_div(columns, lanes) * points + columns;
    const uint32_t factor = points * (points + 3) / 2;
    return 2 * answer + factor + 12 * points;
}

uint32_t lanes_for(uint32_t points)
{
    return points <= 16 ? 16 : 64; // each is a pipeline of its own
}

/// Records launches over the same problems; their tensors are those of `writes` and `reads`.
class Sequence {
public:
    Sequence(Recorder& recorder, Parameters parameters, uint32_t batch)
        : p(parameters), recorder_(recorder), batch_(batch)
    {
    }

    Parameters p;
    std::vector<Slice> slices; // every tensor that the kernels share

    void launch(const Shader& shader, std::vector<uint32_t> constants, HostFunction host, uint32_t across = 0)
    {
        Launch launch;
        launch.kernel = {&shader, std::move(constants)};
        launch.set_push(p);
        launch.groups = across > 0 ? std::array{across, batch_, 1U} : std::array{batch_, 1U, 1U};
        launch.reads = launch.writes = slices;
        launch.host = host;
        recorder_.list.append(std::move(launch));
    }

    /// Solves for the weights of the support; kMayJoin: any of its points may get one, from the nearest on.
    void solve(bool may_join)
    {
        const uint32_t lanes = lanes_for(p.slots);
        const uint32_t once = p.slots * p.columns + 8 * p.slots + 2 * p.columns;
        const uint32_t each = simplex_trips(p.slots, p.columns, lanes);
        if (once + each > kMaxTrips) {
            raise(Status::unsupported, "a simplex of {} points with {} values: too much for one launch", p.slots,
                  p.columns);
        }
        // Wolfe's algorithm took at most two iterations a point in all of the tests; one point joins where one was
        // added.
        const uint32_t wanted = may_join ? 3 * p.slots + 4 : p.slots / 4 + 6;
        const uint32_t most = (kMaxTrips - once) / each;
        for (uint32_t done = 0; done < wanted; done += p.count) {
            p.count = std::min(most, wanted - done);
            launch(kernels::simplex, {lanes, 0, may_join, done == 0, room(lanes)}, not_on_host, 1);
        }
    }

    /// Floats of shared memory for a number a column, or a lane: few sizes, so that few pipelines are made.
    [[nodiscard]] uint32_t room(uint32_t lanes) const { return std::max(lanes, 64 * ceil_div(p.columns, 64)); }

    /// The squared error with each key beside the support.
    void try_keys()
    {
        const uint32_t lanes = lanes_for(p.slots + 1);
        const uint32_t each = simplex_trips(p.slots + 1, p.columns, lanes);
        const uint32_t once = 8 * p.slots + 4 * p.columns;
        p.count = std::min(p.slots / 4 + 6, (kMaxTrips - std::min(once, kMaxTrips)) / each);
        for (p.first = 0; p.first < p.keys; p.first += kTrials) {
            launch(kernels::simplex, {lanes, 1, 0, 0, room(lanes)}, not_on_host, std::min(kTrials, p.keys - p.first));
        }
        p.first = 0;
    }

private:
    Recorder& recorder_;
    uint32_t batch_;
};

void grow_support(Sequence& sequence, SparseMethod method, uint32_t rounds)
{
    for (uint32_t round = 0; round < rounds; ++round) {
        const bool tries = method == SparseMethod::forward && round > 0;
        if (tries) sequence.try_keys();
        const SelectMode mode = round == 0 ? kNearest : tries ? kBestScore : kSteepest;
        sequence.launch(kernels::value_aware_select, {mode, mode == kSteepest ? sequence.room(1) : 1}, not_on_host);
        sequence.solve(false);
    }
}

void prune(Sequence& sequence)
{
    Parameters& p = sequence.p;
    const uint32_t rows = ceil_div(p.columns + 1, 64);
    const uint32_t each = (3 * rows + 1) * (p.columns + 1) + 40;
    const uint32_t once = ceil_div(p.keys, 64) * p.columns + 5 * rows * (p.columns + 1);
    if (once + each > kMaxTrips) {
        raise(Status::unsupported, "value_aware_sparse: exact over {} keys with {} values: too much for one launch",
              p.keys, p.columns);
    }
    const uint32_t most = (kMaxTrips - once) / each;
    for (uint32_t done = 0; done < p.keys; done += p.count) {
        p.first = done;
        p.count = std::min(most, p.keys - done);
        sequence.launch(kernels::caratheodory, {done == 0, done + p.count == p.keys}, not_on_host);
    }
}

void check_sparse(const ValueAwareSparse& s, uint32_t keys, uint32_t columns, uint32_t batch)
{
    if (s.method == SparseMethod::exact) {
        if (s.budget < std::min(keys, columns + 1)) {
            raise(Status::invalid_argument,
                  "value_aware_sparse: exact with a budget of {}: expected at least E + 1 = {}", s.budget, columns + 1);
        }
        if (columns > kMostExactColumns || batch > kMaxBatch) {
            raise(Status::unsupported, "value_aware_sparse: exact with {} values, {} problems: at most {} and {}",
                  columns, batch, kMostExactColumns, kMaxBatch);
        }
        return;
    }
    const bool solves = s.method != SparseMethod::oblivious;
    const uint32_t points = std::min(s.budget, keys) + (s.method == SparseMethod::forward ? 1 : 0);
    check_size("value_aware_sparse", batch, solves ? points : 1, columns);
}

} // namespace

void simplex_solve(Recorder& recorder, const Tensor& v, const Tensor& target, const Tensor& weights,
                   const Tensor& error)
{
    const uint32_t batch = v.shape[0], points = v.shape[1], columns = v.shape[2];
    check_size("simplex_solve", batch, points, columns);
    Parameters p{};
    p.logits = p.p = p.support = kNone;
    p.v = v.offset;
    p.target = target.offset;
    p.weights = weights.offset;
    p.error = error.offset;
    p.keys = p.slots = points;
    p.columns = columns;
    Sequence sequence(recorder, p, batch);
    sequence.slices = {v.slice(), target.slice(), weights.slice(), error.slice()};
    if (recorder.caps.is_host) return sequence.launch(kernels::simplex, {}, simplex_on_host, 1);
    const Tensor gram = recorder.temporary({batch, points, points});
    sequence.p.gram = gram.offset;
    sequence.slices.push_back(gram.slice());
    sequence.solve(true);
}

void value_aware_sparse(Recorder& recorder, const ValueAwareSparse& s)
{
    const uint32_t batch = s.v.shape[0], keys = s.v.shape[1], columns = s.v.shape[2];
    check_sparse(s, keys, columns, batch);
    Parameters p{};
    p.logits = s.logits ? s.logits->offset : kNone;
    p.v = s.v.offset;
    p.indices = s.indices.offset;
    p.chosen = s.weights.offset;
    p.error = s.error.offset;
    p.keys = keys;
    p.columns = columns;
    p.budget = s.budget;
    p.slots = std::min(s.budget, keys);
    Sequence sequence(recorder, p, batch);
    sequence.slices = {s.v.slice(), s.indices.slice(), s.weights.slice(), s.error.slice()};
    sequence.slices.push_back(s.logits ? s.logits->slice() : s.p->slice());
    sequence.p.p = s.p ? s.p->offset : kNone;
    if (recorder.caps.is_host) {
        return sequence.launch(kernels::value_aware_finish, {static_cast<uint32_t>(s.method)}, sparse_on_host);
    }
    const bool prunes = s.method == SparseMethod::exact && keys > columns + 1;
    if (prunes) sequence.p.slots = columns + 1;
    const auto scratch = [&](Shape shape, uint32_t Parameters::*offset) {
        const Tensor tensor = recorder.temporary(shape);
        sequence.p.*offset = tensor.offset;
        sequence.slices.push_back(tensor.slice());
    };
    const uint32_t slots = sequence.p.slots;
    if (s.logits) scratch({batch, keys}, &Parameters::p);
    scratch({batch, columns}, &Parameters::target);
    scratch({batch, slots}, &Parameters::support);
    scratch({batch, slots}, &Parameters::weights);
    if (prunes || s.method == SparseMethod::forward) scratch({batch, keys}, &Parameters::scores);
    if (prunes) scratch({batch, columns + 1, columns + 1}, &Parameters::inverse);
    const bool solves = s.method != SparseMethod::oblivious && s.method != SparseMethod::exact;
    if (solves) scratch({batch, slots, slots}, &Parameters::gram);

    sequence.launch(kernels::value_aware_target, {}, not_on_host);
    const uint32_t error = sequence.p.error;
    sequence.p.error = kNone; // of the whole, not of a solve on the way
    if (prunes) {
        prune(sequence);
    } else if (s.method == SparseMethod::frank_wolfe || s.method == SparseMethod::forward) {
        grow_support(sequence, s.method, slots);
    } else {
        sequence.launch(kernels::value_aware_select, {kLargest, 1}, not_on_host);
        if (s.method == SparseMethod::topk_refit) sequence.solve(true);
    }
    sequence.p.error = error;
    sequence.launch(kernels::value_aware_finish, {}, not_on_host);
}

} // namespace gramian
