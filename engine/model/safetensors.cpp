#include "model/safetensors.hpp"

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/half.hpp"
#include "base/json.hpp"

#include <algorithm>
#include <cstring>
#include <fmt/ranges.h>
#include <limits>
#include <optional>

namespace gramian {

namespace {

constexpr std::string_view kMetadataKey = "__metadata__";
constexpr size_t kLengthBytes = 8;
constexpr uint64_t kMaxInteger = std::numeric_limits<int64_t>::max();

/// What is wrong with a tensor's name; empty when nothing is.
std::string name_fault(std::string_view name)
{
    if (name.empty()) return "a tensor has an empty name";
    if (name.size() > kMaxFileTensorNameBytes)
        return fmt::format("tensor {}: expected a name of at most {} bytes, found {}", in_quotes(name),
                           kMaxFileTensorNameBytes, name.size());
    const auto is_control = [](char letter) { return static_cast<unsigned char>(letter) < 0x20 || letter == 0x7F; };
    if (std::any_of(name.begin(), name.end(), is_control))
        return fmt::format("tensor {}: a control character in the name", in_quotes(name));
    return {};
}

/// Bytes of a dense tensor; nothing when they, or any product of non-zero extents, exceed an int64. The order of the
/// extents does not matter, so whoever multiplies some of them later is safe too.
std::optional<uint64_t> dense_bytes(DType dtype, std::span<const uint64_t> shape)
{
    uint64_t product = dtype_size(dtype);
    bool is_empty = false;
    for (const uint64_t extent : shape) {
        is_empty = is_empty || extent == 0;
        if (extent == 0) continue;
        if (product > kMaxInteger / extent) return std::nullopt;
        product *= extent;
    }
    return is_empty ? 0 : product;
}

std::string_view header_text(std::span<const std::byte> bytes, std::string_view name)
{
    if (bytes.size() < kLengthBytes)
        raise(Status::invalid_model, "{}: expected at least {} bytes, found {}", name, kLengthBytes, bytes.size());
    uint64_t length = 0;
    std::memcpy(&length, bytes.data(), kLengthBytes);
    if (length == 0) raise(Status::invalid_model, "{}: expected a header, found a header length of 0", name);
    if (length > kMaxSafetensorsHeaderBytes)
        raise(Status::invalid_model, "{}: expected a header of at most {} bytes, found a header length of {}", name,
              kMaxSafetensorsHeaderBytes, length);
    if (length > bytes.size() - kLengthBytes)
        raise(Status::invalid_model,
              "{}: expected a header of {} bytes, found only {} bytes in the file after its length", name, length,
              bytes.size() - kLengthBytes);
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()) + kLengthBytes, length);
    if (text.front() != '{')
        raise(Status::invalid_model, "{}: expected a header that starts with '{{', found byte 0x{:02x}", name,
              static_cast<unsigned char>(text.front()));
    return text;
}

std::map<std::string, std::string> read_metadata(const Json& entry, std::string_view name)
{
    const std::string where = fmt::format("{}: {}", name, kMetadataKey);
    if (!entry.is_object())
        raise(Status::invalid_model, "{}: expected an object of strings, found {}", where, describe(entry));
    std::map<std::string, std::string> metadata;
    for (const auto& [key, value] : entry.get_ref<const Json::object_t&>())
        metadata.emplace(key, require_string(entry, key, where));
    return metadata;
}

std::vector<uint64_t> read_shape(const Json& entry, const std::string& where)
{
    const Json& extents = require(entry, "shape", Json::value_t::array, where);
    if (extents.size() > kMaxFileTensorRank)
        raise(Status::invalid_model, "{}: expected a rank of at most {}, found {}", where, kMaxFileTensorRank,
              extents.size());
    std::vector<uint64_t> shape;
    shape.reserve(extents.size());
    for (const Json& extent : extents)
        shape.push_back(static_cast<uint64_t>(as_integer(extent, 0, kMaxInteger, where + ": \"shape\"")));
    return shape;
}

std::span<const std::byte> read_data(const Json& entry, std::span<const std::byte> data, const std::string& where)
{
    const Json& offsets = require(entry, "data_offsets", Json::value_t::array, where);
    const std::string place = where + ": \"data_offsets\"";
    if (offsets.size() != 2)
        raise(Status::invalid_model, "{}: expected two integers, found {}", place, describe(offsets));
    const auto begin = static_cast<uint64_t>(as_integer(offsets[0], 0, kMaxInteger, place));
    const auto end = static_cast<uint64_t>(as_integer(offsets[1], 0, kMaxInteger, place));
    if (begin > end) raise(Status::invalid_model, "{}: expected begin <= end, found [{}, {}]", place, begin, end);
    if (end > data.size())
        raise(Status::invalid_model, "{}: end past the data: expected at most {}, found {}", place, data.size(), end);
    return data.subspan(begin, end - begin);
}

FileTensor read_tensor(const std::string& tensor_name, const Json& entry, std::span<const std::byte> data,
                       std::string_view name)
{
    if (const std::string fault = name_fault(tensor_name); !fault.empty())
        raise(Status::invalid_model, "{}: {}", name, fault);
    const std::string where = fmt::format("{}: tensor {}", name, in_quotes(tensor_name));
    refuse_unknown_keys(entry, {"dtype", "shape", "data_offsets"}, where);

    const std::string dtype_text = require_string(entry, "dtype", where);
    const std::optional<DType> dtype = dtype_of_name(dtype_text);
    if (!dtype) {
        std::vector<std::string_view> known;
        for (const DType each : kAllDTypes) known.push_back(dtype_name(each));
        raise(Status::invalid_model, "{}: unknown dtype {}, expected one of {}", where, in_quotes(dtype_text),
              fmt::join(known, ", "));
    }
    FileTensor tensor{tensor_name, *dtype, read_shape(entry, where), read_data(entry, data, where)};
    const std::optional<uint64_t> expected = dense_bytes(tensor.dtype, tensor.shape);
    if (!expected) raise(Status::invalid_model, "{}: shape {} overflows 64 bits", where, tensor.shape);
    if (*expected != tensor.data.size())
        raise(Status::invalid_model, "{}: expected {} bytes for {} {}, found {}", where, *expected, dtype_text,
              tensor.shape, tensor.data.size());
    return tensor;
}

/// The tensors must tile the data: whatever else lies in a file is a fault or a hiding place.
void check_layout(const std::vector<FileTensor>& tensors, std::span<const std::byte> data, std::string_view name)
{
    const auto begin = [&](const FileTensor* tensor) {
        return static_cast<uint64_t>(tensor->data.data() - data.data());
    };
    std::vector<const FileTensor*> order;
    order.reserve(tensors.size());
    for (const FileTensor& tensor : tensors) order.push_back(&tensor);
    std::sort(order.begin(), order.end(), [&](const FileTensor* a, const FileTensor* b) {
        return std::pair(begin(a), a->data.size()) < std::pair(begin(b), b->data.size());
    });

    uint64_t end = 0;
    std::string before = "the start";
    for (const FileTensor* tensor : order) {
        if (begin(tensor) < end)
            raise(Status::invalid_model, "{}: tensor {} overlaps {}: expected it to begin at {}, found {}", name,
                  in_quotes(tensor->name), before, end, begin(tensor));
        if (begin(tensor) > end)
            raise(Status::invalid_model, "{}: a hole between {} and tensor {}: expected it to begin at {}, found {}",
                  name, before, in_quotes(tensor->name), end, begin(tensor));
        end += tensor->data.size();
        before = "tensor " + in_quotes(tensor->name);
    }
    if (end != data.size())
        raise(Status::invalid_model, "{}: trailing bytes after {}: expected the data to end at {}, found {}", name,
              before, end, data.size());
}

template <class Stored, class Real, class Convert>
std::vector<Real> convert_all(std::span<const std::byte> data, Convert convert)
{
    std::vector<Real> result(data.size() / sizeof(Stored));
    for (size_t i = 0; i < result.size(); ++i) {
        Stored stored;
        std::memcpy(&stored, data.data() + i * sizeof(Stored), sizeof(Stored)); // the file promises no alignment
        result[i] = static_cast<Real>(convert(stored));
    }
    return result;
}

template <class Real>
std::vector<Real> to_real(const FileTensor& tensor)
{
    static_assert(std::numeric_limits<Real>::is_iec559); // a double beyond the range of float becomes infinite
    const auto as_it_is = [](auto value) { return value; };
    switch (tensor.dtype) {
        case DType::f32:
            return convert_all<float, Real>(tensor.data, as_it_is);
        case DType::f64:
            return convert_all<double, Real>(tensor.data, as_it_is);
        case DType::f16:
            return convert_all<uint16_t, Real>(tensor.data, half_to_float);
        case DType::bf16:
            return convert_all<uint16_t, Real>(tensor.data, bfloat16_to_float);
        default:
            break;
    }
    raise(Status::invalid_model, "tensor {}: expected F32, F16, BF16 or F64, found {}", in_quotes(tensor.name),
          dtype_name(tensor.dtype));
}

void check_writable(const TensorToWrite& tensor)
{
    if (const std::string fault = name_fault(tensor.name); !fault.empty()) raise(Status::invalid_argument, "{}", fault);
    const std::string where = "tensor " + in_quotes(tensor.name);
    if (tensor.name == kMetadataKey) raise(Status::invalid_argument, "{}: the name is reserved", where);
    if (tensor.shape.size() > kMaxFileTensorRank)
        raise(Status::invalid_argument, "{}: expected a rank of at most {}, found {}", where, kMaxFileTensorRank,
              tensor.shape.size());
    const std::optional<uint64_t> expected = dense_bytes(tensor.dtype, tensor.shape);
    if (!expected) raise(Status::invalid_argument, "{}: shape {} overflows 64 bits", where, tensor.shape);
    if (*expected != tensor.data.size())
        raise(Status::invalid_argument, "{}: expected {} bytes for {} {}, found {}", where, *expected,
              dtype_name(tensor.dtype), tensor.shape, tensor.data.size());
}

std::string header_of(std::span<const TensorToWrite* const> order, const std::map<std::string, std::string>& metadata)
{
    Json header = Json::object();
    if (!metadata.empty()) header[kMetadataKey] = metadata;
    uint64_t begin = 0;
    for (const TensorToWrite* tensor : order) {
        if (header.contains(tensor->name))
            raise(Status::invalid_argument, "two tensors are named {}", in_quotes(tensor->name));
        const uint64_t end = begin + tensor->data.size();
        header[tensor->name] = {
            {"dtype", dtype_name(tensor->dtype)}, {"shape", tensor->shape}, {"data_offsets", {begin, end}}};
        begin = end;
    }
    std::string text;
    try {
        text = header.dump();
    } catch (const Json::type_error&) {
        raise(Status::invalid_argument, "expected names and metadata in UTF-8");
    }
    text.resize((text.size() + 7) / 8 * 8, ' ');
    if (text.size() > kMaxSafetensorsHeaderBytes)
        raise(Status::invalid_argument, "expected a header of at most {} bytes, found {}", kMaxSafetensorsHeaderBytes,
              text.size());
    return text;
}

} // namespace

uint64_t FileTensor::element_count() const noexcept
{
    uint64_t count = 1;
    for (const uint64_t extent : shape) count *= extent;
    return count;
}

SafetensorsFile SafetensorsFile::load(const std::filesystem::path& path)
{
    return parse(read_file(path, kMaxSafetensorsBytes), path.string());
}

SafetensorsFile SafetensorsFile::parse(std::vector<std::byte> bytes, std::string_view name)
{
    SafetensorsFile file;
    file.bytes_ = std::move(bytes);
    const std::string_view text = header_text(file.bytes_, name);
    const auto data = std::span<const std::byte>(file.bytes_).subspan(kLengthBytes + text.size());

    const Json header = parse_json(text, fmt::format("{}: header", name), Status::invalid_model);
    const size_t tensor_count = header.size() - header.count(kMetadataKey);
    if (tensor_count > kMaxFileTensors)
        raise(Status::invalid_model, "{}: expected at most {} tensors, found {}", name, kMaxFileTensors, tensor_count);
    file.tensors_.reserve(tensor_count);
    for (const auto& [key, entry] : header.get_ref<const Json::object_t&>()) { // in the order of the keys
        if (key == kMetadataKey)
            file.metadata_ = read_metadata(entry, name);
        else
            file.tensors_.push_back(read_tensor(key, entry, data, name));
    }
    check_layout(file.tensors_, data, name);
    return file;
}

const FileTensor* SafetensorsFile::find(std::string_view name) const noexcept
{
    const auto at = std::lower_bound(tensors_.begin(), tensors_.end(), name,
                                     [](const FileTensor& tensor, std::string_view key) { return tensor.name < key; });
    return at != tensors_.end() && at->name == name ? &*at : nullptr;
}

std::vector<float> to_float(const FileTensor& tensor)
{
    return to_real<float>(tensor);
}

std::vector<double> to_double(const FileTensor& tensor)
{
    return to_real<double>(tensor);
}

std::vector<std::byte> serialize_safetensors(std::span<const TensorToWrite> tensors,
                                             const std::map<std::string, std::string>& metadata)
{
    if (tensors.size() > kMaxFileTensors)
        raise(Status::invalid_argument, "expected at most {} tensors, found {}", kMaxFileTensors, tensors.size());
    std::vector<const TensorToWrite*> order;
    for (const TensorToWrite& tensor : tensors) {
        check_writable(tensor);
        order.push_back(&tensor);
    }
    std::sort(order.begin(), order.end(), [](const TensorToWrite* a, const TensorToWrite* b) {
        const size_t a_size = dtype_size(a->dtype), b_size = dtype_size(b->dtype);
        return a_size != b_size ? a_size > b_size : a->name < b->name;
    });

    const std::string header = header_of(order, metadata);
    const uint64_t length = header.size();
    uint64_t size = sizeof length + length;
    for (const TensorToWrite* tensor : order) size += tensor->data.size();
    std::vector<std::byte> bytes(size);
    auto end = bytes.begin();
    const auto append = [&](std::span<const std::byte> part) { end = std::copy(part.begin(), part.end(), end); };
    append(std::as_bytes(std::span(&length, 1)));
    append(std::as_bytes(std::span(header)));
    for (const TensorToWrite* tensor : order) append(tensor->data);
    return bytes;
}

} // namespace gramian
