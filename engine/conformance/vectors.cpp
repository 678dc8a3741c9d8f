#include "conformance/vectors.hpp"

#include "model/safetensors.hpp"

#include <cmath>

namespace gramian {
namespace {

constexpr std::string_view kIn = "in.";
constexpr std::string_view kOut = "out.";

const std::string& entry(const SafetensorsFile& file, const char* key, const std::string& where)
{
    const auto found = file.metadata().find(key);
    if (found == file.metadata().end()) raise(Status::invalid_model, "{}: __metadata__ has no \"{}\"", where, key);
    return found->second;
}

double bound(const Json& object, const char* key, const std::string& where)
{
    const double value = require_number(object, key, where);
    if (!(value >= 0) || !std::isfinite(value)) {
        raise(Status::invalid_model, "{}: {}: expected a number from 0 on, found {}", where, key, value);
    }
    return value;
}

Tolerance read_tolerance(const SafetensorsFile& file, const std::string& name)
{
    const std::string where = name + ": tolerance";
    const Json json = parse_json(entry(file, "tolerance", name), where, Status::invalid_model);
    refuse_unknown_keys(json, {"rms", "max", "abs"}, where);
    return {bound(json, "rms", where), bound(json, "max", where), json.contains("abs") ? bound(json, "abs", where) : 0};
}

Shape shape_of(const FileTensor& tensor, const std::string& where)
{
    if (tensor.shape.empty()) raise(Status::invalid_model, "{}: expected a rank of 1 or more, found a scalar", where);
    const Shape shape = Shape::checked(tensor.shape, where);
    if (shape.element_count() == 0) raise(Status::invalid_model, "{}: {} has no elements", where, shape.text());
    return shape;
}

void read_tensor(const FileTensor& tensor, const Tolerance& tolerance, const std::string& name, Problem& problem)
{
    const std::string where = fmt::format("{}: tensor {}", name, in_quotes(tensor.name));
    const bool is_input = tensor.name.starts_with(kIn);
    if (!is_input && !tensor.name.starts_with(kOut)) {
        raise(Status::invalid_model, "{}: expected a name that starts with in. or out.", where);
    }
    const DType expected = is_input ? DType::f32 : DType::f64;
    if (tensor.dtype != expected) {
        raise(Status::invalid_model, "{}: expected {}, found {}", where, dtype_name(expected),
              dtype_name(tensor.dtype));
    }
    const Shape shape = shape_of(tensor, where);
    if (is_input) {
        problem.input(tensor.name.substr(kIn.size()), shape) = to_float(tensor);
    } else {
        problem.expect(tensor.name.substr(kOut.size()), shape, tolerance) = to_double(tensor);
    }
}

/// A file that does not hold up becomes a case too: one that fails with the reason.
Case vector_case(const std::filesystem::path& path)
{
    Case test;
    test.name = "vectors." + path.stem().string();
    test.family = std::string("vectors"); // GCC 12 warns of the assignment of a literal here
    try {
        Problem scratch(0);
        read_vector(path, test, scratch);
    } catch (const Error&) {
        test.op = "?";
    }
    test.prepare = [path](Problem& problem) {
        Case again;
        read_vector(path, again, problem);
    };
    return test;
}

} // namespace

void read_vector(const std::filesystem::path& path, Case& test, Problem& problem)
{
    const SafetensorsFile file = SafetensorsFile::load(path);
    const std::string name = path.string();
    if (entry(file, "gramian.vector", name) != "1") {
        raise(Status::invalid_model, "{}: expected \"gramian.vector\" = \"1\", found {}", name,
              in_quotes(entry(file, "gramian.vector", name)));
    }
    test.op = entry(file, "operator", name);
    test.attributes = parse_json(entry(file, "attributes", name), name + ": attributes", Status::invalid_model);
    if (!test.attributes.is_object()) {
        raise(Status::invalid_model, "{}: attributes: expected an object, found {}", name, describe(test.attributes));
    }
    const Tolerance tolerance = read_tolerance(file, name);
    for (const FileTensor& tensor : file.tensors()) read_tensor(tensor, tolerance, name, problem);
    if (problem.expected().empty()) raise(Status::invalid_model, "{}: no tensor out.<name> to compare with", name);
    if (problem.inputs().empty()) raise(Status::invalid_model, "{}: no tensor in.<name>", name);
}

std::vector<Case> vector_cases(const std::filesystem::path& directory)
{
    std::error_code error;
    if (!std::filesystem::is_directory(directory, error)) {
        raise(Status::invalid_argument, "{}: expected a directory of vectors", directory.string());
    }
    std::vector<Case> cases;
    for (const auto& file : std::filesystem::directory_iterator(directory)) {
        if (file.path().extension() == ".safetensors") cases.push_back(vector_case(file.path()));
    }
    std::sort(cases.begin(), cases.end(), [](const Case& a, const Case& b) { return a.name < b.name; });
    return cases;
}

} // namespace gramian
