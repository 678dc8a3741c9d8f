#include "ops/run_operator.hpp"

#include "ops/half_weights.hpp"
#include "ops/ridge_solve.hpp"

#include <chrono>
#include <cmath>
#include <cstring>
#include <fmt/ranges.h>

namespace gramian {
namespace {

constexpr uint32_t kGuard = 16; // words between tensors
// NaNs that no kernel makes. Outputs have another one than inputs: a sum of two NaNs keeps the bits of the first, so a
// stray sum of what lies behind two inputs would otherwise go unseen behind the output.
constexpr uint32_t kGuardWord = 0x7fc0dead;
constexpr uint32_t kOutputGuardWord = 0x7fc0beef;

struct Placed {
    Tensors in;
    Tensors out;
    Tensors states; // of a recurrent operator that keeps them
    std::vector<std::pair<Tensor, std::vector<uint32_t>>> uploads;
};

std::string port_names(const Operator& op)
{
    std::vector<std::string_view> names;
    for (const Port& port : op.inputs) names.push_back(port.name);
    return fmt::format("{}", fmt::join(names, ", "));
}

void check_inputs(const Operator& op, const Attributes& attributes, const std::vector<NamedArray>& inputs)
{
    for (const NamedArray& input : inputs) {
        if (!op.input(input.name)) {
            raise(Status::unsupported, "{} has no input {}; it has: {}", op.name, in_quotes(input.name),
                  port_names(op));
        }
        if (const Port& port = *op.input(input.name); !port.exists(attributes)) {
            raise(Status::invalid_argument, "{}: input '{}' goes with the attribute '{}' {} only", op.name, input.name,
                  port.flag, port.flag_value);
        }
        if (input.values.size() != input.shape.element_count()) {
            raise(Status::invalid_argument, "{}: {}: {} values for shape {}", op.name, input.name, input.values.size(),
                  input.shape.text());
        }
        if (input.values.empty()) raise(Status::invalid_argument, "{}: {} is empty", op.name, input.name);
        if (input.shape.rank() == 0) {
            raise(Status::invalid_argument, "{}: {}: expected at least one extent, found a scalar", op.name,
                  input.name);
        }
    }
    for (const Port& port : op.inputs) {
        const bool is_given = std::any_of(inputs.begin(), inputs.end(),
                                          [&](const NamedArray& input) { return op.input(input.name) == &port; });
        if (!is_given && !port.is_optional && port.exists(attributes)) {
            raise(Status::invalid_argument, "{}: input '{}' is missing; its inputs are: {}", op.name, port.name,
                  port_names(op));
        }
    }
}

/// Row numbers of a constant are whole and below its rows.
void check_indexes(const Operator& op, const std::vector<NamedArray>& inputs)
{
    const auto find = [&](std::string_view name) {
        return std::find_if(inputs.begin(), inputs.end(), [&](const NamedArray& array) { return array.name == name; });
    };
    for (const Port& port : op.inputs) {
        if (port.indexes.empty() || find(port.name) == inputs.end()) continue;
        const auto rows = static_cast<float>(find(port.indexes)->shape[0]);
        for (float value : find(port.name)->values) {
            if (value >= 0 && value < rows && value == std::floor(value)) continue;
            raise(Status::invalid_argument, "{}: {}: {} is no row number of {}, which has {} rows", op.name, port.name,
                  value, port.indexes, rows);
        }
    }
}

/// Inputs in the order of the operator's ports, whatever order the caller used.
Placed place_inputs(const Operator& op, const Caps& caps, const std::vector<NamedArray>& inputs, ArenaLayout& weights,
                    ArenaLayout& activations)
{
    Placed placed;
    for (const Port& port : op.inputs) {
        for (const NamedArray& input : inputs) {
            if (op.input(input.name) != &port) continue;
            PackedConstant packed = pack_constant(port, input.values, input.shape, input.dtype, caps);
            ArenaLayout& arena = port.is_constant ? weights : activations;
            Tensor tensor = arena.take({static_cast<uint32_t>(packed.words.size())});
            tensor.shape = input.shape;
            tensor.dtype = packed.dtype;
            placed.in.add(input.name, tensor);
            placed.uploads.emplace_back(tensor, std::move(packed.words));
        }
    }
    return placed;
}

void fill(Memory& memory, uint64_t offset, uint64_t bytes, uint32_t word)
{
    const std::vector<uint32_t> words(std::min<uint64_t>(bytes / 4, 1U << 18), word);
    for (uint64_t done = 0; done < bytes; done += 4 * words.size()) {
        const size_t count = std::min<uint64_t>(words.size(), (bytes - done) / 4);
        memory.write(offset + done, std::as_bytes(std::span(words).first(count)));
    }
}

/// Everything that no input fills holds NaN, with bits that tell which guard it is.
void fill_guards(Memory& memory, const ArenaLayout& layout, const Tensors& out)
{
    fill(memory, 0, layout.bytes(), kGuardWord);
    for (const Tensors::Entry& entry : out.entries()) {
        fill(memory, entry.tensor.slice().offset, entry.tensor.bytes() + 4 * kGuard, kOutputGuardWord);
    }
}

void check_guards(Memory& memory, const Tensors& tensors, uint32_t expected, std::string_view op)
{
    std::array<uint32_t, kGuard> words{};
    for (const Tensors::Entry& entry : tensors.entries()) {
        if (entry.tensor.arena != Arena::activations) continue;
        memory.read(entry.tensor.slice().offset + entry.tensor.bytes(),
                    std::as_writable_bytes(std::span<uint32_t>(words)));
        if (std::all_of(words.begin(), words.end(), [&](uint32_t word) { return word == expected; })) continue;
        raise(Status::internal, "{}: wrote past the end of {}", op, entry.name);
    }
}

void expand_report(const NamedArray& report, std::vector<NamedArray>& outputs)
{
    const char* const names[] = {"min_pivot", "alpha", "retries", "residual", "status"};
    Shape shape;
    for (uint32_t axis = 0; axis + 1 < report.shape.rank(); ++axis) shape.append(report.shape[axis]);
    for (uint32_t field = 0; field < 5; ++field) {
        NamedArray output{names[field], shape, {}};
        for (size_t i = field; i < report.values.size(); i += kSolveReportWords) {
            output.values.push_back(report.values[i]);
        }
        outputs.push_back(std::move(output));
    }
}

} // namespace

struct OperatorProgram::Parts {
    Parts(Device& device, const Operator& op, const Attributes& attributes, const std::vector<NamedArray>& inputs,
          bool keeps_states, uint32_t chunk);

    void place_states(const Operator& op, const Attributes& attributes, const std::vector<NamedArray>& inputs);
    void record(const Operator& op, const Attributes& attributes, Recorder& recorder);
    void upload();
    [[nodiscard]] Arenas arenas() const;

    std::string_view name;
    bool keeps_states;
    ArenaLayout weights{Arena::weights};
    ArenaLayout states{Arena::state, kGuard};
    ArenaLayout activations{Arena::activations, kGuard};
    Placed placed;
    LaunchList list;
    std::unique_ptr<Memory> weight_memory, state_memory, activation_memory;
    std::unique_ptr<Program> program;
};

OperatorProgram::Parts::Parts(Device& device, const Operator& op, const Attributes& attributes,
                              const std::vector<NamedArray>& inputs, bool keeps, uint32_t chunk)
    : name(op.name), keeps_states(keeps)
{
    placed = place_inputs(op, device.caps(), inputs, weights, activations);
    for (auto& [output, shape] : op.infer(attributes, placed.in)) placed.out.add(output, activations.take(shape));
    if (op.constants) {
        for (Constant& constant : op.constants(attributes, placed.in)) {
            const Tensor tensor = weights.take({static_cast<uint32_t>(constant.values.size())});
            placed.in.add(constant.name, tensor);
            placed.uploads.emplace_back(tensor, words_of(constant.values));
        }
    }
    if (keeps_states) place_states(op, attributes, inputs);
    list.set_label(std::string(name));
    Recorder recorder{.list = list, .caps = device.caps(), .scratch = activations, .chunk = chunk};
    record(op, attributes, recorder);
    weight_memory = device.allocate(MemoryKind::device, weights.bytes(), "operator weights");
    state_memory = device.allocate(MemoryKind::device, states.bytes(), "operator states");
    activation_memory = device.allocate(MemoryKind::device, activations.bytes(), "operator tensors");
    upload();
    program = device.compile(list, arenas(), {std::string(name), {}, {}, false});
}

Arenas OperatorProgram::Parts::arenas() const
{
    Arenas arenas;
    arenas.memory[static_cast<size_t>(Arena::weights)] = weight_memory.get();
    arenas.memory[static_cast<size_t>(Arena::state)] = state_memory.get();
    arenas.memory[static_cast<size_t>(Arena::activations)] = activation_memory.get();
    return arenas;
}

void OperatorProgram::Parts::place_states(const Operator& op, const Attributes& attributes,
                                          const std::vector<NamedArray>& inputs)
{
    if (!op.recurrent) raise(Status::unsupported, "{}: keeps no state from run to run", name);
    const uint32_t streams = placed.in.entries().front().tensor.shape[0];
    for (const StateShape& kept : op.recurrent->states(attributes, placed.in)) {
        Shape shape{streams};
        for (uint32_t axis = 0; axis < kept.shape.rank(); ++axis) shape.append(kept.shape[axis]);
        const Tensor tensor = states.take(shape);
        placed.states.add(kept.name, tensor);
        const auto given = std::find_if(inputs.begin(), inputs.end(),
                                        [&](const NamedArray& input) { return input.name == kept.name; });
        const Port* port = op.input(kept.name); // what every token needs, like k of a ring of pairs, is no state
        const bool is_given = given != inputs.end() && port && port->is_optional;
        if (is_given && given->values.size() != shape.element_count()) {
            raise(Status::unsupported, "{}: {} {} is not the state as it is kept, {}", name, kept.name,
                  given->shape.text(), shape.text());
        }
        placed.uploads.emplace_back(tensor,
                                    is_given ? words_of(given->values) : std::vector<uint32_t>(shape.element_count()));
    }
}

void OperatorProgram::Parts::record(const Operator& op, const Attributes& attributes, Recorder& recorder)
{
    if (!keeps_states) {
        op.record(recorder, attributes, placed.in, placed.out);
        return;
    }
    SlotMap map;
    map.slots = placed.in.entries().front().tensor.shape[0];
    op.recurrent->record(recorder, attributes, placed.in, placed.states, placed.out, map);
}

void OperatorProgram::Parts::upload()
{
    fill_guards(*activation_memory, activations, placed.out);
    fill_guards(*state_memory, states, placed.states);
    for (const auto& [tensor, words] : placed.uploads) {
        Memory& memory = tensor.arena == Arena::weights ? *weight_memory
                         : tensor.arena == Arena::state ? *state_memory
                                                        : *activation_memory;
        memory.write(tensor.slice().offset, std::as_bytes(std::span(words)));
    }
}

OperatorProgram::OperatorProgram(Device& device, std::string_view name, const Json& attributes_json,
                                 const std::vector<NamedArray>& inputs, bool keeps_states, uint32_t chunk)
{
    const Operator* op = find_operator(name);
    if (!op) {
        raise(Status::unsupported, "no operator {}; there are: {}", in_quotes(name), operator_names());
    }
    const Attributes attributes(attributes_json, std::string(name), Status::unsupported);
    check_attribute_names(*op, attributes);
    check_inputs(*op, attributes, inputs);
    check_indexes(*op, inputs);
    parts_ = std::make_unique<Parts>(device, *op, attributes, inputs, keeps_states, chunk);
}

OperatorProgram::~OperatorProgram() = default;
OperatorProgram::OperatorProgram(OperatorProgram&&) noexcept = default;

Program& OperatorProgram::program()
{
    return *parts_->program;
}

const LaunchList& OperatorProgram::launches() const
{
    return parts_->list;
}

Arenas OperatorProgram::arenas() const
{
    return parts_->arenas();
}

uint64_t OperatorProgram::bytes_moved() const
{
    return parts_->list.bytes_moved();
}

uint32_t OperatorProgram::dispatches() const
{
    return static_cast<uint32_t>(parts_->list.launches().size());
}

void OperatorProgram::check_guards()
{
    gramian::check_guards(*parts_->activation_memory, parts_->placed.in, kGuardWord, parts_->name);
    gramian::check_guards(*parts_->activation_memory, parts_->placed.out, kOutputGuardWord, parts_->name);
}

std::vector<NamedArray> OperatorProgram::outputs()
{
    std::vector<NamedArray> outputs;
    const auto read = [&](Memory& memory, const Tensors::Entry& entry) {
        NamedArray output{entry.name, entry.tensor.shape, std::vector<float>(entry.tensor.element_count())};
        memory.read(entry.tensor.slice().offset, std::as_writable_bytes(std::span<float>(output.values)));
        return output;
    };
    for (const Tensors::Entry& entry : parts_->placed.out.entries()) {
        if (parts_->placed.states.has(entry.name)) continue;
        NamedArray output = read(*parts_->activation_memory, entry);
        if (entry.name == "report")
            expand_report(output, outputs);
        else
            outputs.push_back(std::move(output));
    }
    for (const Tensors::Entry& entry : parts_->placed.states.entries()) {
        outputs.push_back(read(*parts_->state_memory, entry));
    }
    return outputs;
}

OperatorRun run_operator(Device& device, std::string_view name, const Json& attributes,
                         const std::vector<NamedArray>& inputs, const OperatorRunOptions& options)
{
    OperatorProgram program(device, name, attributes, inputs, false, options.chunk);
    OperatorRun run;
    run.bytes_moved = program.bytes_moved();
    run.dispatches = program.dispatches();
    for (uint32_t i = 0; i < std::max(options.repeat, 1U); ++i) {
        const auto start = std::chrono::steady_clock::now();
        program.program().run();
        const std::chrono::duration<double, std::micro> spent = std::chrono::steady_clock::now() - start;
        run.run_us.push_back(spent.count());
    }
    if (options.check_guards) program.check_guards();
    run.outputs = program.outputs();
    return run;
}

} // namespace gramian
