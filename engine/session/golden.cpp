#include "session/golden.hpp"

#include "session/session.hpp"

#include <cmath>

namespace gramian {
namespace {

// The rollout was recorded in fp32 by other code. A ridge solve at the default alpha has a condition number up to 1e5,
// so 1e5 * 2^-24 = 6e-3 of the largest value is the worst that rounding alone can do.
constexpr float kTolerance = 5e-3F;

void compare(const Model& model, const ModelPort& port, size_t index, uint32_t token, std::span<const float> found)
{
    const std::vector<float>& golden = model.golden().outputs[index];
    float largest = 0;
    for (float value : golden) largest = std::max(largest, std::abs(value));
    for (uint32_t channel = 0; channel < port.size; ++channel) {
        const float expected = golden[size_t{token} * port.size + channel];
        if (std::abs(found[channel] - expected) <= kTolerance * largest) continue;
        raise(Status::invalid_model,
              "{}: golden rollout: output '{}' at token {}, channel {}: expected {}, found {} on {}", model.name(),
              port.name, token, channel, expected, found[channel], model.device().caps().name);
    }
}

} // namespace

void verify_golden(const Model& model)
{
    SessionOptions options;
    options.verify_golden = false;
    Session session(model, options);
    const Golden& golden = model.golden();
    std::vector<std::span<const float>> all;
    for (const std::vector<float>& input : golden.inputs) all.emplace_back(input);
    const uint32_t stream = 0;
    if (model.has_context()) {
        session.observe({&stream, 1}, {&golden.tokens, 1}, all);
        (void)session.solve({&stream, 1});
    }
    std::vector<std::vector<float>> found;
    for (const ModelPort& output : model.outputs()) found.emplace_back(output.size);
    const std::vector<std::span<float>> outputs(found.begin(), found.end());
    for (uint32_t token = 0; token < golden.tokens; ++token) {
        std::vector<std::span<const float>> inputs;
        for (size_t i = 0; i < all.size(); ++i) {
            const uint32_t size = model.inputs()[i].size;
            if (!model.inputs()[i].is_context) inputs.push_back(all[i].subspan(size_t{token} * size, size));
        }
        session.submit(inputs);
        session.wait(outputs);
        for (size_t i = 0; i < found.size(); ++i) compare(model, model.outputs()[i], i, token, found[i]);
    }
}

} // namespace gramian
