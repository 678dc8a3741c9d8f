// libFuzzer entry: any bytes are a model that holds up, or are refused as one that does not. A model that is accepted
// can be run: a session of it starts, observes, solves and steps, or is refused for what this version does not do.
#include "base/error.hpp"
#include "session/session.hpp"

#include <cstdlib>

using namespace gramian;

namespace {

constexpr uint32_t kMaxSize = 4'096; // channels: keeps a run short, not a limit of the engine

/// Zeros for each input; `with_context`: for an observation of one token.
std::vector<std::vector<float>> zeros(const Model& model, bool with_context)
{
    std::vector<std::vector<float>> values;
    for (const ModelPort& port : model.inputs()) {
        if (with_context || !port.is_context) values.emplace_back(port.size, 0.5F);
    }
    return values;
}

void run(const Model& model)
{
    for (const Value& value : model.values()) {
        if (value.size > kMaxSize) return;
    }
    if (model.capacity() > kMaxSize || model.nodes().size() > 100) return;
    SessionOptions options;
    options.verify_golden = false;
    Session session(model, options);
    const uint32_t stream = 0;
    const uint32_t count = 1;
    if (model.has_context()) {
        const auto values = zeros(model, true);
        const std::vector<std::span<const float>> inputs(values.begin(), values.end());
        session.observe({&stream, 1}, {&count, 1}, inputs);
        (void)session.solve({&stream, 1});
    }
    const auto values = zeros(model, false);
    const std::vector<std::span<const float>> inputs(values.begin(), values.end());
    std::vector<std::vector<float>> answers;
    for (const ModelPort& port : model.outputs()) answers.emplace_back(port.size);
    const std::vector<std::span<float>> outputs(answers.begin(), answers.end());
    session.submit(inputs);
    session.wait(outputs);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size)
{
    static const std::unique_ptr<Device> device = open_host_device();
    const auto input = std::as_bytes(std::span(data, size));
    bool is_accepted = false;
    try {
        const Model model = Model::parse(*device, {input.begin(), input.end()}, "input");
        is_accepted = true;
        run(model);
    } catch (const Error& error) {
        const Status status = error.status();
        const bool may_refuse = status == Status::unsupported || status == Status::out_of_memory ||
                                (status == Status::invalid_model && !is_accepted) ||
                                (status == Status::invalid_argument && !is_accepted);
        if (!may_refuse) std::abort(); // a model that was accepted must not turn out malformed later
    }
    return 0;
}
