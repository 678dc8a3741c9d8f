// What a token costs after a short and after a long past: the state is all that a recurrent model keeps, so the cost
// must not grow. Sessions with pasts of different length take their steps in turn, so that a disturbance meets them
// all.
#include "bench.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <fmt/format.h>

namespace gramian::bench {
namespace {

constexpr uint32_t kHeads = 2;
constexpr uint32_t kWidth = 32; // D and E
constexpr uint32_t kChannels = kHeads * kWidth;
constexpr uint32_t kSteps = 200;
constexpr uint32_t kChunk = 4'096;  // tokens of one call of prefill
constexpr uint32_t kMemory = 1'000; // tokens after which what was before weighs less than e^-100

/// A layer on what it is given: its inputs are those of its operator.
struct Layer {
    const char* name;
    const char* op;
    std::vector<const char*> inputs;
    std::vector<uint32_t> pasts;
    uint32_t memory; // tokens before which nothing matters any more
};

const std::vector<Layer>& layers()
{
    // Log-space attention forgets nothing, and the host would have to go over all of a longer past again.
    static const std::vector<Layer> table{
        {"gla", "linear_attention", {"q", "k", "v", "decay"}, {10, 1'000, 100'000, 1'000'000}, kMemory},
        {"log", "log_attention", {"q", "k", "log_v"}, {10, 1'000, 10'000}, UINT32_MAX}};
    return table;
}

std::vector<std::byte> model_bytes(const Layer& layer)
{
    Json wiring = Json::object();
    Json inputs = Json::array();
    for (const char* input : layer.inputs) {
        wiring[input] = input;
        inputs.push_back({{"name", input}, {"size", kChannels}});
    }
    const Json node{{"op", layer.op}, {"in", wiring}, {"out", {"o"}}, {"attributes", {{"heads", kHeads}}}};
    const Json model{{"version", 1},
                     {"name", layer.name},
                     {"inputs", inputs},
                     {"outputs", {Json{{"name", "o"}, {"size", kChannels}}}},
                     {"nodes", {node}}};
    TensorsHandle tensors;
    tensors.set_text("gramian.model", model.dump());
    return tensors.serialize();
}

/// Token t of an endless sequence: any part of it can be made again. The fourth input is a log decay.
class Sequence {
public:
    explicit Sequence(uint32_t first, uint32_t count)
    {
        for (std::vector<float>& input : inputs_) input.resize(size_t{count} * kChannels);
        for (uint32_t t = 0; t < count; ++t) {
            for (uint32_t c = 0; c < kChannels; ++c) {
                const size_t at = size_t{t} * kChannels + c;
                for (uint32_t input = 0; input < 3; ++input)
                    inputs_[input][at] = noise((uint64_t{first} + t) * kChannels + c, input);
                inputs_[3][at] = -0.3F + 0.2F * noise((uint64_t{first} + t) * kChannels + c, 3); // in (-0.5, -0.1)
            }
        }
    }
    [[nodiscard]] std::array<const float*, 4> pointers() const
    {
        return {inputs_[0].data(), inputs_[1].data(), inputs_[2].data(), inputs_[3].data()};
    }

private:
    std::array<std::vector<float>, 4> inputs_;
};

void prefill(SessionHandle& session, uint32_t first, uint32_t end)
{
    std::vector<float> outputs(size_t{kChunk} * kChannels);
    for (uint32_t done = first; done < end; done += kChunk) {
        const uint32_t count = std::min(kChunk, end - done);
        const Sequence tokens(done, count);
        const uint32_t stream = 0;
        float* out = outputs.data();
        api::check(gramian_session_prefill(session.get(), &stream, &count, 1, tokens.pointers().data(), &out));
    }
}

SessionHandle make_session(const ModelHandle& model)
{
    gramian_session_options options = gramian_session_options_default();
    options.streams = 1;
    return SessionHandle(model, options);
}

/// A session with a past, and what its steps took.
struct Past {
    const Layer* layer;
    uint32_t tokens;
    SessionHandle session;
    std::vector<float> output = std::vector<float>(kChannels);
    std::vector<double> us{};

    void step(uint32_t index)
    {
        const Sequence token(tokens + index, 1);
        float* out = output.data();
        const auto inputs = token.pointers();
        const auto start = std::chrono::steady_clock::now();
        api::check(gramian_session_step(session.get(), inputs.data(), &out));
        us.push_back(std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count());
    }
};

/// The last output again, on the host executor, from as much of the past as still matters.
std::string check(const Past& past, const ModelHandle& host_model)
{
    SessionHandle session = make_session(host_model);
    const uint32_t end = past.tokens + kSteps;
    prefill(session, end > past.layer->memory ? end - past.layer->memory : 0, end - 1);
    Past replay{past.layer, past.tokens, std::move(session)};
    replay.step(kSteps - 1);
    double off = 0, largest = 0;
    for (uint32_t c = 0; c < kChannels; ++c) {
        off = std::max(off, std::abs(static_cast<double>(past.output[c]) - static_cast<double>(replay.output[c])));
        largest = std::max(largest, std::abs(static_cast<double>(replay.output[c])));
    }
    if (off <= 1e-5 * largest) return {};
    return fmt::format("the last output is off by {:.2g} of its largest element, expected at most 1e-5", off / largest);
}

std::string name_of(const Layer& layer, uint32_t tokens)
{
    return fmt::format("tokens.{}_{}", layer.name, tokens);
}

Row row_of(const Past& past, const std::string& reason)
{
    const gramian_session_info info = past.session.info();
    Row row;
    row.name = name_of(*past.layer, past.tokens);
    row.params = {{"layer", past.layer->name}, {"d", kWidth},     {"heads", kHeads},
                  {"past", past.tokens},       {"steps", kSteps}, {"state_bytes", info.state_bytes}};
    row.is_correct = reason.empty();
    row.reason = reason;
    set_times(row, past.us);
    row.bytes = info.step_bytes_moved;
    row.dispatches = info.step_dispatches;
    row.submissions = 1;
    return row;
}

} // namespace

void run_tokens(const Options& options, const Sink& sink)
{
    gramian_device_options chosen = gramian_device_options_default();
    chosen.selector = options.device.c_str();
    const DeviceHandle device(chosen);
    chosen.selector = "host";
    const DeviceHandle host(chosen);
    for (const Layer& layer : layers()) {
        const std::vector<std::byte> bytes = model_bytes(layer);
        const ModelHandle model(device, bytes, layer.name);
        const ModelHandle host_model(host, bytes, layer.name);
        std::vector<Past> pasts;
        for (const uint32_t tokens : layer.pasts) {
            if (!is_wanted(options, name_of(layer, tokens))) continue;
            SessionHandle session = make_session(model);
            prefill(session, 0, tokens);
            pasts.push_back({&layer, tokens, std::move(session)});
        }
        for (uint32_t index = 0; index < kSteps; ++index) {
            for (Past& past : pasts) past.step(index);
        }
        for (Past& past : pasts) sink(row_of(past, check(past, host_model)));
    }
}

} // namespace gramian::bench
