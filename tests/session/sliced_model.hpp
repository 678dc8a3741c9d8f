// Models of one node whose inputs are slices of the model's input, and their answers token by token.
#pragma once

#include "session_run.hpp"

namespace gramian {

inline constexpr uint32_t kStreams = 3;

/// x [size] -> slices, one an input of the node -> y.
inline ModelFile sliced_model(const std::string& op, const Json& attributes, const std::vector<uint32_t>& sizes,
                              uint32_t output)
{
    uint32_t total = 0;
    Json nodes = Json::array();
    Json inputs = Json::array();
    for (const uint32_t size : sizes) {
        const std::string name = "part" + std::to_string(inputs.size());
        nodes.push_back(
            {{"op", "slice"}, {"in", {"x"}}, {"out", {name}}, {"attributes", {{"offset", total}, {"size", size}}}});
        inputs.push_back(name);
        total += size;
    }
    nodes.push_back({{"op", op}, {"in", inputs}, {"out", {"y"}}, {"attributes", attributes}});
    ModelFile file;
    file.json = {{"version", 1},
                 {"name", "sliced"},
                 {"inputs", {{{"name", "x"}, {"size", total}}}},
                 {"outputs", {{{"name", "y"}, {"size", output}}}},
                 {"nodes", nodes}};
    return file;
}

/// The channels from .. from + size of x [streams, tokens, total], as an input of the operator: [streams, tokens, …].
inline NamedArray slice_of(const std::vector<float>& x, uint32_t total, const char* name, uint32_t from, Shape shape)
{
    NamedArray array{name, shape, {}};
    const size_t rows = size_t{shape[0]} * shape[1];
    const size_t size = shape.element_count() / rows;
    for (size_t row = 0; row < rows; ++row) {
        const auto first = x.begin() + static_cast<ptrdiff_t>(row * total + from);
        array.values.insert(array.values.end(), first, first + static_cast<ptrdiff_t>(size));
    }
    return array;
}

/// Every token of x [streams, tokens, total] in steps; y [streams, tokens, output].
inline std::vector<float> step_all(const Model& model, const std::vector<float>& x, uint32_t total, uint32_t output)
{
    Session session = make_session(model, kStreams);
    const size_t tokens = x.size() / kStreams / total;
    std::vector<float> y(kStreams * tokens * output);
    for (size_t t = 0; t < tokens; ++t) {
        std::vector<float> token;
        for (uint32_t stream = 0; stream < kStreams; ++stream) {
            const auto first = x.begin() + static_cast<ptrdiff_t>((stream * tokens + t) * total);
            token.insert(token.end(), first, first + total);
        }
        const std::vector<float> answer = step(session, token);
        for (uint32_t stream = 0; stream < kStreams; ++stream) {
            std::copy_n(answer.begin() + stream * output, output,
                        y.begin() + static_cast<ptrdiff_t>((stream * tokens + t) * output));
        }
    }
    return y;
}

/// The same in pieces of the given lengths, all streams at once.
inline std::vector<float> prefill_all(Session& session, const std::vector<float>& x, uint32_t total, uint32_t output,
                                      const std::vector<uint32_t>& pieces)
{
    const size_t tokens = x.size() / kStreams / total;
    std::vector<float> y(kStreams * tokens * output);
    size_t done = 0;
    for (const uint32_t count : pieces) {
        std::vector<float> in, out(size_t{kStreams} * count * output);
        for (uint32_t stream = 0; stream < kStreams; ++stream) {
            const auto first = x.begin() + static_cast<ptrdiff_t>((stream * tokens + done) * total);
            in.insert(in.end(), first, first + static_cast<ptrdiff_t>(size_t{count} * total));
        }
        const std::span<const float> inputs(in);
        const std::span<float> outputs(out);
        session.prefill(all_streams(session), std::vector<uint32_t>(kStreams, count), {&inputs, 1}, {&outputs, 1});
        for (uint32_t stream = 0; stream < kStreams; ++stream) {
            std::copy_n(out.begin() + static_cast<ptrdiff_t>(size_t{stream} * count * output), count * output,
                        y.begin() + static_cast<ptrdiff_t>((stream * tokens + done) * output));
        }
        done += count;
    }
    CHECK(done == tokens);
    return y;
}

} // namespace gramian
