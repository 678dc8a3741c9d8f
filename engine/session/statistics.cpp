// What streams have summed up of what they were shown, read out and added to one another, and how their solves went.
#include "session/recording.hpp"
#include "session/session.hpp"

#include <algorithm>
#include <cmath>

namespace gramian {
namespace {

/// The slice of one stream.
Tensor of_stream(const Tensor& tensor, uint32_t stream)
{
    Shape shape;
    for (uint32_t axis = 1; axis < tensor.shape.rank(); ++axis) shape.append(tensor.shape[axis]);
    Tensor part = tensor;
    part.shape = shape;
    part.offset += stream * static_cast<uint32_t>(shape.element_count());
    return part;
}

std::vector<float> read_floats(Memory& memory, const Tensor& tensor)
{
    std::vector<float> values(tensor.element_count());
    memory.read(tensor.slice().offset, std::as_writable_bytes(std::span<float>(values)));
    return values;
}

const NamedArray& find_array(const std::vector<NamedArray>& arrays, const std::string& name, const Shape& shape)
{
    const auto found = std::find_if(arrays.begin(), arrays.end(), [&](const NamedArray& a) { return a.name == name; });
    if (found == arrays.end()) raise(Status::invalid_argument, "statistics: '{}' is missing", name);
    if (found->shape != shape) {
        raise(Status::invalid_argument, "statistics: '{}': expected {}, found {}", name, shape.text(),
              found->shape.text());
    }
    return *found;
}

} // namespace

const std::string& Session::value_name(const NodeState& state) const
{
    return model_.values()[state.node->outputs.front()].name;
}

std::vector<NamedArray> Session::statistics(uint32_t stream) const
{
    check_streams({&stream, 1});
    if (!model_.has_context()) {
        raise(Status::invalid_argument, "{} has no context input: it has no statistics", model_.name());
    }
    if (is_submitted_) raise(Status::invalid_argument, "a step is submitted: wait for it before reading statistics");
    std::vector<NamedArray> arrays;
    for (const NodeState& state : layout_.nodes) {
        if (!state.node->is_context) continue;
        for (const Tensors::Entry& entry : state.kept.entries()) {
            const Tensor tensor = of_stream(entry.tensor, place_of(stream));
            arrays.push_back({value_name(state) + "." + entry.name, tensor.shape,
                              read_floats(*windows_[window_of(stream)].state, tensor)});
        }
    }
    return arrays;
}

NamedArray report_array(const std::string& value, const float* words, uint32_t heads)
{
    NamedArray array{value + ".report", {heads, kReportFields}, {}};
    for (uint32_t head = 0; head < heads; ++head, words += kSolveReportWords) {
        array.values.insert(array.values.end(), words, words + kReportFields);
    }
    return array;
}

std::vector<NamedArray> Session::reports(uint32_t stream) const
{
    check_streams({&stream, 1});
    if (is_submitted_) raise(Status::invalid_argument, "a step is submitted: wait for it before reading reports");
    std::vector<NamedArray> found = info_[stream].solved;
    for (const NodeState& state : layout_.nodes) {
        const Tensor* report = state.node->is_context ? nullptr : state.kept.find("report");
        if (!report || info_[stream].tokens == 0) continue;
        const Tensor tensor = of_stream(*report, place_of(stream));
        const std::vector<float> words = read_floats(*windows_[window_of(stream)].state, tensor);
        found.push_back(report_array(value_name(state), words.data(), state.node->heads));
    }
    return found;
}

void Session::add_statistics(uint32_t stream, const std::vector<NamedArray>& added, float weight)
{
    const std::vector<NamedArray> held = statistics(stream);
    if (!std::isfinite(weight)) raise(Status::invalid_argument, "statistics: weight {}: expected a number", weight);
    for (const NamedArray& array : added) {
        if (std::any_of(held.begin(), held.end(), [&](const NamedArray& own) { return own.name == array.name; }))
            continue;
        raise(Status::invalid_argument, "statistics: {} has no '{}'", model_.name(), array.name);
    }
    std::vector<std::pair<Tensor, std::vector<float>>> sums;
    for (const NodeState& state : layout_.nodes) {
        if (!state.node->is_context) continue;
        const auto shapes =
            state.node->op->context->states(state.node->attributes, context_shapes(model_, *state.node));
        for (const StateShape& shape : shapes) {
            if (!shape.is_sum) continue;
            const Tensor tensor = of_stream(state.kept.at(shape.name), place_of(stream));
            const std::string name = value_name(state) + "." + shape.name;
            const NamedArray& array = find_array(added, name, tensor.shape);
            std::vector<float> sum = find_array(held, name, tensor.shape).values;
            for (size_t i = 0; i < sum.size(); ++i) sum[i] = std::fma(weight, array.values[i], sum[i]);
            if (!std::all_of(sum.begin(), sum.end(), [](float value) { return std::isfinite(value); })) {
                raise(Status::invalid_argument, "statistics: the sum '{}' is not finite", name);
            }
            sums.emplace_back(tensor, std::move(sum));
        }
        if (std::none_of(shapes.begin(), shapes.end(), [](const StateShape& shape) { return shape.is_sum; })) {
            raise(Status::unsupported, "{}: keeps what it was shown, not sums of it: nothing adds up",
                  state.node->name);
        }
    }
    for (const auto& [tensor, sum] : sums) {
        windows_[window_of(stream)].state->write(tensor.slice().offset, std::as_bytes(std::span<const float>(sum)));
    }
}

} // namespace gramian
