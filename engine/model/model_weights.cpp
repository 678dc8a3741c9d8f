// The part of the parser that is about weights: which tensor a port takes, what may stand in it, how it is packed for
// the kernels, and where it lies on the device.
#include "model/model_parser.hpp"
#include "ops/half_weights.hpp"

#include <algorithm>
#include <cmath>

namespace gramian {

void ModelParser::bind_weights(Node& node, const Json& json)
{
    const Json weights = json.contains("weights") ? json.at("weights") : Json::object();
    if (!weights.is_object()) {
        raise(Status::invalid_model, "{}: 'weights': expected an object, found {}", node.name, describe(weights));
    }
    for (const auto& [port_name, tensor] : weights.items()) {
        const Port* port = node.op->input(port_name);
        if (!port || !port->is_constant) {
            raise(Status::invalid_model, "{}: {} takes no weight {}", node.name, node.op->name, in_quotes(port_name));
        }
        if (!tensor.is_string()) {
            raise(Status::invalid_model, "{}: weight '{}': expected the name of a tensor, found {}", node.name,
                  port_name, describe(tensor));
        }
        bind_weight(node, *port, tensor.get<std::string>());
    }
    for (const Port& port : node.op->inputs) {
        if (port.is_constant && !port.is_optional && !node.constants.has(port.name)) {
            raise(Status::invalid_model, "{}: weight '{}' is missing", node.name, port.name);
        }
    }
}

void ModelParser::bind_weight(Node& node, const Port& port, const std::string& tensor_name)
{
    const FileTensor* tensor = file_.find(tensor_name);
    if (!tensor) {
        raise(Status::invalid_model, "{}: weight '{}': the file holds no tensor {}", node.name, port.name,
              in_quotes(tensor_name));
    }
    const bool is_new = used_tensors_.insert(tensor_name).second;
    if (is_new) model_.parameter_count_ += tensor->element_count();
    const auto known = placed_.find({tensor_name, &port});
    if (known != placed_.end()) {
        node.constants.add(std::string(port.name), known->second);
        return;
    }
    if (tensor->shape.size() > Shape::kMaxRank) {
        raise(Status::invalid_model, "{}: tensor {}: rank {}, expected at most {}", where_, in_quotes(tensor_name),
              tensor->shape.size(), Shape::kMaxRank);
    }
    const Shape shape = Shape::checked(tensor->shape, fmt::format("{}: tensor {}", where_, in_quotes(tensor_name)));
    if (shape.rank() == 0 || shape.element_count() == 0 || (port.pack && shape.rank() != 2)) {
        raise(Status::invalid_model, "{}: weight '{}': tensor {} has shape {}, expected {}", node.name, port.name,
              in_quotes(tensor_name), shape.text(), port.pack ? "two extents" : "at least one element");
    }
    const std::vector<float> values = finite_floats(*tensor);
    const auto negative = std::find_if(values.begin(), values.end(), [](float value) { return value < 0; });
    if (port.is_nonnegative && negative != values.end()) {
        raise(Status::invalid_model, "{}: weight '{}': tensor {}: element {} is {}, expected none below 0", node.name,
              port.name, in_quotes(tensor_name), negative - values.begin(), *negative);
    }
    PackedConstant packed = pack_constant(port, values, shape, tensor->dtype, model_.device_->caps());
    if (is_new && packed.dtype == DType::f16) model_.half_parameter_count_ += tensor->element_count();
    Tensor placed = layout_.take({static_cast<uint32_t>(packed.words.size())});
    uploads_.emplace_back(placed, std::move(packed.words));
    placed.shape = shape;
    placed.dtype = packed.dtype;
    placed_.emplace(std::pair(tensor_name, &port), placed);
    node.constants.add(std::string(port.name), placed);
}

std::vector<float> ModelParser::finite_floats(const FileTensor& tensor) const
{
    if (!dtype_is_float(tensor.dtype)) {
        raise(Status::invalid_model, "{}: tensor {}: expected F32, F16, BF16 or F64, found {}", where_,
              in_quotes(tensor.name), dtype_name(tensor.dtype));
    }
    std::vector<float> values = to_float(tensor);
    for (size_t i = 0; i < values.size(); ++i) {
        if (std::isfinite(values[i])) continue;
        raise(Status::invalid_model, "{}: tensor {}: element {} is {}, expected a finite number", where_,
              in_quotes(tensor.name), i, values[i]);
    }
    return values;
}

void ModelParser::bind_constants(Node& node, const Tensors& in)
{
    if (!node.op->constants) return;
    for (Constant& constant : node.op->constants(node.attributes, in)) {
        const Tensor placed = layout_.take({static_cast<uint32_t>(constant.values.size())});
        uploads_.emplace_back(placed, words_of(constant.values));
        node.constants.add(constant.name, placed);
    }
}

void ModelParser::upload()
{
    model_.weight_bytes_ = layout_.bytes();
    model_.weights_ = model_.device_->allocate(MemoryKind::device, layout_.bytes(), model_.name_ + " weights");
    for (const auto& [tensor, words] : uploads_) {
        model_.weights_->write(tensor.slice().offset, std::as_bytes(std::span(words)));
    }
}

} // namespace gramian
