#include "ops/operator.hpp"

#include <cmath>
#include <fmt/ranges.h>

namespace gramian {

Attributes::Attributes(Json object, std::string where, Status status)
    : object_(std::move(object)), where_(std::move(where)), status_(status)
{
    if (object_.is_null()) object_ = Json::object();
    if (!object_.is_object()) raise(status_, "{}: attributes: expected an object, found {}", where_, describe(object_));
}

std::vector<std::string> Attributes::names() const
{
    std::vector<std::string> found;
    for (const auto& [name, value] : object_.items()) found.push_back(name);
    return found;
}

double Attributes::number(std::string_view name, double otherwise, double least, double most) const
{
    if (!has(name)) return otherwise;
    const Json& value = object_.at(std::string(name));
    const double found = value.is_number() ? value.get<double>() : std::nan("");
    if (!(found >= least && found <= most)) {
        raise(status_, "{}: attribute '{}': expected a number from {} to {}, found {}", where_, name, least, most,
              describe(value));
    }
    return found;
}

uint32_t Attributes::count(std::string_view name, uint32_t otherwise, uint32_t least, uint32_t most) const
{
    if (!has(name)) return otherwise;
    const std::string what = fmt::format("{}: attribute '{}'", where_, name);
    return static_cast<uint32_t>(as_integer(object_.at(std::string(name)), least, most, what, status_));
}

bool Attributes::flag(std::string_view name, bool otherwise) const
{
    if (!has(name)) return otherwise;
    const Json& value = object_.at(std::string(name));
    if (!value.is_boolean()) {
        raise(status_, "{}: attribute '{}': expected true or false, found {}", where_, name, describe(value));
    }
    return value.get<bool>();
}

uint32_t Attributes::choice(std::string_view name, std::span<const std::string_view> known,
                            std::optional<uint32_t> otherwise) const
{
    if (!has(name) && otherwise) return *otherwise;
    if (!has(name)) raise(status_, "{}: attribute '{}' is missing, one of {}", where_, name, fmt::join(known, ", "));
    const Json& value = object_.at(std::string(name));
    for (uint32_t i = 0; value.is_string() && i < known.size(); ++i) {
        if (value.get_ref<const std::string&>() == known[i]) return i;
    }
    raise(status_, "{}: attribute '{}': expected one of {}, found {}", where_, name, fmt::join(known, ", "),
          describe(value));
}

std::vector<double> Attributes::doubles(std::string_view name, uint32_t size) const
{
    const Json value = has(name) ? object_.at(std::string(name)) : Json();
    std::vector<double> found;
    if (value.is_array()) {
        for (const Json& element : value) {
            if (element.is_number() && std::isfinite(element.get<float>())) found.push_back(element.get<double>());
        }
    }
    if (found.size() != size || value.size() != size) {
        raise(status_, "{}: attribute '{}': expected an array of {} finite numbers, found {}", where_, name, size,
              value.is_null() ? "nothing" : describe(value));
    }
    return found;
}

std::vector<float> Attributes::numbers(std::string_view name, uint32_t size) const
{
    const std::vector<double> found = doubles(name, size);
    return {found.begin(), found.end()};
}

std::vector<uint32_t> Attributes::counts(std::string_view name) const
{
    const Json& value = object_.at(std::string(name));
    if (!value.is_array() || value.empty()) {
        raise(status_, "{}: attribute '{}': expected an array of whole numbers, found {}", where_, name,
              describe(value));
    }
    std::vector<uint32_t> found;
    for (const Json& element : value) {
        const std::string what = fmt::format("{}: attribute '{}'", where_, name);
        found.push_back(static_cast<uint32_t>(as_integer(element, 1, int64_t{1} << 30, what, status_)));
    }
    return found;
}

void Attributes::only(std::string_view name, const Json& value) const
{
    if (!has(name)) return;
    const Json& found = object_.at(std::string(name));
    if (found != value) {
        raise(Status::unsupported, "{}: attribute '{}': this version does {} only, not {}", where_, name, value.dump(),
              found.dump());
    }
}

const Tensor* Tensors::find(std::string_view name) const
{
    for (const Entry& entry : entries_) {
        if (entry.name == name) return &entry.tensor;
    }
    return nullptr;
}

const Tensor& Tensors::at(std::string_view name) const
{
    const Tensor* tensor = find(name);
    assert(tensor && "a port that the operator declares as required");
    return *tensor;
}

const Port* Operator::input(std::string_view port) const
{
    for (const Port& candidate : inputs) {
        if (candidate.name == port) return &candidate;
        const bool is_numbered = candidate.is_variadic && port.size() > candidate.name.size() &&
                                 port.starts_with(candidate.name) &&
                                 port.find_first_not_of("0123456789", candidate.name.size()) == std::string_view::npos;
        if (is_numbered) return &candidate;
    }
    return nullptr;
}

const Operator* find_operator(std::string_view name)
{
    for (const Operator& candidate : operators()) {
        if (candidate.name == name) return &candidate;
    }
    return nullptr;
}

std::string operator_names()
{
    std::vector<std::string_view> names;
    for (const Operator& op : operators()) names.push_back(op.name);
    return fmt::format("{}", fmt::join(names, ", "));
}

void check_attribute_names(const Operator& op, const Attributes& attributes)
{
    for (const std::string& name : attributes.names()) {
        if (std::find(op.attributes.begin(), op.attributes.end(), name) != op.attributes.end()) continue;
        raise(attributes.status(), "{}: {} has no attribute {}; it has: {}", attributes.where(), op.name,
              in_quotes(name), op.attributes.empty() ? "none" : fmt::format("{}", fmt::join(op.attributes, ", ")));
    }
}

} // namespace gramian
