// `gramian eval`: a model over sequences, side by side as streams, in chunks of any length, from and to saved states.
#include "command.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <numeric>

namespace gramian::app {
namespace {

struct EvalOptions {
    CommonOptions common;
    std::string model;
    std::string input;
    std::string out;
    std::string state_in;
    std::string state_out;
    uint32_t chunk = 0;
};

/// A file that does not fit the model: exit code 4.
[[noreturn]] void refuse(const std::string& message)
{
    throw ApiError(GRAMIAN_INVALID_MODEL, message);
}

/// A named input or output: [B, T, size].
struct Port {
    std::string name;
    uint64_t size = 0;
    bool is_context = false;
    std::vector<float> values; // of the output; inputs point into the file
    const float* given = nullptr;
};

std::vector<Port> ports_of(const Json& list)
{
    std::vector<Port> ports;
    for (const Json& port : list) {
        Port found;
        found.name = port.at("name").get<std::string>();
        found.size = port.at("size").get<uint64_t>();
        found.is_context = port.value("context", false);
        ports.push_back(std::move(found));
    }
    return ports;
}

/// The sequences of a file, checked against the model's inputs, and room for the answers.
class Sequences {
public:
    Sequences(const ModelHandle& model, const std::string& path) : file_(TensorsHandle::load(path))
    {
        const Json description = Json::parse(model.json());
        inputs = ports_of(description.at("inputs"));
        outputs = ports_of(description.at("outputs"));
        for (Port& port : inputs) bind(port, path);
        for (uint32_t i = 0; i < gramian_tensors_count(file_.get()); ++i) {
            gramian_tensor_view view{};
            view.size = sizeof view;
            api::check(gramian_tensors_get(file_.get(), i, &view));
            const bool is_known =
                std::any_of(inputs.begin(), inputs.end(), [&](const Port& port) { return port.name == view.name; });
            if (!is_known) refuse(fmt::format("{}: the model has no input '{}'", path, view.name));
        }
        for (Port& port : outputs) port.values.resize(batch * tokens * port.size);
        streams.resize(batch);
        std::iota(streams.begin(), streams.end(), 0U);
    }

    std::vector<Port> inputs;
    std::vector<Port> outputs;
    uint64_t batch = 0;
    uint64_t tokens = 0;
    std::vector<uint32_t> streams; // one a sequence

private:
    void bind(Port& port, const std::string& path)
    {
        gramian_tensor_view view{};
        view.size = sizeof view;
        if (gramian_tensors_find(file_.get(), port.name.c_str(), &view) != GRAMIAN_OK) {
            refuse(fmt::format("{}: expected a tensor '{}' [B, T, {}], found none", path, port.name, port.size));
        }
        const std::vector<uint64_t> shape(view.shape, view.shape + view.rank);
        const bool fits = shape.size() == 3 && shape[2] == port.size && shape[0] > 0 && shape[1] > 0 &&
                          shape[0] <= UINT32_MAX && shape[1] <= UINT32_MAX &&
                          (batch == 0 || (shape[0] == batch && shape[1] == tokens));
        if (!fits) {
            refuse(fmt::format("{}: tensor '{}': expected [{}, {}, {}], found [{}]", path, port.name,
                               batch ? std::to_string(batch) : "B", batch ? std::to_string(tokens) : "T", port.size,
                               fmt::join(shape, ", ")));
        }
        batch = shape[0];
        tokens = shape[1];
        port.given = view.values;
    }

    TensorsHandle file_;
};

/// What one call takes: `count` tokens of every sequence, from `first` on, laid end to end.
std::vector<std::vector<float>> cut(const Sequences& sequences, bool with_context, uint64_t first, uint64_t count)
{
    std::vector<std::vector<float>> parts;
    for (const Port& port : sequences.inputs) {
        if (port.is_context && !with_context) continue;
        std::vector<float>& part = parts.emplace_back();
        for (uint64_t b = 0; b < sequences.batch; ++b) {
            const float* from = port.given + (b * sequences.tokens + first) * port.size;
            part.insert(part.end(), from, from + count * port.size);
        }
    }
    return parts;
}

std::vector<const float*> pointers(const std::vector<std::vector<float>>& parts)
{
    std::vector<const float*> found;
    for (const std::vector<float>& part : parts) found.push_back(part.data());
    return found;
}

void answer(SessionHandle& session, Sequences& sequences, uint64_t first, uint64_t count)
{
    const auto inputs = cut(sequences, false, first, count);
    std::vector<std::vector<float>> outputs;
    std::vector<float*> rooms;
    for (const Port& port : sequences.outputs) outputs.emplace_back(sequences.batch * count * port.size);
    for (std::vector<float>& output : outputs) rooms.push_back(output.data());
    const std::vector<uint32_t> counts(sequences.batch, static_cast<uint32_t>(count));
    session.prefill(sequences.streams, counts, pointers(inputs), rooms);
    for (size_t i = 0; i < outputs.size(); ++i) {
        Port& port = sequences.outputs[i];
        for (uint64_t b = 0; b < sequences.batch; ++b) {
            std::copy_n(outputs[i].data() + b * count * port.size, count * port.size,
                        port.values.data() + (b * sequences.tokens + first) * port.size);
        }
    }
}

/// A model that learns from a context is shown every pair before it answers.
void show(SessionHandle& session, const Sequences& sequences, uint64_t chunk)
{
    for (uint64_t first = 0; first < sequences.tokens; first += chunk) {
        const uint64_t count = std::min(chunk, sequences.tokens - first);
        const auto inputs = cut(sequences, true, first, count);
        const std::vector<uint32_t> counts(sequences.batch, static_cast<uint32_t>(count));
        session.observe(sequences.streams, counts, pointers(inputs));
    }
    (void)session.solve(sequences.streams);
}

void save_outputs(const Sequences& sequences, const std::string& path)
{
    TensorsHandle file;
    for (const Port& port : sequences.outputs) {
        const uint64_t shape[] = {sequences.batch, sequences.tokens, port.size};
        file.add(port.name, shape, port.values.data());
    }
    file.set_text("gramian.io", "1");
    file.save(path);
}

/// How every least-squares problem went: of the last solve, or at the last token of a node that solves at each.
Json solves_of(const SessionHandle& session, const Sequences& sequences)
{
    constexpr const char* kStatus[] = {"solved", "no_data", "failed"};
    Json solves = Json::array();
    for (const uint32_t stream : sequences.streams) {
        const TensorsHandle reports = session.reports(stream);
        for (uint32_t i = 0; i < gramian_tensors_count(reports.get()); ++i) {
            gramian_tensor_view view{};
            view.size = sizeof view;
            api::check(gramian_tensors_get(reports.get(), i, &view));
            for (uint64_t head = 0; head < view.shape[0]; ++head) {
                const float* report = view.values + head * view.shape[1];
                solves.push_back({{"report", view.name},
                                  {"sequence", stream},
                                  {"head", head},
                                  {"min_pivot", report[0]},
                                  {"alpha", report[1]},
                                  {"retries", static_cast<uint32_t>(report[2])},
                                  {"residual", report[3]},
                                  {"status", kStatus[static_cast<size_t>(report[4])]}});
            }
        }
    }
    return solves;
}

void print_profile(SessionHandle& session, const EvalOptions& options)
{
    for (const Json& time : Json::parse(session.profile_json())) {
        fmt::print(options.common.json ? stderr : stdout, "  {:>10.1f} us  {}\n", time.at("us").get<double>(),
                   time.at("node").get<std::string>());
    }
}

Exit eval(const EvalOptions& options)
{
    const DeviceHandle device = open_device(options.common, options.common.device);
    const ModelHandle model(device, options.model);
    Sequences sequences(model, options.input);
    gramian_session_options session_options = gramian_session_options_default();
    session_options.streams = static_cast<uint32_t>(sequences.batch);
    session_options.profile = options.common.profile;
    SessionHandle session(model, session_options);
    if (!options.state_in.empty()) session.restore(sequences.streams, options.state_in);
    const uint64_t chunk = options.chunk == 0 ? sequences.tokens : options.chunk;
    const bool has_context =
        std::any_of(sequences.inputs.begin(), sequences.inputs.end(), [](const Port& port) { return port.is_context; });
    if (has_context) show(session, sequences, chunk);
    for (uint64_t first = 0; first < sequences.tokens; first += chunk) {
        answer(session, sequences, first, std::min(chunk, sequences.tokens - first));
    }
    save_outputs(sequences, options.out);
    if (!options.state_out.empty()) session.save(sequences.streams, options.state_out);
    if (options.common.json) {
        fmt::print("{}\n", Json{{"model", options.model},
                                {"device", device.info().name},
                                {"sequences", sequences.batch},
                                {"tokens", sequences.tokens},
                                {"chunk", options.chunk},
                                {"submissions", session.info().submissions},
                                {"solves", solves_of(session, sequences)},
                                {"out", options.out}}
                               .dump());
    } else if (!options.common.quiet) {
        fmt::print("{}: {} sequences of {} tokens on {}\n", options.out, sequences.batch, sequences.tokens,
                   device.info().name);
    }
    if (options.common.profile) print_profile(session, options);
    return Exit::done;
}

} // namespace

Command make_eval(CLI::App& parent)
{
    CLI::App* app = parent.add_subcommand("eval", "Run a model over sequences in a file");
    app->footer(
        R"(INPUT holds the model's inputs, [B, T, size] each, and so does OUTPUT its outputs. A model that learns from a
context is shown all T pairs first and then answers each of the T tokens.

Example:
  gramian eval model.safetensors input.safetensors --out output.safetensors --state-out later.state)");
    auto options = std::make_shared<EvalOptions>();
    app->add_option("model", options->model, "FILE.safetensors")->required();
    app->add_option("input", options->input, "FILE.safetensors")->required();
    app->add_option("--out", options->out, "FILE.safetensors")->required();
    app->add_option("--chunk", options->chunk, "Tokens at a time; 0: whole")
        ->check(CLI::Range(0U, UINT32_MAX))
        ->capture_default_str();
    app->add_option("--state-in", options->state_in, "Go on from the streams saved in this file");
    app->add_option("--state-out", options->state_out, "Save the streams to this file afterwards");
    add_common_options(*app, options->common);
    return {app, [options] { return eval(*options); }};
}

} // namespace gramian::app
